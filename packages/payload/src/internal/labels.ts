/** Labelled HKDF-SHA256 with the constant bytes of a suite laid out once. @see RFC 9180 §4 */
import { concat, u16, utf8 } from '@postern/core/bytes'
import type { CryptoPort, HmacKey, Now } from '@postern/core/cryptoPort'
import { andThen } from './now.js'

export const EMPTY: Uint8Array = /* @__PURE__ */ new Uint8Array(0)
const VERSION: Uint8Array = /* @__PURE__ */ utf8('HPKE-v1')
const HASH_BYTES = 32

/** `"HPKE-v1" ‖ suite_id ‖ label`, the head of every labelled ikm. */
export function ikmHead(suiteId: Uint8Array, label: string): Uint8Array {
  return concat(VERSION, suiteId, utf8(label))
}

/** `u16(length) ‖ "HPKE-v1" ‖ suite_id ‖ label`, the head of every labelled info. */
export function infoHead(suiteId: Uint8Array, label: string, length: number): Uint8Array {
  return concat(u16(length), VERSION, suiteId, utf8(label))
}

/** The HMAC input of an HKDF expansion that needs one block: info ‖ 01. */
export function oneBlock(head: Uint8Array, info: Uint8Array): Uint8Array {
  const out = new Uint8Array(head.length + info.length + 1)
  out.set(head)
  out.set(info, head.length)
  out[out.length - 1] = 1
  return out
}

/** HMAC under raw key bytes. */
export function mac(crypto: CryptoPort, key: Uint8Array, data: Uint8Array): Now<Uint8Array> {
  return andThen(crypto.hmacKey('SHA-256', key), (prepared) => crypto.hmac(prepared, data))
}

/** Output of any length under a prepared pseudo-random key. @param block - {@link oneBlock}, the input of the first one @see RFC 5869 §2.3 */
export function expand(crypto: CryptoPort, prk: HmacKey, block: Uint8Array, length: number): Now<Uint8Array> {
  if (length <= HASH_BYTES) return firstBytes(crypto, prk, block, length)
  if (length > 255 * HASH_BYTES) throw new RangeError('HKDF output above 255 hash lengths')
  const out = new Uint8Array(length)
  const from = (at: number, previous: Uint8Array): Now<Uint8Array> => {
    if (at >= length) return out
    const input = concat(previous, block)
    input[input.length - 1] = at / HASH_BYTES + 1
    return andThen(crypto.hmac(prk, input), (output) => {
      out.set(output.subarray(0, length - at), at)
      return from(at + HASH_BYTES, output)
    })
  }
  return from(0, EMPTY)
}

/** The first bytes of the only block; `input` ends with its 01. */
export function firstBytes(crypto: CryptoPort, prk: HmacKey, input: Uint8Array, length: number): Now<Uint8Array> {
  return andThen(crypto.hmac(prk, input), (block) => (length === HASH_BYTES ? block : block.slice(0, length)))
}

// Memory of what follows from the port alone; holds no secret.
const zeroKeys: WeakMap<CryptoPort, Now<HmacKey>> = /* @__PURE__ */ new WeakMap()

/** The HMAC key of an empty salt. WebCrypto refuses keys of no length; a hash length of zeros is the same key (RFC 5869 §2.2). */
export function emptySalt(crypto: CryptoPort): Now<HmacKey> {
  const known = zeroKeys.get(crypto)
  if (known !== undefined) return known
  const fresh = crypto.hmacKey('SHA-256', new Uint8Array(HASH_BYTES))
  zeroKeys.set(crypto, fresh)
  return fresh
}

/** LabeledExtract with an empty salt. */
export function extract(crypto: CryptoPort, ikm: Uint8Array): Now<Uint8Array> {
  return andThen(emptySalt(crypto), (key) => crypto.hmac(key, ikm))
}
