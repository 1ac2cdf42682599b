/** Message encryption for Web Push: one record of `aes128gcm`. @see RFC 8188, RFC 8291 */
import { concat, u8, u32, utf8 } from '@postern/core/bytes'
import type { CryptoPort, DhKeyPair } from '@postern/core/cryptoPort'
import { hkdfExpand, hkdfExtract } from '@postern/core/hkdf'

/** Bytes of a record, and so, in one record, of a message and its overhead. */
const RECORD_BYTES = 4096
/** Tag and padding delimiter. */
const OVERHEAD_BYTES = 17
const LAST_RECORD = 2

/**
 * `salt ‖ u32 record size ‖ u8 length ‖ key id ‖ ciphertext`.
 * @param o.ikm - input keying material
 * @param o.salt - 16 bytes, never the same twice under one `ikm`
 * @throws RangeError for a message that one record does not hold
 * @see RFC 8188 §2
 */
export async function sealRecord(
  crypto: CryptoPort,
  o: { readonly ikm: Uint8Array; readonly salt: Uint8Array; readonly keyId: Uint8Array; readonly plaintext: Uint8Array },
): Promise<Uint8Array> {
  const { ikm, salt, keyId, plaintext } = o
  if (plaintext.length > RECORD_BYTES - OVERHEAD_BYTES) throw new RangeError('a push message is longer than one record')
  const prk = await hkdfExtract(crypto, 'SHA-256', salt, ikm)
  const cek = await hkdfExpand(crypto, 'SHA-256', prk, utf8('Content-Encoding: aes128gcm\0'), 16)
  const nonce = await hkdfExpand(crypto, 'SHA-256', prk, utf8('Content-Encoding: nonce\0'), 12)
  const sealed = await crypto.seal(
    await crypto.aeadKey('A128GCM', cek),
    nonce,
    new Uint8Array(0),
    concat(plaintext, u8(LAST_RECORD)),
  )
  return concat(salt, u32(RECORD_BYTES), u8(keyId.length), keyId, sealed)
}

/**
 * A message that one subscriber can read, or `null` when his key is no point of the curve.
 * @param o.sender - an ephemeral P-256 pair, for this message alone
 * @see RFC 8291 §3.4, §4
 */
export async function sealForSubscriber(
  crypto: CryptoPort,
  o: {
    readonly p256dh: Uint8Array
    readonly auth: Uint8Array
    readonly sender: DhKeyPair
    readonly salt: Uint8Array
    readonly plaintext: Uint8Array
  },
): Promise<Uint8Array | null> {
  const { p256dh, auth, sender, salt, plaintext } = o
  const shared = await crypto.dh('P-256', sender, p256dh)
  if (shared === null) return null
  const info = concat(utf8('WebPush: info\0'), p256dh, sender.publicKey)
  const ikm = await hkdfExpand(crypto, 'SHA-256', await hkdfExtract(crypto, 'SHA-256', auth, shared), info, 32)
  return sealRecord(crypto, { ikm, salt, keyId: sender.publicKey, plaintext })
}
