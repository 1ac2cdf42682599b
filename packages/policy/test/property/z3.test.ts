/** An SMT solver answers the questions of analysis and diff: is it empty, does it follow, is it the same. */
import { analyse, type FindingKind } from '@postern/policy/analyse'
import { compile } from '@postern/policy/compile'
import { diff } from '@postern/policy/diff'
import type { Effect, Rule } from '@postern/policy/document'
import { defineSchema, type Schema, type SchemaSpec } from '@postern/policy/schema'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rules } from '../arbitraries.js'
import { doc, small } from '../small.js'
import { and, boxFormula, not, noZ3, or, ruleFormula, satisfiable } from '../smt.js'

const numRuns = Math.ceil(Number(process.env['POSTERN_RUNS'] ?? 100) / 3)
const constraints = [
  { platform: 'ios', level: 'vendor' },
  { rooted: true, version: { lt: '1.9' } },
] as const
const schemas = [small, defineSchema({ ...small.spec, constraints } as SchemaSpec)] as unknown as readonly Schema[]
const schema = fc.constantFrom(...schemas)
const forbidden = (s: Schema) => s.spec.constraints ?? []
const of = (found: readonly Rule[], effect: Effect): Rule[] =>
  found.filter((rule) => rule.effect === effect && rule.mode === 'enforce')
const any = (found: readonly Rule[]): string => or(found.map(ruleFormula))
/** Demands need an algebra that a solver does not have: here they refuse. */
const plain = rules.map((found) =>
  found.map((rule) => {
    if (rule.effect !== 'require') return rule
    const { require: _, ...common } = rule
    return { ...common, effect: 'deny' } as Rule
  }),
)
const found = (s: Schema, some: readonly Rule[], kind: FindingKind, more = {}): string[] =>
  analyse(compile(s, doc(some, more)), { steps: 100_000 })
    .findings.filter((one) => one.kind === kind)
    .map((one) => {
      expect(one.undecided).toBe(false)
      return kind === 'invariant' ? one.at : one.rules[0]!
    })
    .sort()

describe.skipIf(noZ3 && process.env['POSTERN_REQUIRE'] !== 'all')('z3', () => {
  it('emptiness: the rules that no request can match', () => {
    fc.assert(
      fc.property(schema, rules, (s, some) => {
        const sat = satisfiable(some.map(ruleFormula), forbidden(s))
        expect(found(s, some, 'unsatisfiable')).toEqual(some.filter((_, i) => !sat[i]).map(({ id }) => id))
      }),
      { numRuns },
    )
  })

  it('implication: the rules that others always deny', () => {
    fc.assert(
      fc.property(schema, plain, (s, some) => {
        const allows = of(some, 'allow')
        const denied = any(of(some, 'deny'))
        const sat = satisfiable(
          allows.flatMap((rule) => [ruleFormula(rule), and(ruleFormula(rule), not(denied))]),
          forbidden(s),
        )
        const expected = allows.filter((_, i) => sat[2 * i] && !sat[2 * i + 1]).map(({ id }) => id)
        expect(found(s, some, 'overridden')).toEqual(expected)
      }),
      { numRuns },
    )
  })

  it('implication: the invariants that hold', () => {
    fc.assert(
      fc.property(
        schema,
        plain,
        fc.constantFrom({ rooted: true }, { app: 'x', amount: { gte: 3 } }, { platform: 'android', boot: true }, {}),
        (s, some, when) => {
          const allowed = and(any(of(some, 'allow')), not(any(of(some, 'deny'))))
          const [broken] = satisfiable([and(boxFormula(when), allowed)], forbidden(s))
          expect(found(s, some, 'invariant', { invariants: [{ never: 'allow', when }] })).toEqual(broken ? ['/invariants/0'] : [])
        },
      ),
      { numRuns },
    )
  })

  it('equivalence: the outcomes that become others', () => {
    fc.assert(
      fc.property(schema, plain, plain, (s, before, after) => {
        const sides = [before, after].map((some) => {
          const [denied, allowed] = [any(of(some, 'deny')), any(of(some, 'allow'))]
          return { deny: denied, allow: and(allowed, not(denied)), default: and(not(allowed), not(denied)) }
        })
        const verdicts = ['deny', 'default', 'allow'] as const
        const pairs = verdicts.flatMap((from) => verdicts.flatMap((to) => (from === to ? [] : [[from, to] as const])))
        const sat = satisfiable(
          pairs.map(([from, to]) => and(sides[0]![from], sides[1]![to])),
          forbidden(s),
        )
        const report = diff(compile(s, doc(before)), compile(s, doc(after)), { steps: 100_000 })
        expect(report.undecided).toEqual([])
        const seen = report.changes.map(({ from, to }) => `${from} ${to}`).sort()
        expect(seen).toEqual(
          pairs
            .filter((_, i) => sat[i])
            .map((pair) => pair.join(' '))
            .sort(),
        )
      }),
      { numRuns },
    )
  })
})
