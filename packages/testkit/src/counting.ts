/** Counts round trips: a flow that promises three is held to it. */
import type { Store } from '@postern/store'
import { wrapped } from './internal/wrap.js'

export interface Counts {
  readonly read: number
  readonly commit: number
  readonly list: number
}

export interface Counting {
  readonly store: Store
  /** Calls since the start or the last reset; failed ones count, the outbox sweep does not. */
  counts(): Counts
  reset(): void
}

/** A store that behaves as the given one and counts its calls. */
export function countingStore(store: Store): Counting {
  let counts = { read: 0, commit: 0, list: 0 }
  return {
    store: wrapped(store, (kind, call) => {
      if (kind !== 'outbox') counts[kind]++
      return call()
    }),
    counts: () => ({ ...counts }),
    reset() {
      counts = { read: 0, commit: 0, list: 0 }
    },
  }
}
