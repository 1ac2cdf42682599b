/** Ed448 and ML-DSA in JavaScript, for runtimes that lack them. Loaded by those who meet such a key, and by nobody else. @see RFC 8032 §5.2, FIPS 204 */
import { ed448 } from '@noble/curves/ed448.js'
import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js'
import type { RareAlg } from '../cryptoPort.js'
import { invalidKey } from './signKeys.js'

const ML_DSA = { 'ML-DSA-44': ml_dsa44, 'ML-DSA-65': ml_dsa65, 'ML-DSA-87': ml_dsa87 } as const

/** A verifier for one key, whose length was checked. */
export function rareVerifier(alg: RareAlg, key: Uint8Array): (data: Uint8Array, signature: Uint8Array) => boolean {
  const { verify, lengths } = alg === 'Ed448' ? ed448 : ML_DSA[alg]
  return (data, signature) => {
    if (signature.length !== lengths.signature) return false
    try {
      return alg === 'Ed448' ? ed448.verify(signature, data, key, { zip215: false }) : verify(signature, data, key)
    } catch {
      return false
    }
  }
}

/**
 * Canonical, on the curve and not of small order: under a small-order key one signature fits every message.
 * @throws PosternError `crypto.invalid_key`
 */
export function checkEd448Point(key: Uint8Array): void {
  let small = true
  try {
    small = ed448.Point.fromBytes(key, false).isSmallOrder()
  } catch (cause) {
    throw invalidKey('no point of the curve', cause)
  }
  if (small) throw invalidKey('a point of small order')
}
