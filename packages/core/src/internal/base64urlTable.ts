/** Base64url by table, on every runtime; `../base64url` takes the runtime's own codec where it has one. @see RFC 4648 §5 */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** Character codes by value. */
const CODES: Uint8Array = /* @__PURE__ */ Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0))
/** Values by ASCII code; 255 for every character that has none, so that values or-ed together exceed 63 when one is bad. */
const VALUES: Uint8Array = /* @__PURE__ */ values()
const ascii: TextDecoder = /* @__PURE__ */ new TextDecoder()

function values(): Uint8Array {
  const table = new Uint8Array(128).fill(255)
  for (let i = 0; i < 64; i++) table[ALPHABET.charCodeAt(i)] = i
  return table
}

/** Text of bytes, without padding. */
export function encodeByTable(bytes: Uint8Array): string {
  const whole = bytes.length - (bytes.length % 3)
  const out = new Uint8Array(Math.ceil((bytes.length * 4) / 3))
  let at = 0
  for (let i = 0; i < whole; i += 3) {
    const word = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!
    out[at++] = CODES[word >> 18]!
    out[at++] = CODES[(word >> 12) & 63]!
    out[at++] = CODES[(word >> 6) & 63]!
    out[at++] = CODES[word & 63]!
  }
  if (whole < bytes.length) {
    const word = (bytes[whole]! << 16) | ((bytes[whole + 1] ?? 0) << 8)
    out[at++] = CODES[word >> 18]!
    out[at++] = CODES[(word >> 12) & 63]!
    if (at < out.length) out[at] = CODES[(word >> 6) & 63]!
  }
  return ascii.decode(out)
}

/** Bytes of canonical text, or `null`. */
export function decodeByTable(text: string): Uint8Array | null {
  const tail = text.length % 4
  if (tail === 1) return null
  const whole = text.length - tail
  const out = new Uint8Array(Math.floor((text.length * 3) / 4))
  let at = 0
  let seen = 0
  for (let i = 0; i < whole; i += 4) {
    const a = valueAt(text, i)
    const b = valueAt(text, i + 1)
    const c = valueAt(text, i + 2)
    const d = valueAt(text, i + 3)
    seen |= a | b | c | d
    out[at++] = (a << 2) | (b >> 4)
    out[at++] = (b << 4) | (c >> 2)
    out[at++] = (c << 6) | d
  }
  if (tail > 0) {
    const a = valueAt(text, whole)
    const b = valueAt(text, whole + 1)
    const c = tail === 3 ? valueAt(text, whole + 2) : 0
    seen |= a | b | c
    if ((tail === 3 ? c & 3 : b & 15) !== 0) return null
    out[at++] = (a << 2) | (b >> 4)
    if (tail === 3) out[at] = (b << 4) | (c >> 2)
  }
  return seen > 63 ? null : out
}

function valueAt(text: string, i: number): number {
  const code = text.charCodeAt(i)
  return code < 128 ? VALUES[code]! : 255
}
