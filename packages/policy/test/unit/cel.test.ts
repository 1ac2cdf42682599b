/** An independent engine on hand-written text of the same rules: the matched set must agree. */
import { evaluate } from '@marcbachmann/cel-js'
import { compile } from '@postern/policy/compile'
import { explain } from '@postern/policy/explain'
import type { FactInput } from '@postern/policy/schema'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { allow, deny, doc, small } from '../small.js'

const pairs = [
  { rule: allow('a', { app: ['x', 'y'], amount: { gte: 2, lt: 4 } }), cel: 'app in ["x", "y"] && amount >= 2 && amount < 4' },
  { rule: deny('b', { rooted: true, platform: { not: 'ios' } }), cel: 'rooted && platform != "ios"' },
  {
    rule: deny('c', { groups: { hasAny: ['a', 'b'] }, amount: { ranges: [{ lt: 1 }, { gt: 4 }] } }),
    cel: '("a" in groups || "b" in groups) && (amount < 1 || amount > 4)',
  },
  {
    rule: allow('d', { groups: { hasAll: ['a', 'b'] }, app: { not: ['z'] } }),
    cel: '"a" in groups && "b" in groups && app != "z"',
  },
  { rule: deny('e', { groups: { hasNone: ['b'] }, amount: { not: [1, 2] } }), cel: '!("b" in groups) && !(amount in [1, 2])' },
]

it('CEL, on the same rules written by hand, matches the same ones', () => {
  const p = compile(small, doc(pairs.map(({ rule }) => rule)))
  const facts = fc.record({
    action: fc.constant('confirm'),
    app: fc.constantFrom('x', 'y', 'z'),
    amount: fc.integer({ min: 0, max: 5 }),
    rooted: fc.boolean(),
    platform: fc.constantFrom('ios', 'android'),
    groups: fc.subarray(['a', 'b']),
  })
  fc.assert(
    fc.property(facts, (f) => {
      const matched = explain(p, f as unknown as FactInput<(typeof small)['spec']>, { audience: 'operator' }).rules.filter(
        ({ result }) => result === 'matched',
      )
      const said = pairs
        .filter(({ cel }) => evaluate(cel, { ...f, amount: BigInt(f.amount) }) === true)
        .map(({ rule }) => rule.id)
      expect(matched.map(({ id }) => id).sort()).toEqual(said)
    }),
    { numRuns: Number(process.env['POSTERN_RUNS'] ?? 100) },
  )
})
