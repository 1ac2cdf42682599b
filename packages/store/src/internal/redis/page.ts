/** Pages of a partition, from its index. */
import { PosternError } from '@postern/core/errors'
import type { Rec } from '../../contract.js'
import { type Kept, told } from '../judge.js'
import type { Page } from '../validate.js'
import type { RedisPort } from './ports.js'
import { textOf } from './probe.js'
import { decodeRecord, indexOf, keyOf } from './record.js'
import { pageScript, type Script, tidyScript } from './script.js'

/** Names to look at on the first try, at least: a few that are gone or expired shall not cost a trip. */
const LEAST_NAMES = 16
/** So often others may add a name while the page is asked for, or the names looked at double. */
const MAX_ROUNDS = 30
const TIDY_NAMES = 128

/**
 * One page as one snapshot: names first, then the records of these names, and again where a name came in between. Names whose
 * record is gone leave the index on the way, so that they cost one look.
 * @throws PosternError `store.overloaded` when others add names faster than they are read
 */
export async function pageOf(port: RedisPort, place: string, { prefix, now, after, limit }: Page): Promise<readonly Rec[]> {
  const from = after >= prefix ? `(${after}` : `[${prefix}`
  let names: readonly string[] = []
  let most = Math.max(limit, LEAST_NAMES)
  for (let round = 0; round < MAX_ROUNDS; round++) {
    // '\x7f' sorts behind every character of a key.
    const args = [String(now), from, `(${prefix}\x7f`, String(limit), String(most)]
    const [whole, found, gone] = (await run(port, pageScript, place, names, args)) as readonly [
      unknown,
      readonly unknown[],
      readonly unknown[],
    ]
    if (gone.length > 0) await tidy(port, place, gone.map(textOf))
    if (Number(whole) === 1) return recordsOf(found)
    const seen = found.map(textOf)
    // All of them were declared, and still the page is not full.
    if (seen.length === most && seen.every((name, i) => name === names[i])) most *= 2
    names = seen
  }
  throw new PosternError('store.overloaded')
}

/** Looks at some names of the index: what nobody lists would otherwise keep the names of all that ever expired there. */
export async function tidySome(port: RedisPort, place: string): Promise<void> {
  const names = (await port.send(indexOf(place), 'ZRANDMEMBER', indexOf(place), String(TIDY_NAMES))) as readonly unknown[]
  if (names.length > 0) await tidy(port, place, names.map(textOf))
}

/** It writes, and the read that came upon them must not fail for it. */
async function tidy(port: RedisPort, place: string, names: readonly string[]): Promise<void> {
  await run(port, tidyScript, place, names, []).catch(() => {})
}

function run(
  port: RedisPort,
  { sha, text }: Script,
  place: string,
  names: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  return port.eval(sha, text, [indexOf(place), ...names.map((name) => keyOf(place, name))], args)
}

function recordsOf(found: readonly unknown[]): readonly Rec[] {
  const records: Kept[] = []
  for (let i = 0; i < found.length; i += 2) records.push(decodeRecord(textOf(found[i]), found[i + 1]))
  return records.map((record) => told(record))
}
