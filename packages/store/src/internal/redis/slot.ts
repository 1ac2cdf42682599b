/** Redis Cluster's hash slots. */

const SLOTS = 16_384

/** The slot of a key: CRC-16/XMODEM of what stands in its first braces, or of the whole key. @see Redis Cluster specification, "Hash tags" */
export function slotOf(key: string): number {
  const open = key.indexOf('{')
  const close = open < 0 ? -1 : key.indexOf('}', open + 1)
  const tag = close > open + 1 ? key.slice(open + 1, close) : key
  let crc = 0
  for (let i = 0; i < tag.length; i++) {
    crc ^= tag.charCodeAt(i) << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
    crc &= 0xffff
  }
  return crc % SLOTS
}

/** A key of some slot from `first` to `last`: how to reach the primary that holds them. */
export function keyWithin(first: number, last: number): string {
  for (let i = 0; ; i++) {
    const slot = slotOf(String(i))
    if (slot >= first && slot <= last) return String(i)
  }
}
