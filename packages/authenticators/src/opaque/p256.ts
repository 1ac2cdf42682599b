/** OPAQUE over P-256, a file of its own so that nobody carries a curve that pin/v1 does not use. @see RFC 9807 §7 */
import { p256, p256_hasher } from '@noble/curves/nist.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { type Hasher, opaqueSuite, primeOrder } from '../internal/primeOrder.js'
import type { OpaqueSuite } from './suite.js'

/** P-256 and SHA-256, for peers that ask for it. */
export const p256Sha256: OpaqueSuite = /* @__PURE__ */ opaqueSuite(
  'P256-SHA256',
  sha256,
  /* @__PURE__ */ primeOrder('P256-SHA256', p256.Point, p256_hasher as unknown as Hasher, sha256, 33),
)
