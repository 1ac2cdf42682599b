import { isPosternError } from '@postern/core/errors'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decayed, decodeProfile, emptyProfile, encodeProfile, maxEntries, type Profile } from '../../src/profile.js'

const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const u8 = fc.integer({ min: 0, max: 255 })
const anyProfile: fc.Arbitrary<Profile> = fc.record({
  configHash: u32,
  week: u16,
  day: u16,
  lastAt: u32,
  place: fc.option(
    fc.record({
      lat: fc.double({ min: -90, max: 90, noNaN: true }),
      lon: fc.double({ min: -180, max: 180, noNaN: true }),
      radiusKm: fc.integer({ min: 0, max: 20_000 }),
    }),
  ),
  logins: u32,
  learnedToday: u8,
  newToday: u8,
  hours: fc.array(u16, { minLength: 8, maxLength: 8 }),
  entries: fc.array(fc.record({ feature: u8, key: u32, slow: u16, fast: u16 }), { maxLength: maxEntries }),
})
const numRuns = 100

it('N5 what is encoded decodes to the same bytes, in at most 512', () =>
  fc.assert(
    fc.property(anyProfile, (profile) => {
      const bytes = encodeProfile(profile)
      expect(bytes.length).toBeLessThanOrEqual(512)
      expect(encodeProfile(decodeProfile(bytes))).toEqual(bytes)
      const { place, ...rest } = decodeProfile(bytes)
      expect({ ...rest, place: null }).toEqual({ ...profile, place: null })
      if (profile.place !== null) expect(Math.abs(place!.lat - profile.place.lat)).toBeLessThan(0.003)
    }),
    { numRuns },
  ))

it('N5 any changed byte, any cut and any noise is refused by code, never thrown otherwise', () =>
  fc.assert(
    fc.property(
      anyProfile,
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.uint8Array({ maxLength: 600 }),
      (profile, at, flip, noise) => {
        const bytes = encodeProfile(profile)
        const changed = bytes.slice()
        changed[at % bytes.length]! ^= flip
        for (const bad of [changed, bytes.slice(0, at % bytes.length), noise]) {
          let error: unknown
          try {
            decodeProfile(bad)
          } catch (e) {
            error = e
          }
          expect(isPosternError(error, 'anomaly.state_invalid', 'anomaly.state_version')).toBe(true)
        }
      },
    ),
    { numRuns },
  ))

it('a weight halves in about 90 days (slow) and 7 days (fast), and an entry really dies', () => {
  const day = 20_000
  const one = { ...emptyProfile(1, day * 86_400), entries: [{ feature: 2, key: 3, slow: 256, fast: 256 }] }
  const later = decayed(one, (day + 91) * 86_400).entries[0]!
  expect(later.slow).toBeGreaterThan(115)
  expect(later.slow).toBeLessThan(130)
  expect(decayed(one, (day + 7) * 86_400).entries[0]!.fast).toBeGreaterThan(118)
  expect(decayed(one, (day + 7) * 86_400).entries[0]!.fast).toBeLessThan(130)
  expect(decayed(one, (day + 900) * 86_400).entries).toEqual([])
})

it('an earlier time changes nothing', () => {
  const profile = emptyProfile(1, 20_000 * 86_400)
  expect(decayed(profile, 19_000 * 86_400)).toBe(profile)
})
