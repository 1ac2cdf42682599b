/** ECDSA signatures as certificates and authenticators write them. @see RFC 3279 §2.2.3 */

/** Bytes of r and of s, by curve. */
export const ecBytes: Readonly<Record<string, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66 }

/**
 * r ‖ s of a DER SEQUENCE of two INTEGERs, each padded to `size` bytes; `null` for any other spelling of the two numbers.
 * By hand rather than by the DER reader, for each assertion comes through here.
 */
export function fromEcdsaDer(signature: Uint8Array, size: number): Uint8Array | null {
  const long = signature[1] === 0x81
  const start = long ? 3 : 2
  const length = signature[start - 1]!
  if (signature[0] !== 0x30 || signature.length !== start + length || (long ? length < 0x80 : length >= 0x80)) return null
  const out = new Uint8Array(2 * size)
  const middle = integer(signature, start, size, out, 0)
  return middle !== 0 && integer(signature, middle, size, out, size) === signature.length ? out : null
}

/** Copies one INTEGER to [at, at + size). @returns where it ends, 0 when it is none, negative, padded or too long */
function integer(from: Uint8Array, start: number, size: number, to: Uint8Array, at: number): number {
  const length = from[start + 1]
  if (from[start] !== 2 || length === undefined || length === 0) return 0
  const first = start + 2
  const end = first + length
  const padded = from[first] === 0 && length > 1
  // A zero stands only before a byte that would read as negative (X.690 §8.3.2).
  if (end > from.length || from[first]! >= 0x80 || (padded && from[first + 1]! < 0x80)) return 0
  const digits = padded ? first + 1 : first
  if (end - digits > size) return 0
  to.set(from.subarray(digits, end), at + size - (end - digits))
  return end
}
