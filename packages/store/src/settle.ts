/** What to do about an unknown outcome: send the same commit again under the same `rev`. */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Commit, Op, Part, Rec, Store } from './contract.js'
import { OutcomeUnknown } from './errors.js'
import { checkedOps, checkedPart, opOf } from './internal/validate.js'

export interface SettleOptions {
  /** The `now` of the first sending: the same question must be asked again. */
  readonly now: number
  /** The `rev` of the first sending. */
  readonly rev: string
  /** How often the commit is sent at most. @defaultValue 5 */
  readonly attempts?: number
  /** Waits before attempt `n` (1, 2, …); the default does not wait. */
  readonly pause?: (n: number) => Promise<void>
}

/**
 * Sends a commit whose outcome is unknown again until an answer comes. Its conditional put lets one of all sendings win, so it is
 * applied once or never. A failure that shows our own `rev` means an earlier sending won: the answer is then `ok`, with the records
 * of puts and dels as we wrote them, those of checks and adds as they stand now. A failure that shows another's `rev` stays a
 * failure: it was lost, or won and since overwritten. What others may delete is no condition to settle by: gone, it lets a second
 * sending win.
 *
 * @throws PosternError `store.invalid` for what no store takes
 * @throws PosternError `store.unsettleable` without a put that has a `rev` (on an `e/` key it does not count, since shipping deletes it)
 * @throws OutcomeUnknown when no attempt was answered
 */
export async function settle(store: Store, part: Part, ops: readonly Op[], o: SettleOptions): Promise<Commit> {
  const { now, rev, attempts = 5, pause } = o
  const sent = copied(part, ops, o)
  if (!isSettleable(sent.ops)) throw new PosternError('store.unsettleable')
  let cause: unknown
  for (let n = 0; n < attempts; n++) {
    if (n > 0) await pause?.(n)
    try {
      const answer = await store.commit(sent.part, sent.ops, { now, rev })
      if (answer.ok) return answer
      return (await earlier(store, sent, { now, rev })) ?? answer
    } catch (error) {
      if (isPosternError(error, 'store.invalid')) throw error
      cause = error
      // "Not applied" speaks of this sending alone; the first one may still be under way.
      if (!isPosternError(error, 'store.outcome_unknown', 'store.unavailable', 'store.overloaded')) break
    }
  }
  throw new OutcomeUnknown(rev, cause)
}

/**
 * Commits, and settles an outcome that is unknown where that can be done; a store that is down has applied nothing and says so at once.
 * @throws OutcomeUnknown when it stays unknown | PosternError as `store.commit`
 */
export async function commitSettled(store: Store, part: Part, ops: readonly Op[], o: SettleOptions): Promise<Commit> {
  const own = { ...o }
  const { now, rev } = own
  const sent = copied(part, ops, own)
  try {
    return await store.commit(sent.part, sent.ops, { now, rev })
  } catch (error) {
    if (isPosternError(error, 'store.outcome_unknown') && isSettleable(sent.ops)) return settle(store, sent.part, sent.ops, own)
    throw error
  }
}

interface Sent {
  readonly part: Part
  readonly ops: readonly Op[]
}

/** What is sent again must be what was sent. @throws PosternError `store.invalid` */
function copied(part: Part, ops: readonly Op[], { now, rev }: SettleOptions): Sent {
  return { part: checkedPart(part), ops: checkedOps(ops, { now, rev }).map((op) => opOf(op)) }
}

/** A put with a `rev` lets one of all sendings win; shipping may have deleted the one of an event. */
function isSettleable(ops: readonly Op[]): boolean {
  return ops.some((op) => op.op === 'put' && op.rev !== undefined && !op.key.startsWith('e/'))
}

/** The answer of the sending that won, when a record under our `rev` proves that one did. */
async function earlier(store: Store, { part, ops }: Sent, { now, rev }: SettleOptions): Promise<Commit | null> {
  const recs = await store.read(
    part,
    ops.map(({ key }) => key),
    { now },
  )
  const won = ops.some((op, i) => (op.op === 'put' || op.op === 'add') && recs[i]?.rev === rev)
  return won ? { ok: true, recs: ops.map((op, i) => written(op, rev, recs[i]!)) } : null
}

function written(op: Op, rev: string, standing: Rec | null): Rec | null {
  if (op.op === 'del') return null
  if (op.op !== 'put') return standing
  return { key: op.key, value: new Uint8Array(op.value), n: 0, rev, expiresAt: op.expiresAt ?? 0 }
}
