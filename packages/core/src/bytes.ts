/** Bytes: joining, comparing, text and fixed-width integers. Nothing here keeps a reference to what it was given. */

const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder()
const decoder: TextDecoder = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Up to this many characters a loop is faster than the call of an encoder. */
const SHORT = 96

/** UTF-8 bytes of a string; lone surrogates become U+FFFD as in every encoder. */
export function utf8(text: string): Uint8Array {
  const { length } = text
  if (length > SHORT) return encoder.encode(text)
  const out = new Uint8Array(length)
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return encoder.encode(text)
    out[i] = code
  }
  return out
}

/**
 * Text of UTF-8 bytes, strictly: overlong forms, surrogates and truncation return `null`; a byte order mark is kept as a character.
 * @see RFC 3629 §3
 */
export function fromUtf8(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes)
  } catch {
    return null
  }
}

/** One fresh array holding the parts in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return joined(parts)
}

/** The same for parts of any number: more than some ten thousand are too many for the arguments of a call. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Whether two arrays hold the same bytes, in a time that depends on their lengths alone. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) out += (byte < 16 ? '0' : '') + byte.toString(16)
  return out
}

/** Bytes of lower- or upper-case hexadecimal, or `null` for an odd length or any other character. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return null
  const out = new Uint8Array(text.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return out
}

/** One unsigned byte. @throws RangeError when `n` is not an integer in [0, 2^8) */
export function u8(n: number): Uint8Array {
  return unsigned(n, 1)
}

/** Two bytes, big-endian. @throws RangeError when `n` is not an integer in [0, 2^16) */
export function u16(n: number): Uint8Array {
  return unsigned(n, 2)
}

/** Four bytes, big-endian. @throws RangeError when `n` is not an integer in [0, 2^32) */
export function u32(n: number): Uint8Array {
  return unsigned(n, 4)
}

/** Eight bytes, big-endian. @throws RangeError when `n` is not a safe non-negative integer */
export function u64(n: number): Uint8Array {
  return unsigned(n, 8)
}

/** The unsigned big-endian integer that fills `bytes`, which are at most 8. @throws RangeError when it exceeds 2^53 − 1 */
export function toUnsigned(bytes: Uint8Array): number {
  let n = 0
  for (const byte of bytes) n = n * 256 + byte
  if (!Number.isSafeInteger(n)) throw new RangeError('integer above 2^53 - 1')
  return n
}

function unsigned(n: number, width: 1 | 2 | 4 | 8): Uint8Array {
  if (!Number.isSafeInteger(n) || n < 0 || (width < 8 && n >= 256 ** width))
    throw new RangeError(`not an unsigned ${8 * width}-bit integer`)
  const out = new Uint8Array(width)
  for (let i = width - 1; i >= 0; i--) {
    out[i] = n % 256
    n = Math.floor(n / 256)
  }
  return out
}
