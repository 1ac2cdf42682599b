/** AES-256-GCM under a key and nonce that both come from one 24-byte iv: the primitive under sealed values and sealed key rings. */
import type { AeadKey, CryptoPort, HmacKey, Now } from '../cryptoPort.js'
import { isLater } from './now.js'

export const IV_BYTES = 24
export const TAG_BYTES = 16

/** Ciphertext ‖ tag. */
export function sealEnvelope(
  crypto: CryptoPort,
  master: HmacKey,
  iv: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Now<Uint8Array> {
  return withKey(crypto, master, iv, (key) => crypto.seal(key, iv.subarray(12), aad, plaintext))
}

/** The plaintext, or `null`. */
export function openEnvelope(
  crypto: CryptoPort,
  master: HmacKey,
  iv: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Now<Uint8Array | null> {
  return withKey(crypto, master, iv, (key) => crypto.open(key, iv.subarray(12), aad, sealed))
}

function withKey<T>(crypto: CryptoPort, master: HmacKey, iv: Uint8Array, use: (key: AeadKey) => Now<T>): Now<T> {
  const raw = crypto.hmac(master, iv.subarray(0, 12))
  if (isLater(raw)) return raw.then((bytes) => crypto.aeadKey('A256GCM', bytes)).then(use)
  const key = crypto.aeadKey('A256GCM', raw)
  return isLater(key) ? key.then(use) : use(key)
}
