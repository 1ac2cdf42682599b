/** How a batch is committed: one op by the fast path, everything else by the function. */
import { PosternError } from '@postern/core/errors'
import type { Commit } from '../../contract.js'
import { OutcomeUnknown } from '../../errors.js'
import type { Settled } from '../batch.js'
import type { Ask } from './ask.js'
import { decodeBatch, encodeBatch, type Queued } from './encode.js'
import { fastCall, fastStatements, readAnswer, writtenAnswer } from './fast.js'
import { isLockTimeout } from './outcome.js'
import type { Names } from './schema.js'
import { statementsOf } from './statements.js'

export interface CommitterOptions {
  /** Whether the engine has advisory locks. */
  readonly locks: boolean
  readonly lossless: boolean
  readonly lockTimeoutMs: number
  /** A batch that has all its locks only so long after it came in is given up. */
  readonly lateMs: number
}

/** A batch whose locks did not come is tried once more, partition by partition, with this part of the time for each. */
const SECOND_WAIT = 16

/** Sends batches; never rejects. */
export function committer(
  ask: Ask,
  names: Names,
  o: CommitterOptions,
): (batch: readonly Queued[]) => Promise<readonly Settled<Commit>[]> {
  const { locks, lossless, lockTimeoutMs, lateMs } = o
  const fast = fastStatements(names, locks, lossless)
  const sql = statementsOf(names)

  const together = async (batch: readonly Queued[], lockMs: number): Promise<readonly Commit[]> => {
    const encoded = encodeBatch(batch)
    const rows = await ask('write', sql.commit, [String(locks), String(lossless), String(lockMs), lateMs, ...encoded.values])
    return decodeBatch(batch, encoded, rows)
  }

  const alone = async (commit: Queued): Promise<Commit> => {
    const { place, ops, now } = commit
    const look = async (): Promise<Commit> => readAnswer(commit, (await ask('read', sql.get, [place, ops[0]!.key, now]))[0])
    const call = fastCall(commit)
    if (call === null) return look()
    const [row] = await ask('write', fast[call.name], [String(lockTimeoutMs), ...call.values])
    if (row !== undefined || (call.always && !lossless)) return writtenAnswer(commit, row)
    if (!lossless) {
      const seen = await look()
      if (!seen.ok) return seen
    }
    // What stood in its way is gone; or the settings have changed, and the function says so.
    return (await together([commit], lockTimeoutMs))[0]!
  }

  const settled = async (batch: readonly Queued[], lockMs: number): Promise<readonly Settled<Commit>[]> => {
    try {
      const single = batch.length === 1 && batch[0]!.ops.length === 1
      const answers = single ? [await alone(batch[0]!)] : await together(batch, lockMs)
      return answers.map((answer) => ({ answer }))
    } catch (error) {
      const partitions = byPlace(batch)
      if (partitions.length > 1 && isLockTimeout(error)) return apart(batch, partitions)
      return batch.map(({ rev }) => ({ error: named(error, rev) }))
    }
  }

  /** One partition that somebody holds must not refuse the commits of all others. */
  const apart = async (
    batch: readonly Queued[],
    partitions: readonly (readonly Queued[])[],
  ): Promise<readonly Settled<Commit>[]> => {
    const outcomes = new Map<Queued, Settled<Commit>>()
    for (const partition of partitions) {
      const some = await settled(partition, Math.ceil(lockTimeoutMs / SECOND_WAIT))
      for (const [i, commit] of partition.entries()) outcomes.set(commit, some[i]!)
    }
    return batch.map((commit) => outcomes.get(commit)!)
  }

  return (batch) => settled(batch, lockTimeoutMs)
}

function byPlace(batch: readonly Queued[]): readonly (readonly Queued[])[] {
  const partitions = new Map<string, Queued[]>()
  for (const commit of batch) {
    const some = partitions.get(commit.place)
    if (some === undefined) partitions.set(commit.place, [commit])
    else some.push(commit)
  }
  return [...partitions.values()]
}

/** The rev of each goes into its own error. */
function named(error: unknown, rev: string): unknown {
  return error instanceof PosternError && error.code === 'store.outcome_unknown' ? new OutcomeUnknown(rev, error) : error
}
