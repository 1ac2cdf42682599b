/** An address as bytes: 4 for IPv4 (also IPv4-mapped IPv6), 16 for IPv6, `null` for anything else. @see RFC 4291 §2.2 */
export function addressBytes(text: string): Uint8Array | null {
  const v4 = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/i.exec(text)
  if (v4) {
    const parts = v4.slice(1).map(Number)
    return parts.every((part) => part < 256) ? Uint8Array.from(parts) : null
  }
  if (!/^[0-9a-f:]{2,39}$/i.test(text)) return null
  const halves = text.split('::')
  if (halves.length > 2) return null
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')))
  const left = groups[0]!
  const right = groups[1] ?? []
  const gap = 8 - left.length - right.length
  if (halves.length === 1 ? gap !== 0 : gap < 1) return null
  const words = [...left, ...Array.from({ length: gap }, () => '0'), ...right]
  if (words.some((word) => !/^[0-9a-f]{1,4}$/i.test(word))) return null
  return Uint8Array.from(words.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255]))
}
