/** CRC-32C (Castagnoli), reflected, as in RFC 3720 §12.1 and appendix B.4. @param end - bytes that count, default all */
export function crc32c(bytes: Uint8Array, end: number = bytes.length): number {
  const remainders = table()
  let crc = 0xffffffff
  for (let i = 0; i < end; i++) crc = (crc >>> 8) ^ remainders[(crc ^ bytes[i]!) & 0xff]!
  return ~crc >>> 0
}

/** The remainder of every byte, computed when the first checksum is asked for. */
const table: () => Int32Array = /* @__PURE__ */ (() => {
  let known: Int32Array | null = null
  return () => {
    known ??= Int32Array.from({ length: 256 }, (_, byte) => {
      let crc = byte
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1))
      return crc
    })
    return known
  }
})()
