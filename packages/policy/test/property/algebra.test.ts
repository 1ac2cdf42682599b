import type { Edge } from '@postern/policy/document'
import { type AuthenticatorFacts, acrOf, fallbackFor, merge, neutral, requirementOf, resolve } from '@postern/policy/obligations'
import fc from 'fast-check'
import { expect, it } from 'vitest'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100) * 3
const kinds = ['pin', 'biometric', 'device-key', 'webauthn', 'otp'] as const
const kind = fc.constantFrom(...kinds)
const cause = fc.constantFrom('not-enrolled', 'locked', 'unavailable', 'cancelled', 'user-choice')
const edge = fc.record({
  from: kind,
  to: fc.subarray([...kinds], { minLength: 1, maxLength: 2 }),
  on: fc.array(cause, { minLength: 1, maxLength: 3 }),
}) as fc.Arbitrary<Edge>
const edges = fc.array(edge, { maxLength: 4 })
const spec = fc.record(
  {
    acr: fc.integer({ min: 0, max: 3 }),
    maxAgeSec: fc.integer({ min: 0, max: 100 }),
    anyOf: fc.array(fc.subarray([...kinds], { maxLength: 3 }), { minLength: 1, maxLength: 3 }),
    fallback: fc.oneof(fc.constantFrom<('all' | 'none')[]>('all', 'none'), edges),
  },
  { requiredKeys: [] },
)
const requirement = fc.oneof(
  fc.constant(neutral),
  fc
    .tuple(spec, edges)
    .map(([s, e]) => requirementOf(Object.fromEntries(Object.entries(s).filter(([, v]) => v !== undefined)), e)),
)
const set = fc.option(fc.subarray([...kinds]).map((all) => new Set<string>(all)))
const have: fc.Arbitrary<AuthenticatorFacts> = fc.record({
  methods: set,
  enrolled: set,
  usable: set,
  locked: set,
  acr: fc.option(fc.integer({ min: 0, max: 3 })),
  ageSec: fc.option(fc.integer({ min: 0, max: 120 })),
})
const levels = fc.dictionary(
  fc.constantFrom('pin', 'biometric', 'webauthn', 'otp', 'device-key', 'device-key+pin', 'biometric+pin'),
  fc.integer({ min: 0, max: 3 }),
  { maxKeys: 5 },
)

it('merge is commutative, associative and idempotent, with a neutral element', () => {
  fc.assert(
    fc.property(requirement, requirement, requirement, (a, b, c) => {
      expect(merge(a, b)).toEqual(merge(b, a))
      expect(merge(a, merge(b, c))).toEqual(merge(merge(a, b), c))
      expect(merge(a, a)).toEqual(a)
      expect(merge(a, neutral)).toEqual(a)
    }),
    { numRuns },
  )
})

it('F48 neither an alternative nor a fallback ever reaches less than the demanded acr', () => {
  fc.assert(
    fc.property(requirement, have, levels, (r, h, table) => {
      const o = resolve(r, h, table)
      if (o === null || o === 'satisfied') return
      for (const alternative of o.anyOf) {
        expect(acrOf(alternative, table)).toBeGreaterThanOrEqual(r.acr)
        expect(alternative.every((k) => h.usable?.has(k))).toBe(true)
        for (const from of alternative)
          for (const on of ['not-enrolled', 'locked', 'unavailable', 'cancelled', 'user-choice'] as const)
            for (const to of fallbackFor(o, from, on, h)) {
              expect(acrOf([...alternative.filter((k) => k !== from), to], table)).toBeGreaterThanOrEqual(r.acr)
              expect(h.usable?.has(to)).toBe(true)
            }
      }
    }),
    { numRuns: numRuns * 3 },
  )
})

it('F48 a lock is walked around by no edge but one on `locked`', () => {
  fc.assert(
    fc.property(requirement, have, levels, kind, (r, h, table, from) => {
      const o = resolve(r, { ...h, locked: new Set([from]) }, table)
      if (o === null || o === 'satisfied') return
      for (const on of ['unavailable', 'cancelled', 'user-choice'] as const)
        for (const locked of [new Set([from]), null]) expect(fallbackFor(o, from, on, { ...h, locked })).toEqual([])
    }),
    { numRuns },
  )
})

it('what satisfies two demands merged satisfies each alone', () => {
  fc.assert(
    fc.property(requirement, requirement, have, levels, (a, b, h, table) => {
      if (resolve(merge(a, b), h, table) !== 'satisfied') return
      expect([resolve(a, h, table), resolve(b, h, table)]).toEqual(['satisfied', 'satisfied'])
    }),
    { numRuns: numRuns * 3 },
  )
})
