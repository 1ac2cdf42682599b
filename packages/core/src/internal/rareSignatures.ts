/** Ed448, ML-DSA and RSA with SHA-1 in JavaScript, for runtimes that lack them. Loaded by those who meet such a key, and by nobody else. @see RFC 8032 §5.2, FIPS 204 */
import { ed448 } from '@noble/curves/ed448.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js'
import { concat, fromHex } from '../bytes.js'
import type { RareAlg } from '../cryptoPort.js'
import { isEncoded } from './rsa.js'
import { invalidKey, toBigInt } from './signKeys.js'

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

/** DigestInfo of SHA-1 up to the hash (RFC 8017 §9.2 note 1). */
const SHA1_INFO = '3021300906052b0e03021a05000414'

/** RSASSA-PKCS1-v1_5 with SHA-1 under a key whose bounds were checked. */
export function verifyRs1(n: Uint8Array, e: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  return isEncoded({ n: toBigInt(n), e: toBigInt(e) }, concat(fromHex(SHA1_INFO)!, sha1(data)), signature)
}
