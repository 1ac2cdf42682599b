/** The simulated Internet: cities, carriers and providers with their prefixes. Addresses are of the documentation kind in shape only. */
import type { Dice } from './random.js'

export interface City {
  readonly country: string
  readonly name: string
  readonly lat: number
  readonly lon: number
}

export const cities: readonly City[] = [
  { country: 'DE', name: 'Berlin', lat: 52.52, lon: 13.4 },
  { country: 'DE', name: 'Hamburg', lat: 53.55, lon: 9.99 },
  { country: 'DE', name: 'Munich', lat: 48.14, lon: 11.58 },
  { country: 'DE', name: 'Cologne', lat: 50.94, lon: 6.96 },
  { country: 'AT', name: 'Vienna', lat: 48.21, lon: 16.37 },
  { country: 'CH', name: 'Zurich', lat: 47.38, lon: 8.54 },
  { country: 'FR', name: 'Paris', lat: 48.86, lon: 2.35 },
  { country: 'ES', name: 'Palma', lat: 39.57, lon: 2.65 },
  { country: 'IT', name: 'Milan', lat: 45.46, lon: 9.19 },
  { country: 'GB', name: 'London', lat: 51.51, lon: -0.13 },
  { country: 'TR', name: 'Antalya', lat: 36.9, lon: 30.7 },
  { country: 'US', name: 'New York', lat: 40.71, lon: -74.01 },
  { country: 'TH', name: 'Bangkok', lat: 13.76, lon: 100.5 },
]

export type SimulatedKind = 'mobile' | 'fixed' | 'hosting' | 'vpn' | 'relay'

/** One access network as a login sees it. */
export interface Access {
  readonly asn: number
  readonly kind: SimulatedKind
  readonly ip: Uint8Array
  readonly place: { readonly country: string; readonly lat: number; readonly lon: number; readonly radiusKm: number }
}

/** A line at home or at work: its address changes now and then, within the provider's few prefixes of the city. */
export function fixedLine(d: Dice, city: City, provider: number): Access {
  const asn = 3000 + cities.findIndex((c) => c.country === city.country) * 10 + provider
  const prefix = cities.indexOf(city) * 8 + d.whole(0, 3)
  return {
    asn,
    kind: 'fixed',
    ip: Uint8Array.of(80 + provider, 16 + prefix, d.whole(0, 15), d.whole(1, 254)),
    place: near(d, city, 15),
  }
}

/** A carrier's gateway: the address is shared and often new, and it stands where the carrier has its exit, not where the phone is. */
export function carrier(d: Dice, country: string, provider: number): Access {
  const exits = cities.filter((c) => c.country === country)
  const first = cities.findIndex((c) => c.country === country)
  return {
    asn: 6000 + first * 10 + provider,
    kind: 'mobile',
    ip: Uint8Array.of(100 + provider, 128 + first, d.whole(0, 5), d.whole(1, 254)),
    place: near(d, d.pick(exits), 120),
  }
}

/** A hotel's or café's line abroad. */
export function guestLine(d: Dice, city: City): Access {
  return fixedLine(d, city, d.whole(4, 7))
}

/** A browser maker's relay: right country, exit anywhere in it. */
export function relay(d: Dice, country: string): Access {
  const exits = cities.filter((c) => c.country === country)
  return {
    asn: 20940,
    kind: 'relay',
    ip: Uint8Array.of(172, 224, d.whole(0, 7), d.whole(1, 254)),
    place: near(d, d.pick(exits), 200),
  }
}

/** A commercial VPN. */
export function vpn(d: Dice, city: City): Access {
  return {
    asn: 9009 + d.whole(0, 2),
    kind: 'vpn',
    ip: Uint8Array.of(185, 100 + cities.indexOf(city), d.whole(0, 3), d.whole(1, 254)),
    place: near(d, city, 50),
  }
}

/** A rented machine. */
export function hosting(d: Dice, city: City): Access {
  return {
    asn: 14000 + d.whole(0, 5),
    kind: 'hosting',
    ip: Uint8Array.of(45, 60 + cities.indexOf(city), d.whole(0, 5), d.whole(1, 254)),
    place: near(d, city, 30),
  }
}

/** Geolocation is never exact: same city, a little off. */
function near(d: Dice, city: City, radiusKm: number): Access['place'] {
  const off = () => Math.round((d.next() - 0.5) * 20) / 100
  return { country: city.country, lat: city.lat + off(), lon: city.lon + off(), radiusKm }
}
