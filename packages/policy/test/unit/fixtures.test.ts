import { compile } from '@postern/policy/compile'
import type { Fixture } from '@postern/policy/document'
import { runFixtures } from '@postern/policy/fixtures'
import { expect, it } from 'vitest'
import { allow, deny, doc, small } from '../small.js'

const run = (fixtures: readonly Fixture[], ...rules: Parameters<typeof doc>[0]) =>
  runFixtures(compile(small, doc(rules, { fixtures })))
const expectAllow = { outcome: 'allow' } as const

it('an example is right when outcome, and cause and reason where it names them, are', () => {
  const rules = [allow('all'), deny('rooted', { rooted: true })]
  const facts = { action: 'login', rooted: true }
  const { ok, results } = run(
    [
      { name: 'a', facts: { action: 'login', rooted: false }, expect: expectAllow },
      { name: 'b', facts, expect: { outcome: 'deny', cause: 'rule', reason: 'policy.denied' } },
      { name: 'c', facts: { action: 'login' }, expect: { outcome: 'deny', cause: 'unknown-fact' } },
    ],
    ...rules,
  )
  expect([ok, results]).toEqual([
    true,
    [
      { name: 'a', ok: true, got: 'allow', cause: 'rule', reason: null },
      { name: 'b', ok: true, got: 'deny', cause: 'rule', reason: 'policy.denied' },
      { name: 'c', ok: true, got: 'deny', cause: 'unknown-fact', reason: 'policy.denied' },
    ],
  ])
  for (const wrong of [
    expectAllow,
    { outcome: 'deny', cause: 'unknown-fact' },
    { outcome: 'deny', reason: 'os.outdated' },
  ] as const) {
    const report = run([{ name: 'x', facts, expect: wrong }], ...rules)
    expect([report.ok, report.results[0]!.ok]).toEqual([false, false])
  }
})

it('an example that cannot be asked has failed, and no other with it', () => {
  const { ok, results } = run(
    [
      { name: 'unknown fact', facts: { action: 'login', nosuch: 1 }, expect: { outcome: 'deny' } },
      { name: 'no action', facts: {}, expect: { outcome: 'deny' } },
      { name: 'fine', facts: { action: 'login' }, expect: expectAllow },
    ],
    allow('all'),
  )
  expect([ok, results.map((result) => [result.ok, result.got])]).toEqual([
    false,
    [
      [false, null],
      [false, null],
      [true, 'allow'],
    ],
  ])
})

it('rules that no example matches are named, those switched off are not', () => {
  const { unmatched } = run(
    [{ name: 'a', facts: { action: 'login', rooted: true }, expect: { outcome: 'deny' } }],
    allow('all'),
    deny('rooted', { rooted: true }),
    deny('never', { app: 'x' }),
    { ...deny('watched', { app: 'x' }), mode: 'shadow' },
    { ...deny('off', { app: 'x' }), mode: 'off' },
  )
  expect(unmatched).toEqual(['never', 'watched'])
})

it('a boundary is tested on both sides, right below and right at it', () => {
  const at = (...amounts: number[]) =>
    run(
      amounts.map((amount) => ({ name: String(amount), facts: { action: 'confirm', amount }, expect: { outcome: 'deny' } })),
      deny('big', { amount: { gt: 2 } }),
      deny('bigger', { amount: { gte: 5 } }),
      deny('old', { version: { lt: '1.10' } }),
    ).boundaries.filter(({ fact }) => fact === 'amount')
  const sides = (...amounts: number[]) => at(...amounts).map(({ at: value, below, above }) => [value, below, above])
  expect(sides()).toEqual([
    [3, false, false],
    [5, false, false],
  ])
  expect(sides(2, 3)).toEqual([
    [3, true, true],
    [5, true, false],
  ])
  expect(sides(0, 5)).toEqual([
    [3, true, false],
    [5, false, true],
  ])
  expect(sides(1, 4, 5)).toEqual([
    [3, true, true],
    [5, true, true],
  ])
  const { boundaries } = run(
    [{ name: 'v', facts: { action: 'login', version: '1.9', amount: 4 }, expect: expectAllow }],
    deny('old', { version: { lt: '1.10' } }),
    deny('big', { amount: { gt: 2 } }),
  )
  // At login there is no amount: what was sent all the same stands nowhere.
  expect(boundaries).toEqual([
    { fact: 'amount', at: 3, below: false, above: false },
    { fact: 'version', at: '1.10', below: true, above: false },
  ])
})
