import { isPosternError } from '@postern/core/errors'
import { expect, it } from 'vitest'
import { decodeProfile, encodeProfile } from '../../src/profile.js'
import { factsWithResolver, type LoginFacts, type RiskConfig, riskModel } from '../../src/risk.js'
import { id, key } from './scored.js'

const day = 86_400_000
const monday = Date.UTC(2026, 9, 5, 9)
const home: LoginFacts = {
  id: id('l'),
  at: monday,
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
/** `n` daily logins from home. */
const habit = (n: number, f: LoginFacts = home): Uint8Array | null => {
  let profile: Uint8Array | null = null
  for (let i = 0; i < n; i++) profile = model.score({ ...f, at: f.at + i * day }, profile, null).profile
  return profile
}
const unitsOf = (f: LoginFacts, profile: Uint8Array | null, code: string) =>
  model.score(f, profile, null).reasons.find((reason) => reason.code === code)?.units ?? 0

it('a fresh enrolment is neutral: the prior of −9.21 nats, one nat for having no history, and what λs leaves out', () => {
  const { units, band, reasons, score, calibrated, percentile } = model.score(home, null, null)
  expect(reasons.find((reason) => reason.code === 'prior')?.units).toBe(-9431)
  expect(reasons.find((reason) => reason.code === 'profile.new')?.units).toBe(1024)
  expect(units).toBe(-8947)
  expect({ band, score, calibrated }).toEqual({ band: 'low', score: 0, calibrated: false })
  expect(percentile).toBeGreaterThan(990)
})

it('the device id after one login: ln(.9·10⁻⁶ + .1·P) − ln P with P = (1 + ½·10⁻⁶)/(1 + ½)', () => {
  const p = (1 + 0.5e-6) / 1.5
  expect(unitsOf({ ...home, at: home.at + day }, habit(1), 'device.id')).toBe(
    Math.round(1024 * (Math.log(0.9e-6 + 0.1 * p) - Math.log(p))),
  )
})

it('a new country after ten logins: ln(½/250 + .4·P) − ln P with P = (.3/250)/(n + .3)', () => {
  const profile = habit(10)!
  const away = { ...home, at: home.at + 9 * day + 8 * 3_600_000, place: { country: 'FR', lat: 48.9, lon: 2.35, radiusKm: 20 } }
  const n = decodeProfile(profile).entries.find((entry) => entry.feature === 1)!.slow / 256
  const p = 0.3 / 250 / (n + 0.3)
  expect(unitsOf(away, profile, 'network.country')).toBe(
    Math.min(5 * 1024, Math.round(1024 * (Math.log(0.5 / 250 + 0.4 * p) - Math.log(p)))),
  )
})

it('speed is judged against the last learned login; a VPN at either end, or a pair of networks in turn, is not', () => {
  const profile = habit(10)
  const soon = home.at + 9 * day + 1_800_000
  const paris = {
    ...home,
    at: soon,
    asn: 3215,
    ip: Uint8Array.of(90, 1, 2, 3),
    place: { country: 'FR', lat: 48.86, lon: 2.35, radiusKm: 30 },
  }
  const reason = model.score(paris, profile, null).reasons.find(({ code }) => code === 'velocity')!
  expect(reason.units).toBeGreaterThan(1024)
  expect(reason.detail).toMatchObject({ to: 'FR', hours: 0.5, radiiKm: [20, 30] })
  expect(reason.detail.kmAtLeast).toBeGreaterThan(800)
  expect(unitsOf({ ...paris, kind: 'vpn' }, profile, 'velocity')).toBe(0)
  let both = profile
  for (let i = 0; i < 6; i++)
    both = model.score({ ...(i % 2 === 0 ? paris : home), at: soon + (i + 1) * day, steppedUp: true }, both, null).profile
  expect(unitsOf({ ...paris, at: soon + 6 * day + 1_800_000 }, both, 'velocity')).toBe(0)
})

it('failures before success cost ln(1+f), at most 3 nats', () => {
  expect([0, 1, 4, 100].map((failuresBefore) => unitsOf({ ...home, failuresBefore }, habit(3), 'failures'))).toEqual([
    0, 710, 1648, 3072,
  ])
})

it('a missing fact costs the cap of its chain and is named', () => {
  const reason = model.score({ ...home, asn: null }, habit(3), null).reasons[0]!
  expect(reason).toEqual({ code: 'network.missing', units: 17 * 1024, detail: { missing: ['asn'] } })
})

it('a damaged profile is the worst case, says so, and heals once a login is let in', () => {
  const profile = habit(5)!
  profile[9]! ^= 1
  const { reasons, band, profile: next } = model.score({ ...home, steppedUp: true }, profile, null)
  expect(reasons[0]!.code).toBe('profile.unreadable')
  expect(band).toBe('high')
  expect(decodeProfile(next).logins).toBe(1)
})

it('a profile of a newer version is unreadable; one of another configuration keeps what is known', () => {
  const other = riskModel({ key, facts: factsWithResolver, extras: { branch: 10 } })
  expect(other.score(home, habit(5), null).reasons.find(({ code }) => code === 'network.asn')!.units).toBeLessThan(-900)
  const newer = encodeProfile(decodeProfile(habit(2)!))
  newer[0] = 2
  expect(model.score(home, newer, null).reasons[0]!.code).toBe('profile.unreadable')
})

it('a model that many others carry is a weaker surprise than one that nobody else carries', () => {
  const profile = habit(10)
  const renewed = { ...home, model: 'iPhone17,1', at: home.at + 10 * day }
  const surprise = (others: number) =>
    model
      .score(renewed, profile, { popularity: (feature) => (feature === 7 ? others : 1000) })
      .reasons.find(({ code }) => code === 'device.model')!.units
  expect(surprise(500)).toBeLessThan(surprise(5))
  expect(surprise(5)).toBeLessThan(surprise(0))
})

it('the address of a stored profile cannot be read from it', () => {
  const hexed = Array.from(habit(3)!, (byte) => byte.toString(16).padStart(2, '0')).join('')
  expect(hexed).not.toContain('50010203')
})

it.each<[string, Partial<RiskConfig>]>([
  ['/key', { key: new Uint8Array(15) }],
  ['/facts/0', { facts: ['shoe size' as never] }],
  ['/extras', { extras: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`x${i}`, 2])) }],
  ['/extras/a', { extras: { a: 1 } }],
  ['/takeoversPerMillion', { takeoversPerMillion: 0 }],
  ['/bands', { bands: { raised: 5, high: 4 } }],
  [
    '/reference',
    {
      reference: [
        { permille: 0, units: 5 },
        { permille: 10, units: 4 },
      ],
    },
  ],
])('a mistake at %s is refused at construction, by its pointer', (pointer, wrong) => {
  try {
    riskModel({ key, ...wrong })
    expect.unreachable()
  } catch (error) {
    expect(isPosternError(error, 'anomaly.config_invalid') && error.reason).toBe(pointer)
  }
})
