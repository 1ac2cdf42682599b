/** HKDF over the crypto port. @see RFC 5869 */
import { concat, u8 } from './bytes.js'
import type { CryptoPort, HmacAlg } from './cryptoPort.js'

/** The pseudo-random key of keying material. An empty salt stands for a string of zeros, as HMAC pads it. @see RFC 5869 §2.2 */
export async function hkdfExtract(crypto: CryptoPort, alg: HmacAlg, salt: Uint8Array, ikm: Uint8Array): Promise<Uint8Array> {
  return crypto.hmac(await crypto.hmacKey(alg, salt), ikm)
}

/** `length` bytes of output keying material. @throws RangeError above 255 hash lengths @see RFC 5869 §2.3 */
export async function hkdfExpand(
  crypto: CryptoPort,
  alg: HmacAlg,
  prk: Uint8Array,
  info: Uint8Array,
  length: number,
): Promise<Uint8Array> {
  const size = alg === 'SHA-256' ? 32 : 64
  if (length > 255 * size) throw new RangeError('HKDF output above 255 hash lengths')
  const key = await crypto.hmacKey(alg, prk)
  const out = new Uint8Array(Math.ceil(length / size) * size)
  let previous: Uint8Array = new Uint8Array(0)
  for (let i = 0; i * size < length; i++) {
    previous = await crypto.hmac(key, concat(previous, info, u8(i + 1)))
    out.set(previous, i * size)
  }
  return out.slice(0, length)
}
