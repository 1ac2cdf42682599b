/** What searches over ways of falling due find, and that they end. */
import { analyse } from '@postern/policy/analyse'
import { type Compiled, compile } from '@postern/policy/compile'
import { diff } from '@postern/policy/diff'
import type { Rule } from '@postern/policy/document'
import { mobileSchema } from '@postern/policy/mobile'
import { expect, it } from 'vitest'
import { newAlgebra } from '../../src/internal/algebra.js'
import { sessionsOf } from '../../src/internal/possibleSessions.js'
import { canAllow } from '../../src/internal/reach.js'
import { sidesOf } from '../../src/internal/sides.js'
import { allow, deny, doc } from '../small.js'
import { tiny, tinyDoc } from '../tiny.js'

/** Every set of these can be due, and no two sets demand the same. */
const independent = (n: number): Rule[] =>
  Array.from({ length: n }, (_, i) => ({
    id: `up${i}`,
    mode: 'enforce',
    effect: 'require',
    reason: 'step_up',
    when: { 'user.groups': { has: `g${i}` } },
    require: { anyOf: [[`custom:k${i}`]] },
  }))
const load = (rules: readonly Rule[]): Compiled =>
  compile(mobileSchema, doc(rules, { acr: { levels: {} }, fallback: [] })) as unknown as Compiled

it('each way of falling due costs a step, so that twelve demands of their own end an analysis and a difference with undecided', () => {
  const shut = load([...independent(12), deny('no', { 'device.new': [true, false] }), allow('use')])
  const { space, sides, kinds } = sidesOf([shut], [])
  const sessions = sessionsOf(space, kinds, [shut.levels], 'ideal', 100)
  let ways = 0
  const counted = (): boolean => ++ways < 0
  expect(canAllow(space, newAlgebra(), sides[0]!, sessions as never, space.full, [], { left: 100 }, counted)).toBe('undecided')
  expect(ways).toBeLessThanOrEqual(100)

  const [before, after] = [
    load([...independent(12), allow('use')]),
    load([...independent(12), allow('use', { 'device.new': true })]),
  ]
  const { changes, undecided } = diff(before, after, { steps: 1000 })
  expect(changes.length).toBeLessThan(1000)
  expect(undecided).toContainEqual({ from: 'require', to: 'default' })
  expect(undecided).toContainEqual({ from: 'require', to: 'require' })
  expect(undecided).not.toContainEqual({ from: 'allow', to: 'allow' })
  expect(diff(before, before, { steps: 1000 })).toEqual({ changes: [], undecided: [] })
  expect(analyse(shut, { steps: 100 }).findings).toContainEqual(expect.objectContaining({ kind: 'lock-out', undecided: true }))
})

it('few steps decide few demands', () => {
  const { changes, undecided } = diff(load([...independent(3), allow('use')]), load(independent(3)), { steps: 1000 })
  expect([changes.length, undecided]).toEqual([8, []])
})

it('a grant to a session that is gone takes the step-up with it, although it never granted a session without', () => {
  const up: Rule = {
    id: 'up',
    mode: 'enforce',
    effect: 'require',
    reason: 'step_up',
    when: { 'authenticator.acr': { lt: 2 } },
    require: { acr: 2 },
  }
  const use = allow('use', { 'authenticator.acr': { gte: 2 } })
  const [before, after] = [[up, use], [up]].map((rules) => compile(tiny, tinyDoc(rules)) as unknown as Compiled)
  expect(diff(before!, after!, { steps: 1000 }).changes.map(({ from, to }) => [from, to])).toEqual([
    ['require', 'default'],
    ['allow', 'default'],
  ])
})
