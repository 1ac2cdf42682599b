/** Bits, most significant first, as Rice codes of one parameter: a quotient of ones ended by a zero, then `k` bits of remainder. */

export interface BitWriter {
  readonly rice: (value: bigint, k: number) => void
  /** The bytes, the last one filled with zeros. */
  readonly done: () => Uint8Array
}
export interface BitReader {
  /** `null` past the end. */
  readonly rice: (k: number) => bigint | null
  /** Nothing is left but the zeros of the last byte. */
  readonly atEnd: () => boolean
}

export function bitWriter(): BitWriter {
  const bytes: number[] = []
  let used = 0
  const put = (bit: number): void => {
    if (used % 8 === 0) bytes.push(0)
    bytes[bytes.length - 1]! |= bit << (7 - (used % 8))
    used++
  }
  return {
    rice(value, k) {
      for (let q = value >> BigInt(k); q > 0n; q--) put(1)
      put(0)
      for (let i = k - 1; i >= 0; i--) put(Number((value >> BigInt(i)) & 1n))
    },
    done: () => Uint8Array.from(bytes),
  }
}

export function bitReader(bytes: Uint8Array): BitReader {
  let at = 0
  const take = (): number | null => {
    const byte = bytes[at >>> 3]
    return byte === undefined ? null : (byte >> (7 - (at++ & 7))) & 1
  }
  return {
    rice(k) {
      let value = 0n
      let bit = take()
      for (; bit === 1; bit = take()) value++
      for (let i = 0; i < k && bit !== null; i++) {
        bit = take()
        value = (value << 1n) | BigInt(bit ?? 0)
      }
      return bit === null ? null : value
    },
    atEnd() {
      if (bytes.length !== Math.ceil(at / 8)) return false
      while (at % 8 !== 0) if (take() !== 0) return false
      return true
    },
  }
}
