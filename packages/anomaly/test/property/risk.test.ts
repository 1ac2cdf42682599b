import fc from 'fast-check'
import { expect, it } from 'vitest'
import { declarableFacts } from '../../src/config.js'
import { networkKinds } from '../../src/network.js'
import { type LoginFacts, riskModel } from '../../src/risk.js'
import { key } from '../unit/scored.js'

const numRuns = 100
const day = 86_400_000
const few = (n: number) => fc.integer({ min: 1, max: n })
const idOf = (n: number) => new Uint8Array(16).fill(n)
const nullable = <T>(a: fc.Arbitrary<T>) => fc.option(a, { freq: 6 })

/** Few values each, so that repeats, journeys and changes all happen. */
const anyFacts: fc.Arbitrary<LoginFacts> = fc.record({
  id: few(100).map(idOf),
  at: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_000_000 + 20 * day }),
  subject: fc.constant(idOf(1)),
  device: nullable(few(3).map(idOf)),
  deviceAgeDays: nullable(few(100)),
  app: fc.constant('bank'),
  appVersion: nullable(fc.constantFrom('1.0', '1.1')),
  platform: fc.constantFrom('ios', 'android'),
  osVersion: nullable(fc.constantFrom('16.1', '17', '18.2.1')),
  model: nullable(fc.constantFrom('a', 'b')),
  ip: nullable(fc.tuple(few(2), few(2)).map(([a, b]) => Uint8Array.of(80, 1, a, b))),
  asn: nullable(few(3)),
  kind: nullable(fc.constantFrom(...networkKinds)),
  place: nullable(
    fc.record({
      country: fc.constantFrom('DE', 'FR'),
      lat: fc.double({ min: -90, max: 90, noNaN: true }),
      lon: fc.double({ min: -180, max: 180, noNaN: true }),
      radiusKm: few(500),
    }),
  ),
  authenticator: fc.constantFrom('pin', 'key'),
  acr: fc.constant(2),
  failuresBefore: nullable(fc.nat(10)),
  integrity: nullable(fc.integer({ min: 0, max: 3 })),
  extra: fc.record({ branch: nullable(fc.constantFrom('x', 'y')), floor: nullable(few(4)) }),
})
const history = fc.array(anyFacts, { maxLength: 12 })
const model = riskModel({ key, facts: declarableFacts, extras: { branch: 20, floor: 10 } })
const learned = (logins: readonly LoginFacts[]): Uint8Array | null =>
  logins.reduce((profile, f) => model.score({ ...f, steppedUp: true }, profile, null).profile, null as Uint8Array | null)

it('N1 the reasons of every login sum to its units exactly', () =>
  fc.assert(
    fc.property(history, anyFacts, (before, f) => {
      const { units, reasons, score } = model.score(f, learned(before), null)
      expect(reasons.reduce((sum, reason) => sum + reason.units, 0)).toBe(units)
      expect(reasons.every((reason) => Number.isInteger(reason.units))).toBe(true)
      expect(Number.isInteger(score) && score >= 0 && score <= 100).toBe(true)
    }),
    { numRuns },
  ))

const removable = [
  'at',
  'device',
  'appVersion',
  'osVersion',
  'model',
  'ip',
  'asn',
  'kind',
  'place',
  'failuresBefore',
  'integrity',
  'extra',
  'authenticator',
  'platform',
  'app',
  'deviceAgeDays',
  'steppedUp',
] as const

it('N2 removing any fact from a login never lowers its units', () =>
  fc.assert(
    fc.property(history, anyFacts, (before, f) => {
      const profile = learned(before)
      const { units } = model.score(f, profile, null)
      for (const name of removable) {
        const without = { ...f, [name]: null } as unknown as LoginFacts
        expect(model.score(without, profile, null).units, name).toBeGreaterThanOrEqual(units)
      }
    }),
    { numRuns },
  ))

it('N2 holds for every subset of facts that a host may declare', () =>
  fc.assert(
    fc.property(fc.subarray([...declarableFacts]), history, anyFacts, fc.constantFrom(...removable), (facts, before, f, name) => {
      const mine = riskModel({ key, facts })
      const profile = before.reduce((p, g) => mine.score({ ...g, steppedUp: true }, p, null).profile, null as Uint8Array | null)
      const without = { ...f, [name]: null } as unknown as LoginFacts
      expect(mine.score(without, profile, null).units).toBeGreaterThanOrEqual(mine.score(f, profile, null).units)
    }),
    { numRuns },
  ))

it('N4 the same login scores to the same answer, whatever was scored in between', () =>
  fc.assert(
    fc.property(history, anyFacts, anyFacts, (before, f, other) => {
      const profile = learned(before)
      const first = model.score(f, profile, null)
      model.score(other, profile, null)
      expect(model.score(f, profile, null)).toEqual(first)
      expect(riskModel({ key, facts: declarableFacts, extras: { floor: 10, branch: 20 } }).score(f, profile, null)).toEqual(first)
    }),
    { numRuns },
  ))

it('N7 more failures before success never lower score or percentile', () =>
  fc.assert(
    fc.property(history, anyFacts, fc.nat(50), (before, f, n) => {
      const profile = learned(before)
      const [less, more] = [
        model.score({ ...f, failuresBefore: n }, profile, null),
        model.score({ ...f, failuresBefore: n + 1 }, profile, null),
      ]
      expect(more.units).toBeGreaterThanOrEqual(less.units)
      expect(more.score).toBeGreaterThanOrEqual(less.score)
      expect(more.percentile).toBeGreaterThanOrEqual(less.percentile)
    }),
    { numRuns },
  ))

it('N8 a profile stays within 512 bytes and the caps, whatever logs in', () =>
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2 ** 31), fc.nat(2 ** 31)), { minLength: 50, maxLength: 80 }), (noise) => {
      let profile: Uint8Array | null = null
      for (const [i, [a, b]] of noise.entries()) {
        const f: LoginFacts = {
          id: idOf(1),
          at: 1_700_000_000_000 + i * day,
          subject: idOf(1),
          device: Uint8Array.of(a, b, a >> 8, b >> 8, 1, 2, 3, 4),
          deviceAgeDays: 1,
          app: 'bank',
          appVersion: String(a),
          platform: 'ios',
          osVersion: String(b),
          model: String(a),
          ip: Uint8Array.of(a, b, a >> 8, b >> 8),
          asn: 1 + a,
          kind: 'fixed',
          place: { country: 'DE', lat: 1, lon: 1, radiusKm: 1 },
          authenticator: 'pin',
          acr: 1,
          failuresBefore: 0,
          integrity: 3,
          steppedUp: true,
          extra: { branch: String(a), floor: b },
        }
        profile = model.score(f, profile, null).profile
      }
      expect(profile!.length).toBeLessThanOrEqual(512)
    }),
    { numRuns: 20 },
  ))

it('A23 any nonsense in any field is a missing fact: nothing thrown, units at least those of the honest login', () =>
  fc.assert(
    fc.property(
      history,
      anyFacts,
      fc.constantFrom(...removable),
      fc.constantFrom<unknown>(
        Number.NaN,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        -1,
        1e300,
        '',
        'x'.repeat(1000),
        new Uint8Array(5),
        {},
        [],
        true,
        undefined,
      ),
      (before, f, name, nonsense) => {
        const profile = learned(before)
        const honest = model.score(f, profile, null)
        const bad = model.score({ ...f, [name]: nonsense } as unknown as LoginFacts, profile, null)
        expect(Number.isInteger(bad.units)).toBe(true)
        expect(bad.units).toBeGreaterThanOrEqual(honest.units)
      },
    ),
    { numRuns },
  ))
