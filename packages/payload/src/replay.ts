/** No request runs twice: guards over the sealed request's `enc`. */

import type { Clock, Random } from '@postern/core/runtime'
import type { Store } from '@postern/store'

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

/** A guard over a store: one commit a request, decided across all nodes. */
export declare function storeReplayGuard(o: {
  readonly store: Store
  readonly tenant: string
  readonly clock: Clock
  readonly random: Random
}): ReplayGuard

/** A guard in this process's memory. @param o.singleNode - no other process serves the same keys; then unsafe methods are served too */
export declare function localReplayGuard(o: {
  readonly clock: Clock
  readonly maxEntries?: number
  readonly singleNode?: boolean
}): ReplayGuard

/** No guard at all: whoever records a sealed request can run it again within the window. Safe methods alone are served at level `single`. */
export const noReplayGuard: unique symbol = Symbol('postern.noReplayGuard')
