import { expect, it } from 'vitest'
import { arcKm, travel } from '../../src/velocity.js'

const berlin = { lat: 52.52, lon: 13.405, radiusKm: 20 }
const paris = { lat: 48.8566, lon: 2.3522, radiusKm: 30 }
const sydney = { lat: -33.8688, lon: 151.2093, radiusKm: 50 }

/** Haversine in the engine's own functions, as an independent oracle. */
function haversine(a: { lat: number; lon: number }, b: { lat: number; lon: number }): number {
  const rad = Math.PI / 180
  const h =
    Math.sin(((b.lat - a.lat) * rad) / 2) ** 2 +
    Math.cos(a.lat * rad) * Math.cos(b.lat * rad) * Math.sin(((b.lon - a.lon) * rad) / 2) ** 2
  return 2 * 6371.0088 * Math.asin(Math.sqrt(h))
}

it('distances are within 0.1 km of haversine all over the globe', () => {
  for (let lat = -90; lat <= 90; lat += 15)
    for (let lon = -180; lon <= 180; lon += 15)
      expect(Math.abs(arcKm(berlin, { lat, lon }) - haversine(berlin, { lat, lon }))).toBeLessThan(0.1)
})

it('Berlin to Paris is 878 km; the radii are taken off', () => {
  expect(arcKm(berlin, paris)).toBeCloseTo(877.5, 0)
  expect(travel({ place: berlin, at: 0 }, { place: paris, at: 0 }).kmAtLeast).toBeCloseTo(827.5, 0)
})

it('one hour between Berlin and Paris is an airliner, half an hour is not', () => {
  expect(travel({ place: berlin, at: 0 }, { place: paris, at: 3_600_000 }).nats).toBe(0)
  // 827.5 km in 31 min = 1,601.6 km/h: 2·ln(1.7796) + ½ = 1.653
  expect(travel({ place: berlin, at: 0 }, { place: paris, at: 1_800_000 }).nats).toBeCloseTo(1.653, 2)
})

it('the term is capped at 4 nats, symmetric in time, and silent below 100 km', () => {
  expect(travel({ place: berlin, at: 0 }, { place: sydney, at: 60_000 }).nats).toBe(4)
  const [there, back] = [
    travel({ place: berlin, at: 0 }, { place: paris, at: 1_800_000 }),
    travel({ place: paris, at: 1_800_000 }, { place: berlin, at: 0 }),
  ]
  expect(there.nats).toBe(back.nats)
  expect(travel({ place: berlin, at: 0 }, { place: { ...berlin, lat: 53.6 }, at: 0 }).nats).toBe(0)
})
