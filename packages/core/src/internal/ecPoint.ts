/** Points of the NIST curves, checked with big integers: OpenSSL takes ten times as long to say the same. */
import { hex } from '../bytes.js'
import type { EcAlg } from './signKeys.js'

/** p and b of y² = x³ − 3x + b. @see NIST SP 800-186 §3.2.1 */
const CURVES: Readonly<Record<EcAlg['crv'], readonly [p: bigint, b: bigint]>> = {
  'P-256': [
    0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  ],
  'P-384': [
    0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
    0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  ],
  'P-521': [
    0x1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffn,
    0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
  ],
}

/**
 * Whether two coordinates, big-endian, are a point of the curve; the point at infinity has none. Cofactor 1 makes any such point one of the group.
 * @see NIST SP 800-56A rev. 3 §5.6.2.3.3
 */
export function isPoint(crv: EcAlg['crv'], xBytes: Uint8Array, yBytes: Uint8Array): boolean {
  const [p, b] = CURVES[crv]
  const [x, y] = [BigInt(`0x${hex(xBytes)}`), BigInt(`0x${hex(yBytes)}`)]
  return x < p && y < p && (y * y - (x * x - 3n) * x - b) % p === 0n
}
