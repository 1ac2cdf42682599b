/** One place commits: unknown outcomes are settled under the same `rev`, or end as 503. */
import { isPosternError } from '@postern/core/errors'
import { type Commit, newRev, type Op, type Part } from '@postern/store'
import { commitSettled } from '@postern/store/settle'
import type { IssuerContext } from '../issuer.js'

export interface Committed {
  readonly rev: string
  readonly answer: Commit
}

/**
 * Commits ops with a conditional put among them, which is what makes an unknown outcome settle.
 * @throws OutcomeUnknown when it stays unknown
 */
export async function commit(part: Part, ops: readonly Op[], { runtime }: Pick<IssuerContext, 'runtime'>): Promise<Committed> {
  const { store, random, clock } = runtime
  const rev = newRev(random)
  const now = instantOf(ops, clock())
  return { rev, answer: await commitSettled(store, part, ops, { now, rev }) }
}

/** Commits what may be done twice without harm (a tombstone, a count of failures): sent again until answered. */
export async function commitRepeatable(
  part: Part,
  ops: readonly Op[],
  { runtime }: Pick<IssuerContext, 'runtime'>,
): Promise<Commit> {
  const { store, random, clock } = runtime
  const rev = newRev(random)
  const now = instantOf(ops, clock())
  for (let n = 1; ; n++) {
    try {
      const answer = await store.commit(part, ops, { now, rev })
      // Our own event under our own rev: an earlier sending was applied.
      return !answer.ok && answer.current?.rev === rev ? { ok: true, recs: [] } : answer
    } catch (error) {
      if (n === 4 || !isPosternError(error, 'store.outcome_unknown')) throw error
    }
  }
}

/** Now; just before what is written is over, where the store has kept the call waiting for longer than that lives: it was judged in time. */
function instantOf(ops: readonly Op[], now: number): number {
  let instant = now
  for (const op of ops) if ('expiresAt' in op && op.expiresAt <= instant) instant = op.expiresAt - 1
  return instant
}
