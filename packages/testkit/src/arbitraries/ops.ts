/**
 * fast-check commits: every op × rev × expiry, shrinking to few and simple ones. Revs are not known before a run, so a plan says which
 * it wishes for, and becomes ops when it runs.
 */
import type { Op } from '@postern/store'
import fc from 'fast-check'

/** What a condition asks for: nothing, absence, the rev that stands there, one that did, or one that never was. */
type Wish = 'none' | 'absent' | 'current' | 'stale' | 'unknown'

/** One op before its revs are known; what an op has no use for is ignored. */
export interface PlannedOp {
  readonly op: Op['op']
  readonly key: string
  readonly wish: Wish
  readonly byte: number
  readonly by: number
  readonly max: number
  /** How long the record lives, in ms; 0 for ever. */
  readonly lives: number
}

export interface PlanOptions {
  /** Few: ops that never meet find nothing. */
  readonly keys: readonly string[]
  /** @defaultValue 3 */
  readonly maxOps?: number
}

/**
 * Commits of 1 to `maxOps` ops over distinct keys. They mostly hold: mistakes show in what has a history.
 *
 * @example
 * fc.property(plannedOps({ keys: ['a', 'b'] }), (plan) => opsOf(plan, { now, revs: (key) => written.get(key) ?? [] }))
 */
export function plannedOps({ keys, maxOps = 3 }: PlanOptions): fc.Arbitrary<readonly PlannedOp[]> {
  const planned: fc.Arbitrary<PlannedOp> = fc.record({
    op: fc.constantFrom('check', 'put', 'put', 'del', 'add', 'add'),
    key: fc.constantFrom(...keys),
    wish: fc.constantFrom('none', 'none', 'absent', 'current', 'current', 'current', 'stale', 'unknown'),
    byte: fc.nat(255),
    by: fc.constantFrom(1, 1, 1, 2, 3, -1, -2),
    max: fc.constantFrom(1, 3, 5, 9),
    lives: fc.constantFrom(0, 0, 1, 2, 10, 100_000),
  })
  return fc.uniqueArray(planned, { minLength: 1, maxLength: maxOps, selector: ({ key }) => key })
}

/**
 * The ops of a plan.
 * @param o.now - ms since the epoch, from which a record lives
 * @param o.revs - the revs that stood at a key so far, oldest first
 */
export function opsOf(
  plan: readonly PlannedOp[],
  { now, revs }: { now: number; revs: (key: string) => readonly string[] },
): readonly Op[] {
  return plan.map(({ op, key, wish, byte, by, max, lives }): Op => {
    const past = revs(key)
    const rev = {
      none: undefined,
      absent: null,
      current: past.at(-1),
      stale: past.at(-2) ?? past.at(-1),
      unknown: 'zzzzzzzzzzzzzzzz',
    }[wish]
    const expiresAt = lives === 0 ? 0 : now + lives
    if (op === 'check') return { op, key, rev: rev ?? null }
    if (op === 'put') return { op, key, value: Uint8Array.of(byte), expiresAt, ...(rev === undefined ? {} : { rev }) }
    if (op === 'del') return { op, key, ...(typeof rev === 'string' ? { rev } : {}) }
    return { op, key, by, max, expiresAt }
  })
}
