/** Network addresses as limits see them: whoever has an IPv6 address has 2^64 of them. */

/** The IPv4 address itself, or the /64 of an IPv6 address; text that is no address stands for itself. */
export function addressBlock(ip: string): string {
  const text = ip.toLowerCase().replace(/%.*$/, '')
  const groups = text.includes(':') ? groupsOf(text) : null
  if (groups === null) return text
  // ::ffff:192.0.2.1 is how an IPv4 peer looks on a socket that takes both (RFC 4291 §2.5.5.2).
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high, low] = [groups[6]!, groups[7]!]
    return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** The eight groups of an IPv6 address (RFC 4291 §2.2), or `null`. */
function groupsOf(text: string): readonly number[] | null {
  const plain = text.replace(
    /(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/,
    (_, a, b, c, d) => `${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`,
  )
  const halves = plain.split('::')
  if (halves.length > 2) return null
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const gap = 8 - head.length - tail.length
  if (halves.length === 1 ? gap !== 0 : gap < 1) return null
  const all = [...head, ...Array<string>(gap).fill('0'), ...tail]
  return all.every((group) => /^[0-9a-f]{1,4}$/.test(group)) ? all.map((group) => Number.parseInt(group, 16)) : null
}
