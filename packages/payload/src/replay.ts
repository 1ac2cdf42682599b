/** No sealed request runs twice: guards over its `enc`, which is fresh for every sealing. */
import { hex } from '@postern/core/bytes'
import { isPosternError } from '@postern/core/errors'
import type { Clock, Random } from '@postern/core/runtime'
import { newRev, OutcomeUnknown, type Store } from '@postern/store'
import { commitSettled } from '@postern/store/settle'

/** What is asked of a guard: the name of one sealed request, and until when (ms) the name must be remembered. */
export interface ReplayQuestion {
  /** 32 bytes, a hash of gateway origin, key id and `enc`. */
  readonly name: Uint8Array
  readonly expiresAt: number
}

/** `first`: run it; `replayed`: it ran, or may have; `unknown`: could not be decided, this attempt runs nothing. */
export type ReplayVerdict = 'first' | 'replayed' | 'unknown'

export interface ReplayGuard {
  /** Whether every node that opens these requests asks the same memory. Otherwise level `single` serves safe methods alone. */
  readonly shared: boolean
  /** How far (ms) the inner date may be from the clock: 120,000; 30,000 on a store that may lose acknowledged writes. */
  readonly windowMs: number
  claim(question: ReplayQuestion): Promise<ReplayVerdict>
}

/** What {@link storeReplayGuard} needs. */
export interface StoreReplayGuardOptions {
  readonly store: Store
  readonly tenant: string
  readonly clock: Clock
  readonly random: Random
}

/** What {@link localReplayGuard} needs. */
export interface LocalReplayGuardOptions {
  readonly clock: Clock
  /** Names held at once, default 100,000; when full of live names the verdict is `unknown`. */
  readonly maxEntries?: number
  /** No other process serves the same keys, so this memory is all there is to ask. A restart forgets it; then the window is what is left. */
  readonly singleNode?: boolean
}

/** No guard at all: whoever records a sealed request can run it again within the window. Safe methods alone are served at level `single`. */
export const noReplayGuard: unique symbol = Symbol('postern.noReplayGuard')

const WINDOW_MS = 120_000
const LOSSY_WINDOW_MS = 30_000
const NOTHING: Uint8Array = /* @__PURE__ */ new Uint8Array(0)

/**
 * A guard over a store: one commit a request, `put m rev:null` in a partition of its own, decided across all nodes. An unknown outcome
 * is settled; what stays unknown runs nothing.
 */
export function storeReplayGuard({ store, tenant, clock, random }: StoreReplayGuardOptions): ReplayGuard {
  return {
    shared: true,
    windowMs: windowOf(store),
    async claim({ name, expiresAt }) {
      const part = { tenant, id: `pr:${hex(name.subarray(0, 16))}` }
      const ops = [{ op: 'put', key: 'm', value: NOTHING, rev: null, expiresAt }] as const
      try {
        const answer = await commitSettled(store, part, ops, { now: clock(), rev: newRev(random) })
        return answer.ok ? 'first' : 'replayed'
      } catch (error) {
        if (error instanceof OutcomeUnknown || isPosternError(error, 'store.unavailable', 'store.overloaded')) return 'unknown'
        throw error
      }
    },
  }
}

/** How far (ms) a date may be from the clock where a store decides: less on one that may forget acknowledged writes. */
export function windowOf({ guarantees }: Pick<Store, 'guarantees'>): number {
  return guarantees.failover === 'may-lose' ? LOSSY_WINDOW_MS : WINDOW_MS
}

/** A guard in this process's memory. */
export function localReplayGuard(options: LocalReplayGuardOptions): ReplayGuard {
  const { clock, maxEntries = 100_000, singleNode = false } = options
  const names = new Map<string, number>()
  let firstEnd = Number.POSITIVE_INFINITY

  function sweep(now: number): void {
    firstEnd = Number.POSITIVE_INFINITY
    for (const [name, end] of names)
      if (end <= now) names.delete(name)
      else firstEnd = Math.min(firstEnd, end)
  }

  return {
    shared: singleNode,
    windowMs: WINDOW_MS,
    async claim({ name, expiresAt }) {
      const now = clock()
      const key = hex(name)
      if ((names.get(key) ?? 0) > now) return 'replayed'
      // Not before one of them is over: who fills it must not make every answer slow as well.
      if (names.size >= maxEntries && firstEnd <= now) sweep(now)
      // Full of names that still count: forgetting one would let it run again.
      if (names.size >= maxEntries) return 'unknown'
      names.set(key, expiresAt)
      firstEnd = Math.min(firstEnd, expiresAt)
      return 'first'
    },
  }
}
