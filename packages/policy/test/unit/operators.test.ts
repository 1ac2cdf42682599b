import { compile } from '@postern/policy/compile'
import type { Condition } from '@postern/policy/document'
import { decide } from '@postern/policy/evaluate'
import type { FactInput } from '@postern/policy/schema'
import { describe, expect, it } from 'vitest'
import { allow, deny, doc, small } from '../small.js'

type Input = FactInput<(typeof small)['spec']>
const admits = (fact: string, condition: Condition, value: unknown): boolean =>
  decide(compile(small, doc([allow('a', { [fact]: condition })])), {
    action: 'confirm',
    platform: 'android',
    [fact]: value,
  } as unknown as Input).outcome === 'allow'

describe('every operator at each side of each cut', () => {
  it.each<[string, Condition, unknown[], unknown[]]>([
    ['amount', 3, [3], [2, 4]],
    ['amount', [1, 3], [1, 3], [0, 2, 4]],
    ['amount', { in: [3] }, [3], [2, 4]],
    ['amount', { not: 3 }, [2, 4], [3]],
    ['amount', { not: [1, 3] }, [0, 2, 4], [1, 3]],
    ['amount', { lt: 3 }, [2], [3]],
    ['amount', { lte: 3 }, [3], [4]],
    ['amount', { gt: 3 }, [4], [3]],
    ['amount', { gte: 3 }, [3], [2]],
    ['amount', { gt: 1, lte: 3 }, [2, 3], [1, 4]],
    ['amount', { ranges: [{ lt: 1 }, { gte: 2, lt: 3 }] }, [0, 2], [1, 3]],
    ['amount', { lt: 0 }, [], [0, 5]],
    ['amount', { lte: 5 }, [0, 5], []],
    ['version', { lt: '16.4' }, ['16.3.9.9', '16.4-rc.1', '5'], ['16.4', '16.4.0.1']],
    ['version', { gte: '5.10' }, ['5.10', '5.10.0', '6'], ['5.9', '5.10-beta']],
    ['version', { gt: '5.10' }, ['5.10.0.1', '5.11-a'], ['5.10', '5.10.0.0']],
    ['version', { lte: '5.10' }, ['5.10', '5.10-z'], ['5.10.0.1-0']],
    ['version', '16', ['16', '16.0.0.0'], ['16.0.1', '16-a']],
    ['app', 'x', ['x'], ['y', '<other>', '']],
    ['app', { not: ['x'] }, ['y', ''], ['x']],
    ['level', { gte: 'vendor' }, ['vendor', 'enclave', 'strongbox'], ['none']],
    ['level', { lt: 'enclave' }, ['none', 'vendor'], ['strongbox', 'enclave']],
    ['level', 'enclave', ['strongbox', 'enclave'], ['vendor']],
    ['rooted', false, [false], [true]],
    ['rooted', { not: true }, [false], [true]],
    ['platform', ['android'], ['android'], ['ios']],
    ['groups', { has: 'a' }, [['a'], ['a', 'b']], [[], ['b']]],
    ['groups', { hasAny: ['a', 'b'] }, [['a'], ['b']], [[]]],
    ['groups', { hasAll: ['a', 'b'] }, [['b', 'a']], [['a'], []]],
    ['groups', { hasNone: ['a'] }, [[], ['b']], [['a']]],
    ['groups', { has: 'a', hasNone: ['b'] }, [['a']], [['a', 'b'], []]],
  ])('%s %j', (fact, condition, inside, outside) => {
    for (const value of inside) expect([value, admits(fact, condition, value)]).toEqual([value, true])
    for (const value of outside) expect([value, admits(fact, condition, value)]).toEqual([value, false])
  })
})

it.each([
  ['amount', Number.NaN],
  ['amount', Number.POSITIVE_INFINITY],
  ['amount', 2.5],
  ['amount', 6],
  ['amount', '3'],
  ['version', 'v1.0'],
  ['version', '1.2.3.4.5'],
  ['version', '67108864'],
  ['version', 'Tiramisu'],
  ['version', '01.2'],
  ['platform', 'symbian'],
  ['rooted', 'false'],
  ['groups', ['c']],
  ['groups', 'a'],
  ['app', 7],
])('%s = %s is invalid: treated as missing, and listed', (fact, value) => {
  const d = decide(
    compile(
      small,
      doc([
        allow('a'),
        deny('d', {
          [fact]:
            fact === 'groups'
              ? { has: 'a' }
              : fact === 'version'
                ? { lt: '1' }
                : fact === 'amount'
                  ? 0
                  : fact === 'app'
                    ? 'x'
                    : fact === 'rooted'
                      ? true
                      : 'ios',
        }),
      ]),
    ),
    {
      action: 'confirm',
      [fact]: value,
    } as unknown as Input,
  )
  expect([d.outcome, d.cause, d.unknown]).toEqual(['deny', 'unknown-fact', [{ fact, why: 'invalid' }]])
})

it('A22 a missing signal counts as the worst one', () => {
  const p = compile(small, doc([allow('use'), deny('root', { rooted: true }, { message: 'gone', messageUnknown: 'report' })]))
  expect(decide(p, { action: 'login', rooted: false }).outcome).toBe('allow')
  expect(decide(p, { action: 'login', rooted: true })).toMatchObject({ outcome: 'deny', cause: 'rule', message: 'gone' })
  expect(decide(p, { action: 'login' })).toMatchObject({
    outcome: 'deny',
    cause: 'unknown-fact',
    message: 'report',
    unknown: [{ fact: 'rooted', why: 'absent' }],
  })
})

it('A10 user verification that is absent where a rule wants it is refused like a false one', async () => {
  const { mobileSchema } = await import('@postern/policy/mobile')
  const p = compile(mobileSchema, doc([allow('use'), deny('uv', { action: 'confirm', 'authenticator.userVerified': false })]))
  expect(decide(p, { action: 'confirm', 'authenticator.userVerified': true }).outcome).toBe('allow')
  for (const facts of [{ 'authenticator.userVerified': false }, {}])
    expect(decide(p, { action: 'confirm', ...facts }).outcome).toBe('deny')
})

it('outside its scope a fact matches nothing, not even a negation; where the scope is unknown it is missing', () => {
  const p = compile(small, doc([allow('use'), deny('d', { boot: { not: true } })]))
  expect(decide(p, { action: 'login', platform: 'ios', boot: false }).outcome).toBe('allow')
  expect(decide(p, { action: 'login', platform: 'android', boot: false }).outcome).toBe('deny')
  expect(decide(p, { action: 'login', platform: 'android' }).cause).toBe('unknown-fact')
  expect(decide(p, { action: 'login', boot: false }).cause).toBe('unknown-fact')
})

it('where the scope is unknown, even a condition that takes every value does not certainly hold', () => {
  const p = compile(small, doc([allow('any', { boot: [true, false] })]))
  expect(decide(p, { action: 'login', platform: 'android' }).outcome).toBe('allow')
  expect(decide(p, { action: 'login', platform: 'ios' }).outcome).toBe('deny')
  for (const facts of [{}, { boot: true }]) expect(decide(p, { action: 'login', ...facts }).outcome).toBe('deny')
})

it('a bound that every value meets holds even for a missing fact', () => {
  const p = compile(small, doc([allow('any', { amount: { gte: 0, lte: 5 }, version: { gte: '0-0' } })]))
  expect(decide(p, { action: 'confirm' }).outcome).toBe('allow')
})

it('the reason shown is the first of the enum, then of the ids, however the document is written', () => {
  const rules = [
    deny('b', {}, { reason: 'user.blocked' }),
    deny('a', {}, { reason: 'user.blocked' }),
    deny('z', {}, { reason: 'app.outdated' }),
  ]
  expect(decide(compile(small, doc(rules)), { action: 'login' })).toMatchObject({
    reason: 'app.outdated',
    matched: ['z', 'a', 'b'],
  })
})

it('an empty policy denies by default', () => {
  expect(decide(compile(small, doc([])), { action: 'login' })).toMatchObject({
    outcome: 'deny',
    cause: 'default',
    reason: 'policy.denied',
  })
})
