/** AES-256-GCM under a key and nonce that both come from one 24-byte iv: the primitive under sealed values and sealed key rings. */
import type { CryptoPort, HmacKey } from '../cryptoPort.js'

export const IV_BYTES = 24
export const TAG_BYTES = 16

/** Ciphertext ‖ tag. */
export async function sealEnvelope(
  crypto: CryptoPort,
  master: HmacKey,
  iv: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Promise<Uint8Array> {
  const key = await crypto.aeadKey('A256GCM', await crypto.hmac(master, iv.subarray(0, 12)))
  return crypto.seal(key, iv.subarray(12), aad, plaintext)
}

/** The plaintext, or `null`. */
export async function openEnvelope(
  crypto: CryptoPort,
  master: HmacKey,
  iv: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Promise<Uint8Array | null> {
  const key = await crypto.aeadKey('A256GCM', await crypto.hmac(master, iv.subarray(0, 12)))
  return crypto.open(key, iv.subarray(12), aad, sealed)
}
