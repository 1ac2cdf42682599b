import { compile } from '@postern/policy/compile'
import { explain } from '@postern/policy/explain'
import type { FactInput } from '@postern/policy/schema'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { complete, request, rules } from '../arbitraries.js'
import { matches, ruleMatches } from '../oracle.js'
import { doc, small } from '../small.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const of = (f: object): FactInput<(typeof small)['spec']> => f as unknown as FactInput<(typeof small)['spec']>

it('every rule is explained: matched where it matches, else with exactly the conditions that do not hold, what was seen and what was written', () => {
  fc.assert(
    fc.property(rules, complete, (found, f) => {
      const { rules: reports } = explain(compile(small, doc(found)), of(f), { audience: 'operator' })
      expect(reports.map(({ id }) => id).sort()).toEqual(
        found
          .filter(({ mode }) => mode !== 'off')
          .map(({ id }) => id)
          .sort(),
      )
      for (const { id, effect, mode, result, failed, unknown } of reports) {
        const rule = found.find((one) => one.id === id)!
        expect([effect, mode, unknown]).toEqual([rule.effect, rule.mode, []])
        expect(result).toBe(ruleMatches(rule, f) ? 'matched' : 'failed')
        expect(failed.length === 0).toBe(result === 'matched')
        if (rule.anyOf) continue
        const unmet = Object.entries(rule.when ?? {}).filter(([fact, c]) => !matches({ [fact]: c }, f))
        expect(failed.map(({ fact }) => fact)).toEqual(unmet.map(([fact]) => fact).sort())
        for (const { fact, seen, needed } of failed) {
          expect(needed).toEqual(rule.when![fact])
          if (fact !== 'version')
            expect(seen).toEqual(
              (fact === 'amount' && f['action'] === 'login') || (fact === 'boot' && f['platform'] === 'ios') ? null : f[fact],
            )
        }
      }
    }),
    { numRuns: numRuns * 3 },
  )
})

it('what is said to match or to fail does so whatever the missing facts are', () => {
  fc.assert(
    fc.property(rules, request, fc.array(complete, { minLength: 8, maxLength: 8 }), (found, partial, others) => {
      const { rules: reports } = explain(compile(small, doc(found)), of(partial), { audience: 'operator' })
      for (const { id, result, unknown, failed } of reports) {
        const rule = found.find((one) => one.id === id)!
        if (result === 'unknown') expect(unknown.length > 0 && failed.length === 0).toBe(true)
        else for (const other of others) expect(ruleMatches(rule, { ...other, ...partial })).toBe(result === 'matched')
      }
    }),
    { numRuns: numRuns * 3 },
  )
})
