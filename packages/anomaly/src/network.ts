/** Where a login comes from: the two resolver ports, addresses as bytes, and prefixes. No address database is shipped; a host wraps its own. */

/** An identifier, at least 8 bytes, already keyed by the platform (HMAC): never a raw name. */
export type Id = Uint8Array

/** Where an address is thought to be, and how far off that may be. */
export interface Place {
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country: string
  /** Degrees north, −90 to 90. */
  readonly lat: number
  /** Degrees east, −180 to 180. */
  readonly lon: number
  readonly radiusKm: number
}

/** Every kind of network that the scorer tells apart. */
export const networkKinds = ['mobile', 'fixed', 'hosting', 'vpn', 'relay', 'satellite', 'tor', 'unknown'] as const
export type NetworkKind = (typeof networkKinds)[number]

/** Address → place. A resolver without a radius per answer states one per granularity when it is made. */
export interface GeoResolver {
  resolve(ip: Uint8Array): Place | null | Promise<Place | null>
  readonly radiusKm: { readonly city: number; readonly country: number }
}

/** Address → autonomous system and the kind of network it runs. */
export interface AsnResolver {
  resolve(
    ip: Uint8Array,
  ):
    | { readonly asn: number; readonly kind: NetworkKind }
    | null
    | Promise<{ readonly asn: number; readonly kind: NetworkKind } | null>
}

/** What the two resolvers said about one address; `null` = asked for and not known. */
export interface Network {
  readonly ip: Uint8Array | null
  readonly asn: number | null
  readonly kind: NetworkKind | null
  readonly place: Place | null
}

/**
 * Asks both resolvers about one address. A private or loopback address has neither place nor ASN; a resolver that throws knows nothing.
 * @param ip - 4 or 16 bytes; IPv4-mapped IPv6 is judged as IPv4; anything else is a missing address
 */
export async function resolveNetwork(
  ip: Uint8Array | null,
  resolvers: { readonly geo?: GeoResolver; readonly asn?: AsnResolver },
): Promise<Network> {
  const address = ip === null ? null : plainAddress(ip)
  if (address === null || isLocal(address)) return { ip: address, asn: null, kind: null, place: null }
  const [place, system] = await Promise.all([
    quietly(() => resolvers.geo?.resolve(address)),
    quietly(() => resolvers.asn?.resolve(address)),
  ])
  return { ip: address, asn: system?.asn ?? null, kind: system?.kind ?? null, place: place ?? null }
}

/** The /24 of an IPv4 address (3 bytes) or the /48 of an IPv6 address (6 bytes); `null` when it is neither. */
export function prefixOf(ip: Uint8Array): Uint8Array | null {
  const address = plainAddress(ip)
  return address === null ? null : address.slice(0, address.length === 4 ? 3 : 6)
}

/** A fresh copy of an address, IPv4-mapped IPv6 as IPv4; `null` when it is neither 4 nor 16 bytes. @see RFC 4291 §2.5.5.2 */
export function plainAddress(ip: Uint8Array): Uint8Array | null {
  if (ip.length === 4) return ip.slice()
  if (ip.length !== 16) return null
  const mapped = ip[10] === 0xff && ip[11] === 0xff && ip.subarray(0, 10).every((byte) => byte === 0)
  return mapped ? ip.slice(12) : ip.slice()
}

/** The bytes of an address in text, IPv4 dotted or IPv6 (RFC 4291 §2.2, without a zone); `null` when it is neither. */
export function parseAddress(text: string): Uint8Array | null {
  if (text.length > 45) return null
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null
  return Uint8Array.from(parts, Number)
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const sides = halves.map((half) => (half === '' ? [] : half.split(':')))
  const words: number[][] = []
  for (const [index, side] of sides.entries()) {
    const out: number[] = []
    for (const [i, part] of side.entries()) {
      const last = index === sides.length - 1 && i === side.length - 1
      const four = last && part.includes('.') ? parseIpv4(part) : null
      if (four !== null) out.push(four[0]! * 256 + four[1]!, four[2]! * 256 + four[3]!)
      else if (/^[0-9a-fA-F]{1,4}$/.test(part)) out.push(Number.parseInt(part, 16))
      else return null
    }
    words.push(out)
  }
  const head = words[0]!
  const tail = words[1] ?? []
  const gap = 8 - head.length - tail.length
  if (halves.length === 1 ? gap !== 0 : gap < 1) return null
  const all = [...head, ...new Array<number>(gap).fill(0), ...tail]
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]))
}

/** Private, loopback, link-local, shared or unspecified: RFC 1918, 6598, 3927, 4193, 4291. */
function isLocal(ip: Uint8Array): boolean {
  const [a, b] = [ip[0]!, ip[1]!]
  if (ip.length === 4)
    return (
      a === 0 ||
      a === 10 ||
      a === 127 ||
      (a === 172 && (b & 0xf0) === 16) ||
      (a === 192 && b === 168) ||
      (a === 169 && b === 254) ||
      (a === 100 && (b & 0xc0) === 64)
    )
  return (a & 0xfe) === 0xfc || (a === 0xfe && (b & 0xc0) === 0x80) || ip.subarray(0, 15).every((byte) => byte === 0)
}

async function quietly<T>(ask: () => T | Promise<T>): Promise<T | null> {
  try {
    return await ask()
  } catch {
    return null
  }
}
