/** A store that is far away: what hides at 0 ms shows at 2 and at 10. */
import type { Store } from '@postern/store'
import { wrapped } from './internal/wrap.js'

export interface SlowOptions {
  /** The round trip of each call: half before it takes effect, half after. */
  readonly ms: number
  readonly sleep: (ms: number) => Promise<void>
}

/** The store behind a link with a round trip of `ms`. */
export function slowStore(store: Store, { ms, sleep }: SlowOptions): Store {
  return wrapped(store, async (_kind, call) => {
    await sleep(ms / 2)
    try {
      return await call()
    } finally {
      await sleep(ms / 2)
    }
  })
}
