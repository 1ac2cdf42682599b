/** Whether this node may serve: everything that a request needs is at hand, and nothing that a restore took back is still missing. */
import type { Store } from '@postern/store'
import type { ConfigStore } from './config.js'
import type { LivingKeys } from './livingKeys.js'
import type { Policies } from './policies.js'

/** What stands in the way. `restore`: revocations since the backup are not all re-applied. `clock`: this node's is too far from the database's. */
export type Missing = 'store' | 'keys' | 'config' | 'policy' | 'restore' | 'clock'

export interface Readiness {
  readonly ready: boolean
  readonly missing: readonly Missing[]
}

/** Half of the grace that expired records are kept for: two nodes may be twice as far apart. */
const CLOCK_MS = 30_000

export async function readiness(o: {
  readonly store: Store
  readonly clock: () => number
  readonly keys: LivingKeys
  readonly config: ConfigStore
  readonly policies: Policies
}): Promise<Readiness> {
  const holds = (work: () => Promise<unknown>): Promise<boolean> =>
    work().then(
      () => true,
      () => false,
    )
  const checks: readonly (readonly [Missing, boolean])[] = await Promise.all([
    holds(() => o.policies.head('main')).then((good) => ['store', good] as const),
    holds(async () => {
      await o.keys.refresh()
      return o.keys.keys.signing.active(o.clock())
    }).then((good) => ['keys', good] as const),
    holds(() => o.config.current()).then((good) => ['config', good] as const),
    holds(() => o.policies.current()).then((good) => ['policy', good] as const),
    holds(async () => {
      const there = await o.store.time?.()
      if (there !== undefined && Math.abs(there - o.clock()) > CLOCK_MS) throw new RangeError('clock')
    }).then((good) => ['clock', good] as const),
  ])
  const missing = checks.flatMap(([name, good]) => (good ? [] : [name]))
  if (o.keys.restore() === 'pending') missing.push('restore')
  return { ready: missing.length === 0, missing }
}
