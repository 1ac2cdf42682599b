/** User codes (RFC 8628 §5.1, §6.1): eight of twenty consonants, 20^8 = 2.56e10 of them, and how often they may be guessed. */
import { PosternError } from '@postern/core/errors'
import type { Random } from '@postern/core/runtime'
import type { Op, Part } from '@postern/store'
import type { IssuerContext } from '../issuer.js'
import { addressBlock } from './address.js'
import { commit } from './commit.js'
import { eventOf, tell } from './events.js'
import { kitOf } from './kit.js'

/** No vowels, so that no words come out; no Y either. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const LENGTH = 8
const WINDOW_MS = 900_000
const MOST_BY_ADDRESS = 10
const MOST_BY_USER = 5
const SHARDS = 64

/** A fresh code: letters without a bias. */
export function newUserCode(random: Random): string {
  let code = ''
  while (code.length < LENGTH) {
    // 240 is the last multiple of 20 in a byte.
    for (const byte of random(LENGTH)) if (byte < 240 && code.length < LENGTH) code += LETTERS[byte % LETTERS.length]!
  }
  return code
}

/** A code as people type it, in two groups. */
export function shownUserCode(code: string): string {
  return `${code.slice(0, 4)}-${code.slice(4)}`
}

/** What was typed, in any case and with any separators (§6.1); `null` when it is no code. */
export function readUserCode(typed: string): string | null {
  if (typed.length > 64) return null
  const code = typed.toUpperCase().replace(/[^A-Z0-9]/g, '')
  return code.length === LENGTH && [...code].every((letter) => LETTERS.includes(letter)) ? code : null
}

/**
 * Counts a guess before it is looked up, right or wrong alike: by address and by user with a bound, over all without one. A surge is told
 * and locks nobody out (T39).
 * @throws PosternError `user_code.limited`
 */
export async function countGuess(
  { subject, ip }: { readonly subject: string; readonly ip: string | undefined },
  surge: number,
  context: IssuerContext,
): Promise<void> {
  const { places } = kitOf(context)
  const { runtime } = context
  const expiresAt = runtime.clock() + WINDOW_MS
  const count = (part: Part, max: number) => commit(part, [{ op: 'add', key: 'uc', by: 1, max, expiresAt } satisfies Op], context)
  if (ip !== undefined) {
    const { answer } = await count(await places.guessesFrom(addressBlock(ip)), MOST_BY_ADDRESS)
    if (!answer.ok) throw new PosternError('user_code.limited', { reason: 'address' })
  }
  const { answer } = await count(await places.user(subject), MOST_BY_USER)
  if (!answer.ok) throw new PosternError('user_code.limited', { reason: 'user' })
  // One of 64 counters stands for all: no partition is hot, and their sum is near enough.
  const all = await count(places.guesses(runtime.random(1)[0]! % SHARDS), Number.MAX_SAFE_INTEGER)
  const n = all.answer.ok ? all.answer.recs[0]!.n : 0
  if (n === Math.ceil(surge / SHARDS))
    tell(eventOf('user_code.surge', context, { outcome: 'failure', detail: { estimate: n * SHARDS } }), context)
}
