/** Speed over ground between two logins, as a lower bound: the circles of uncertainty are taken off before anything is said. */
import { arcSine, ln, PI, sin } from './deterministic.js'
import type { Place } from './network.js'

const EARTH_KM = 6371.0088
/** What an airliner does. */
export const plausibleKmh = 900
/** Below this, geolocation noise and commuting look alike. */
export const leastKm = 100
/** The term's greatest value in nats. */
export const velocityCap = 4

/** What {@link travel} found. */
export interface Travel {
  /** Least distance that both places allow. */
  readonly kmAtLeast: number
  /** Between the two, in either order. */
  readonly hours: number
  /** 0 when plausible, else `min(4, 2·ln(v/900) + ½)` nats. */
  readonly nats: number
}

/**
 * The speed term of a journey: `d = max(0, arc − r₁ − r₂)`, `v = d/(|Δt| + 60 s)`.
 * @param from - place and time (ms) of the earlier login, order does not matter
 */
export function travel(
  from: { readonly place: Pick<Place, 'lat' | 'lon' | 'radiusKm'>; readonly at: number },
  to: typeof from,
): Travel {
  const kmAtLeast = Math.max(0, arcKm(from.place, to.place) - from.place.radiusKm - to.place.radiusKm)
  const hours = Math.abs(to.at - from.at) / 3_600_000
  const kmh = kmAtLeast / (hours + 1 / 60)
  const nats = kmAtLeast < leastKm || kmh <= plausibleKmh ? 0 : Math.min(velocityCap, 2 * ln(kmh / plausibleKmh) + 0.5)
  return { kmAtLeast, hours, nats }
}

/** Great-circle distance in kilometres on a sphere of the mean radius; error at most 0.1 km. Degrees. */
export function arcKm(
  a: { readonly lat: number; readonly lon: number },
  b: { readonly lat: number; readonly lon: number },
): number {
  const [p, q] = [unit(a), unit(b)]
  const [x, y, z] = [p[0] - q[0], p[1] - q[1], p[2] - q[2]]
  return 2 * EARTH_KM * arcSine(Math.sqrt(x * x + y * y + z * z) / 2)
}

function unit({ lat, lon }: { readonly lat: number; readonly lon: number }): readonly [number, number, number] {
  const [phi, lambda] = [(lat * PI) / 180, (lon * PI) / 180]
  const level = sin(phi + PI / 2)
  return [level * sin(lambda + PI / 2), level * sin(lambda), sin(phi)]
}
