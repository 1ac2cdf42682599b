import { expect, it } from 'vitest'
import { decodeProfile, encodeProfile } from '../../src/profile.js'
import { factsWithResolver, type LoginFacts, riskModel } from '../../src/risk.js'
import { id, key } from './scored.js'

const day = 86_400_000
const start = Date.UTC(2026, 9, 5, 9)
const home: LoginFacts = {
  id: id('l'),
  at: start,
  subject: id('s'),
  device: id('d'),
  deviceAgeDays: 100,
  app: 'bank',
  appVersion: '1.0',
  platform: 'ios',
  osVersion: '26.1',
  model: 'iPhone16,1',
  ip: Uint8Array.of(80, 1, 2, 3),
  asn: 3320,
  kind: 'fixed',
  place: { country: 'DE', lat: 52.5, lon: 13.4, radiusKm: 20 },
  authenticator: 'pin',
  acr: 2,
  failuresBefore: 0,
  integrity: 3,
}
const model = riskModel({ key, facts: factsWithResolver })
const habit = (): Uint8Array => {
  let profile: Uint8Array | null = null
  for (let i = 0; i < 60; i++) profile = model.score({ ...home, at: start + i * day }, profile, null).profile
  return profile!
}
const thief: LoginFacts = {
  ...home,
  at: start + 60 * day,
  asn: 14061,
  kind: 'hosting',
  ip: Uint8Array.of(45, 1, 1, 1),
  device: id('thief'),
  place: { country: 'US', lat: 40.7, lon: -74, radiusKm: 50 },
}

it('A23 a login far out of the ordinary teaches nothing, however often it gets in, unless a step-up was passed', () => {
  const before = habit()
  let profile = before
  for (let i = 0; i < 40; i++) profile = model.score({ ...thief, at: thief.at + i * 60_000 }, profile, null).profile
  expect(decodeProfile(profile).entries.map(({ key: k }) => k)).toEqual(decodeProfile(before).entries.map(({ key: k }) => k))
  expect(decodeProfile(profile).logins).toBe(60)
  expect(decodeProfile(model.score({ ...thief, steppedUp: true }, before, null).profile).logins).toBe(61)
})

it('A23 slow drift: j logins move a never-seen ASN by at most ln((j + mG)/mG), and the day takes 8 at most', () => {
  const [m, g] = [0.8, 1 / 4000]
  let profile = habit()
  const asnUnits = (p: Uint8Array, at: number) =>
    model.score({ ...thief, at }, p, null).reasons.find(({ code }) => code === 'network.asn')!.units
  const first = asnUnits(profile, thief.at)
  for (let d = 0; d < 20; d++) {
    for (let i = 0; i < 12; i++)
      profile = model.score({ ...thief, steppedUp: true, at: thief.at + d * day + i * 60_000 }, profile, null).profile
    const learned = decodeProfile(profile).logins - 60
    expect(learned).toBe(8 * (d + 1))
    const moved = first - asnUnits(profile, thief.at + d * day + 3_600_000)
    expect(moved).toBeLessThanOrEqual(Math.ceil(1024 * Math.log((learned + m * g) / (m * g))) + 1)
  }
})

it('A23 at most three never-seen values a day enter a profile that has a past', () => {
  let profile = habit()
  const before = decodeProfile(profile).entries.length
  for (let i = 0; i < 8; i++)
    profile = model.score(
      {
        ...thief,
        steppedUp: true,
        at: thief.at + i * 60_000,
        ip: Uint8Array.of(45, 1, i, 1),
        asn: 100 + i,
        device: id(`thief${i}`),
      },
      profile,
      null,
    ).profile
  expect(decodeProfile(profile).entries.length).toBeLessThanOrEqual(before + 3)
})

it('A23 clock games: a late login is scored and never learned, and no login moves the mark back', () => {
  const profile = habit()
  const { lastAt } = decodeProfile(profile)
  const late = model.score({ ...home, at: lastAt * 1000 - 301_000 }, profile, null)
  expect(late.profile).toEqual(profile)
  const slightly = decodeProfile(model.score({ ...home, at: lastAt * 1000 - 200_000 }, profile, null).profile)
  expect(slightly.lastAt).toBe(lastAt)
  expect(slightly.logins).toBe(61)
})

it('A23 a clock far ahead and back again opens no second day of learning', () => {
  let profile = habit()
  const ahead = model.score({ ...home, at: start + 100 * day }, profile, null).profile
  for (let i = 0; i < 20; i++) profile = model.score({ ...home, at: start + 61 * day + i * 1000 }, ahead, null).profile
  expect(profile).toEqual(ahead)
})

it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 1e18])(
  'A23 a login at %d has no time: every chain at its cap, the stored profile as it was',
  (at) => {
    const profile = habit()
    const assessed = model.score({ ...home, at }, profile, null)
    expect(assessed.band).toBe('high')
    expect(assessed.profile).toEqual(profile)
  },
)

it('A23 weights saturate by halving their whole chain: ratios stay, nothing overflows', () => {
  const full = decodeProfile(habit())
  const near = encodeProfile({
    ...full,
    day: full.day,
    entries: full.entries.map((entry) => ({ ...entry, slow: entry.feature === 2 ? 65_500 : 30_000 })),
  })
  const entries = decodeProfile(model.score({ ...home, at: full.lastAt * 1000 + 1000 }, near, null).profile).entries
  expect(entries.find((entry) => entry.feature === 2)!.slow).toBe((65_500 + 256) >>> 1)
  expect(entries.find((entry) => entry.feature === 3)!.slow).toBeLessThan(16_000)
})
