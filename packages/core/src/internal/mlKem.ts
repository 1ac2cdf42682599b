/** ML-KEM-768 in JavaScript. @see FIPS 203 */
import { shake256 as shake } from '@noble/hashes/sha3.js'
import { type KEMPrepared, ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import type { MlKemKeyPair } from '../cryptoPort.js'
import { invalidKey } from './signKeys.js'

const SEED_BYTES = 64
const PUBLIC_BYTES = 1184
const RANDOM_BYTES = 32
export const CIPHERTEXT_BYTES = 1088

/** What follows from a pair's seed, kept as long as the pair: expanding it takes twice as long as using it. */
const expanded: WeakMap<MlKemKeyPair, { readonly secretKey: Uint8Array; readonly prepared: KEMPrepared }> =
  /* @__PURE__ */ new WeakMap()

/** @throws PosternError `crypto.invalid_key` */
export function mlKemPair(seed: Uint8Array): MlKemKeyPair {
  const taken = new Uint8Array(seed)
  if (taken.length !== SEED_BYTES) throw invalidKey('a seed that is not 64 bytes')
  const { publicKey, secretKey } = ml_kem768.keygen(taken)
  const pair = { seed: taken, publicKey }
  expanded.set(pair, { secretKey, prepared: ml_kem768.prepare(publicKey) })
  return pair
}

/** `null` for a key of another length, or with a coefficient that is not reduced (FIPS 203 §7.2). @throws RangeError for other randomness */
export function mlKemEncap(
  publicKey: Uint8Array,
  randomness: Uint8Array,
): { readonly ciphertext: Uint8Array; readonly secret: Uint8Array } | null {
  if (randomness.length !== RANDOM_BYTES) throw new RangeError('randomness that is not 32 bytes')
  if (publicKey.length !== PUBLIC_BYTES) return null
  try {
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(new Uint8Array(publicKey), new Uint8Array(randomness))
    return { ciphertext: cipherText, secret: sharedSecret }
  } catch {
    return null
  }
}

/** `null` for a ciphertext of another length; what was never encapsulated gives a secret that nobody knows (FIPS 203 §6.3). */
export function mlKemDecap(pair: MlKemKeyPair, ciphertext: Uint8Array): Uint8Array | null {
  if (ciphertext.length !== CIPHERTEXT_BYTES) return null
  const { prepared, secretKey } = expanded.get(pair) ?? expanded.get(mlKemPair(pair.seed))!
  return prepared.decapsulate(new Uint8Array(ciphertext), secretKey)
}

export function shake256(data: Uint8Array, length: number): Uint8Array {
  return shake(data, { dkLen: length })
}
