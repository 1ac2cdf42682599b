/** Decisions over the wide schema beside their definition: complete requests exactly, partial ones by all that they could become. */
import { capAcr, compile } from '@postern/policy/compile'
import { decide } from '@postern/policy/evaluate'
import { encode } from '@postern/policy/facts'
import { residual } from '@postern/policy/residual'
import type { FactInput, SchemaSpec } from '@postern/policy/schema'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { documents, type Facts, outcome, part, refuses, whole, wide } from '../wide.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const of = (f: Facts): FactInput<SchemaSpec> => f as FactInput<SchemaSpec>
const several = <T>(one: fc.Arbitrary<T>, n: number): fc.Arbitrary<T[]> => fc.array(one, { minLength: n, maxLength: n })

it('decide is what the definition says, under every ceiling', () => {
  fc.assert(
    fc.property(documents, several(whole, 10), fc.integer({ min: 0, max: 3 }), (document, requests, most) => {
      const p = compile(wide, document)
      const levels = Object.fromEntries(Object.entries(document.acr.levels).map(([key, n]) => [key, Math.min(n, most)]))
      for (const f of requests)
        expect([decide(p, of(f)).outcome, decide(capAcr(p, most), of(f)).outcome]).toEqual([
          outcome(document, f),
          outcome({ ...document, acr: { levels } }, f),
        ])
    }),
    { numRuns: numRuns * 3 },
  )
})

it('a partial request is allowed only if all that it could become is, and denied if any of that is refused by a rule', () => {
  fc.assert(
    fc.property(documents, several(part, 4), several(whole, 12), (document, requests, others) => {
      const p = compile(wide, document)
      for (const f of requests) {
        const facts = encode(wide, of(f))
        const { outcome: said } = decide(p, facts)
        const usable = Object.fromEntries(Object.entries(f).filter(([name]) => !facts.invalid.includes(name)))
        for (const other of others) {
          const full = { ...other, ...usable }
          if (said === 'allow') expect(outcome(document, full)).toBe('allow')
          if (refuses(document, full)) expect(said).toBe('deny')
        }
      }
    }),
    { numRuns: numRuns * 3 },
  )
})

it('what is remembered, and what is left once some facts are known, decides the same', () => {
  fc.assert(
    fc.property(documents, several(part, 6), fc.func(fc.boolean()), (document, requests, isKnown) => {
      const p = compile(wide, document)
      for (const f of requests) {
        const made = decide(compile(wide, document), of(f))
        expect([decide(p, of(f)), decide(p, of(f))]).toEqual([made, made])
        const { action } = f
        const known = Object.entries(f).filter(([name, value]) => !Number.isNaN(value) && isKnown(name))
        const rest = Object.fromEntries(Object.entries(f).filter(([name]) => !known.some(([other]) => other === name)))
        const left = residual(p, of({ ...Object.fromEntries(known), action }))
        expect(decide(left, of({ ...rest, action }))).toEqual(made)
      }
    }),
    { numRuns },
  )
})
