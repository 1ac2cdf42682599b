/** Lower-case base32 without padding: the alphabet of ids and hashes inside store keys. @see RFC 4648 §6 */

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'

/** Lower-case base32 text of bytes, without padding. */
export function encodeBase32(bytes: Uint8Array): string {
  let out = ''
  let word = 0
  let bits = 0
  for (const byte of bytes) {
    word = ((word << 8) | byte) & 0xffff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      out += ALPHABET[(word >> bits) & 31]!
    }
  }
  if (bits > 0) out += ALPHABET[(word << (5 - bits)) & 31]!
  return out
}

/** Bytes of canonical lower-case base32, or `null` for any other character, an impossible length or trailing bits that are not zero. */
export function decodeBase32(text: string): Uint8Array | null {
  if ([1, 3, 6].includes(text.length % 8)) return null
  const out = new Uint8Array(Math.floor((text.length * 5) / 8))
  let word = 0
  let bits = 0
  let at = 0
  for (const character of text) {
    const value = ALPHABET.indexOf(character)
    if (value < 0) return null
    word = ((word << 5) | value) & 0xffff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      out[at++] = (word >> bits) & 255
    }
  }
  return (word & ((1 << bits) - 1)) === 0 ? out : null
}
