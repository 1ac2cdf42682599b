import type { EcAlg } from './signKeys.js'
import { isScalar } from './signKeys.js'

/** A private scalar in [1, n − 1] by rejection, so that every implementation makes the same key of the same bytes. @see FIPS 186-5 A.2.2 */
export function drawScalar(ec: EcAlg, random: (n: number) => Uint8Array): Uint8Array {
  for (;;) {
    const d = new Uint8Array(random(ec.size))
    // 521 bits: one is left of the first byte.
    if (ec.size === 66) d[0]! &= 1
    if (isScalar(d, ec.order)) return d
  }
}
