/// <reference types="node" />
import { type Combined, combine } from '@postern/attestation/appraise'
import { appSignature } from '@postern/attestation/appSignature'
import type { Appraisal, Binding, Expected, Fact, FactMap, Source, Strength } from '@postern/attestation/evidence'
import { signals } from '@postern/attestation/signals'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type FactName, levelOf, runtimeFacts } from '../../src/internal/order.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const now = 1_800_000_000_000
const hour = 3_600_000

const values: { readonly [K in FactName]?: readonly unknown[] } = {
  'app.signature': ['match', 'mismatch', 'unchecked'],
  'app.environment': ['production', 'development'],
  'app.id': ['a', 'b'],
  'os.version': ['13.0.0', '14.0.0'],
  'os.patchLevel': [20231100, 20241100],
  'device.keyLevel': ['software', 'tee', 'strongbox', 'enclave'],
  'device.bootState': ['verified', 'self-signed', 'unverified', 'failed'],
  'device.bootLocked': [true, false],
  'device.recognition': [['basic'], ['device', 'strong'], []],
  'key.revocation': ['good', 'unknown', 'revoked'],
  ...Object.fromEntries(runtimeFacts.map((name) => [name, [true, false]])),
}
const names = Object.keys(values) as FactName[]

const binding: fc.Arbitrary<Binding> = fc.record({
  challenge: fc.boolean(),
  deviceKey: fc.constantFrom('is-the-key', 'names-the-key', 'none'),
  request: fc.boolean(),
})
function appraisal(strengths: readonly Strength[], sources: readonly Source[]): fc.Arbitrary<Appraisal> {
  return fc
    .record({
      source: fc.constantFrom(...sources),
      strength: fc.constantFrom(...strengths),
      binding,
      at: fc.integer({ min: now - 30 * hour, max: now }),
      picks: fc.uniqueArray(fc.tuple(fc.constantFrom(...names), fc.nat()), { selector: ([name]) => name, maxLength: 6 }),
    })
    .map(({ source, strength, binding, at, picks }) => {
      const facts = Object.fromEntries(
        picks.map(([name, n]) => [
          name,
          { value: values[name]![n % values[name]!.length], strength, at, binding, source } satisfies Fact<unknown>,
        ]),
      )
      return { source, evidence: strength, facts: facts as Partial<FactMap>, issues: [] }
    })
}
const any = appraisal(
  ['none', 'self-reported', 'vendor', 'hardware'],
  ['app-attest', 'key-attestation', 'play-integrity', 'app-signature', 'signals'],
)
const lie = appraisal(['self-reported'], ['signals', 'app-signature'])
const options = { now, maxAgeMs: {}, platform: 'android' as const }
const join = (all: readonly Appraisal[]): Combined => combine(all, options)
const level = (c: Combined, name: FactName): number => levelOf(name, c.facts[name] as Fact<unknown> | undefined)
const evidence = ['none', 'self-reported', 'vendor', 'hardware']

/** `a` is nowhere above `b`. */
function notAbove(a: Combined, b: Combined, skip: readonly FactName[] = []): void {
  for (const name of names)
    if (!skip.includes(name)) expect([name, level(a, name)]).toEqual([name, Math.min(level(a, name), level(b, name))])
  if (!skip.includes('device.tampered')) expect(evidence.indexOf(a.evidence)).toBeLessThanOrEqual(evidence.indexOf(b.evidence))
}

it('combine is commutative, associative and idempotent', () => {
  fc.assert(
    fc.property(fc.array(any, { maxLength: 5 }), fc.array(any, { maxLength: 3 }), (a, b) => {
      const whole = join([...a, ...b])
      expect(join([...b, ...a])).toEqual(whole)
      expect(join([...a, ...b].reverse())).toEqual(whole)
      expect(join([...a, ...b, ...a])).toEqual(whole)
    }),
    { numRuns },
  )
})

async function honest(): Promise<readonly Appraisal[]> {
  const digest = 'ab'.repeat(32)
  const expected: Expected = {
    issuer: 'i',
    tenant: 't',
    app: { id: 'a', certificates: [digest] },
    challenge: new Uint8Array(32),
    deviceKey: {},
    purpose: 'register',
    carrier: { challenge: true, deviceKey: true },
  }
  const clean = { privilegedAccess: false, debug: false, simulator: false, hooks: false, appIntegrity: false }
  return [
    await signals().verify({ format: 'signals', v: 1, at: now, source: 's', signals: clean }, expected, { now }),
    await appSignature().verify({ format: 'app-signature', certificates: [digest] }, expected, { now }),
  ]
}

it('V1 whatever a device says of itself, it gets at most what an honest clean report gets', async () => {
  const clean = await honest()
  fc.assert(
    fc.property(fc.array(any, { maxLength: 3 }), fc.array(lie, { maxLength: 3 }), (attested, lies) => {
      notAbove(join([...attested, ...lies]), join([...attested, ...clean]))
      // What can be attested is never raised by a self-report above nobody having looked.
      const [without, withLies] = [join(attested), join([...attested, ...lies])]
      for (const name of names)
        if (!runtimeFacts.includes(name) && level(withLies, name) > level(without, name))
          expect(withLies.facts[name]?.value).toMatch(/^un/)
    }),
    { numRuns },
  )
})

it('V2 removing good evidence, or withholding a report, never raises a fact', () => {
  fc.assert(
    fc.property(fc.array(any, { maxLength: 5 }), fc.nat(), (all, n) => {
      const dropped = all.length === 0 ? null : all[n % all.length]!
      const bad =
        dropped && names.some((name) => dropped.facts[name] && levelOf(name, dropped.facts[name] as Fact<unknown>) === 0)
      const whole = join(all)
      // A contradiction needs both sides: dropping one of them takes back the accusation, not the evidence.
      const accused = whole.facts['device.tampered']?.value === true
      if (dropped && !bad) notAbove(join(all.filter((one) => one !== dropped)), whole, accused ? ['device.tampered'] : [])
    }),
    { numRuns: numRuns * 2 },
  )
})

it('V2 withholding the youngest report, which no longer names the device sound, raises nothing', () => {
  const report = (labels: readonly string[], at: number): Appraisal => {
    const bound: Binding = { challenge: true, deviceKey: 'is-the-key', request: false }
    const recognition = { value: labels, strength: 'vendor', at, binding: bound, source: 'play-integrity' }
    return {
      source: 'play-integrity',
      evidence: 'vendor',
      facts: { 'device.recognition': recognition } as Partial<FactMap>,
      issues: [],
    }
  }
  const [older, younger] = [report(['device'], now - hour), report(['basic'], now)]
  notAbove(join([older]), join([older, younger]))
  expect(join([younger]).facts['device.rooted']).toBe(undefined)
})

it('V3 evidence bound to another challenge or key raises nothing', () => {
  fc.assert(
    fc.property(fc.array(any, { maxLength: 3 }), any, fc.boolean(), (all, foreign, challenge) => {
      const unbound = Object.fromEntries(
        Object.entries(foreign.facts).map(([name, fact]) => [
          name,
          { ...fact, binding: challenge ? { ...fact.binding, challenge: false } : { ...fact.binding, deviceKey: 'none' } },
        ]),
      ) as Partial<FactMap>
      notAbove(join([...all, { ...foreign, facts: unbound }]), join(all))
    }),
    { numRuns },
  )
})

it('V6 the same evidence and time give the same answer, and the input is left alone', () => {
  fc.assert(
    fc.property(fc.array(any, { maxLength: 4 }), (all) => {
      const before = JSON.stringify(all)
      expect(join(all)).toEqual(join(all))
      expect(JSON.stringify(all)).toBe(before)
    }),
    { numRuns },
  )
})

it('V7 ageing only lowers', () => {
  fc.assert(
    fc.property(fc.array(any, { maxLength: 4 }), fc.integer({ min: 0, max: 60 * hour }), (all, later) => {
      const aged = combine(all, { ...options, now: now + later })
      const whole = join(all)
      const accused = whole.facts['device.tampered']?.value === true
      notAbove(aged, whole, accused ? ['device.tampered'] : [])
    }),
    { numRuns },
  )
})
