/** The ports made from the platform's own: the one place where a clock, randomness and the network are reached for. */
// By the public name, so that the export condition picks the implementation that fits the runtime.
import { createCrypto } from '@postern/core/crypto'
import type { CryptoPort } from './cryptoPort.js'
import type { EventSink } from './events.js'
import type { Ports } from './runtime.js'

/** `getRandomValues` fills no more at once. */
const MOST_AT_ONCE = 65_536
/** Small draws are cut from a block: the call costs more than its bytes. */
const POOL = 4096
const MOST_FROM_POOL = 256

/**
 * Ports of this process: its wall clock (held still where it steps back), its random numbers, its `fetch`, its crypto.
 * @param o - `events` receives what happens and defaults to nobody; `crypto` defaults to the runtime's best
 */
export function systemPorts(o: { readonly events?: EventSink; readonly crypto?: CryptoPort } = {}): Ports {
  let last = 0
  let pool = new Uint8Array(0)
  let used = 0
  return {
    clock: () => {
      last = Math.max(last, Date.now())
      return last
    },
    random: (n) => {
      if (Number.isInteger(n) && n >= 0 && n <= MOST_FROM_POOL) {
        if (used + n > pool.length) {
          pool = globalThis.crypto.getRandomValues(new Uint8Array(POOL))
          used = 0
        }
        const drawn = pool.slice(used, used + n)
        // What was handed out stays nowhere else.
        pool.fill(0, used, (used += n))
        return drawn
      }
      const out = new Uint8Array(n)
      for (let at = 0; at < n; at += MOST_AT_ONCE) globalThis.crypto.getRandomValues(out.subarray(at, at + MOST_AT_ONCE))
      return out
    },
    crypto: o.crypto ?? createCrypto(),
    events: o.events ?? (() => undefined),
    fetch: (input, init) => globalThis.fetch(input, init),
  }
}
