/**
 * Base64url without padding, canonical in both directions: one byte string has one text and the reverse.
 * @see RFC 4648 §5, RFC 7515 §2
 */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const VALUES: Int8Array = /* @__PURE__ */ values()

function values(): Int8Array {
  const table = new Int8Array(128).fill(-1)
  for (let i = 0; i < 64; i++) table[ALPHABET.charCodeAt(i)] = i
  return table
}

/** Text of bytes, without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  let out = ''
  let i = 0
  for (; i + 2 < bytes.length; i += 3) {
    const word = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!
    out += ALPHABET[word >> 18]! + ALPHABET[(word >> 12) & 63]! + ALPHABET[(word >> 6) & 63]! + ALPHABET[word & 63]!
  }
  const left = bytes.length - i
  if (left === 1) out += ALPHABET[bytes[i]! >> 2]! + ALPHABET[(bytes[i]! & 3) << 4]!
  if (left === 2) {
    const word = (bytes[i]! << 8) | bytes[i + 1]!
    out += ALPHABET[word >> 10]! + ALPHABET[(word >> 4) & 63]! + ALPHABET[(word & 15) << 2]!
  }
  return out
}

/**
 * Bytes of canonical base64url, or `null` for padding, white space, any other character, an impossible length, or trailing bits that are not zero.
 * Lenient decoders let one token be written in several ways; nothing in the suite may depend on a text that is not unique.
 */
export function decodeBase64url(text: string): Uint8Array | null {
  const tail = text.length % 4
  if (tail === 1) return null
  const out = new Uint8Array(Math.floor((text.length * 3) / 4))
  let word = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const value = code < 128 ? VALUES[code]! : -1
    if (value < 0) return null
    word = ((word << 6) | value) & 0xffffff
    if (i % 4 === 1) out[at++] = word >> 4
    else if (i % 4 === 2) out[at++] = (word >> 2) & 255
    else if (i % 4 === 3) out[at++] = word & 255
  }
  if ((tail === 2 && (word & 15) !== 0) || (tail === 3 && (word & 3) !== 0)) return null
  return out
}
