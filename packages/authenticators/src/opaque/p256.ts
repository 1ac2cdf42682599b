/** OPAQUE over P-256, a file of its own so that nobody carries a curve that pin/v1 does not use. @see RFC 9807 §7 */
import { p256, p256_hasher } from '@noble/curves/nist.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { opaqueSuite, type PrimeGroup, primeOrder } from '../internal/primeOrder.js'
import type { OpaqueSuite } from './suite.js'

/** P-256 and SHA-256, for peers that ask for it. */
export const p256Sha256: OpaqueSuite = /* @__PURE__ */ opaqueSuite(
  'P256-SHA256',
  sha256,
  /* @__PURE__ */ primeOrder('P256-SHA256', /* @__PURE__ */ group(), sha256, 33),
)

function group(): PrimeGroup {
  const { Fn, BASE } = p256.Point
  return {
    Fn,
    BASE,
    fromBytes: (bytes) => p256.Point.fromBytes(bytes),
    hashToGroup: (message, dst) => p256_hasher.hashToCurve(message, { DST: dst }),
    hashToScalar: (message, dst) => p256_hasher.hashToScalar!(message, { DST: dst }),
  }
}
