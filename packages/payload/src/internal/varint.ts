/** Variable-length integers. @see RFC 9000 §16 */

export function varintLength(value: number): number {
  return value < 64 ? 1 : value < 16_384 ? 2 : value < 1_073_741_824 ? 4 : 8
}

/** Writes a value as short as it goes. @returns the bytes written */
export function putVarint(out: Uint8Array, at: number, value: number): number {
  const length = varintLength(value)
  let rest = value
  for (let i = length - 1; i >= 0; i--) {
    out[at + i] = rest % 256
    rest = Math.floor(rest / 256)
  }
  out[at]! |= length === 1 ? 0 : length === 2 ? 0x40 : length === 4 ? 0x80 : 0xc0
  return length
}

/** How long the integer is that begins with this byte. */
export function lengthFrom(first: number): number {
  return 1 << (first >> 6)
}

/** The integer of `length` bytes at a place, not minimal ones too; above 2^53 it is rounded, which no limit lets pass. */
export function varintAt(bytes: Uint8Array, at: number, length: number): number {
  let value = bytes[at]! & 63
  for (let i = 1; i < length; i++) value = value * 256 + bytes[at + i]!
  return value
}
