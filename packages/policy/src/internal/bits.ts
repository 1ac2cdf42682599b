/** Rows of bits, 32 to a word. */

/** The lowest bit that is set in both, and in `only` where given; -1 without one. */
export function firstOf(bits: Uint32Array, mask: Uint32Array, only: Uint32Array | null): number {
  for (let w = 0; w < bits.length; w++) {
    const word = bits[w]! & mask[w]! & (only === null ? -1 : only[w]!)
    if (word !== 0) return w * 32 + 31 - Math.clz32(word & -word)
  }
  return -1
}

/** Every bit that is set in both, and in `only` where given, lowest first. */
export function bitsIn(bits: Uint32Array, mask: Uint32Array, only: Uint32Array | null): number[] {
  const out: number[] = []
  for (let w = 0; w < bits.length; w++) {
    let word = bits[w]! & mask[w]! & (only === null ? -1 : only[w]!)
    for (; word !== 0; word &= word - 1) out.push(w * 32 + 31 - Math.clz32(word & -word))
  }
  return out
}

export function hasBit(bits: Uint32Array, b: number): boolean {
  return (bits[b >>> 5]! & (1 << (b & 31))) !== 0
}

export function setBit(bits: Uint32Array, b: number): void {
  bits[b >>> 5]! |= 1 << (b & 31)
}

/** A row with the bits that `is` names. */
export function maskOf(count: number, words: number, is: (b: number) => boolean): Uint32Array {
  const mask = new Uint32Array(words)
  for (let b = 0; b < count; b++) if (is(b)) setBit(mask, b)
  return mask
}

export function popcount(word: number): number {
  word -= (word >>> 1) & 0x55555555
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333)
  return (Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24) & 0xff
}
