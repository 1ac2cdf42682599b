/** Random rules over the small schema, and every value its facts can take. */
import type { Box, Condition, Rule } from '@postern/policy/document'
import fc from 'fast-check'

const sets = [[], ['a'], ['b'], ['a', 'b']]
const kinds = [[], ['pin'], ['biometric'], ['pin', 'device-key'], ['pin', 'biometric', 'device-key']]

/** Values to complete a request with; each list covers every class that the rules below can cut. */
export const domain: Readonly<Record<string, readonly unknown[]>> = {
  action: ['login', 'confirm'],
  amount: [0, 1, 2, 3, 4, 5],
  rooted: [true, false],
  version: ['1.0', '1.9', '1.10-beta', '1.10', '2.0'],
  app: ['x', 'y', 'z'],
  level: ['none', 'vendor', 'strongbox', 'enclave'],
  groups: sets,
  platform: ['ios', 'android'],
  boot: [true, false],
  'authenticator.methods': kinds,
  'authenticator.enrolled': kinds,
  'authenticator.usable': kinds,
  'authenticator.locked': [[], ['pin'], ['biometric']],
  'authenticator.acr': [0, 1, 2, 3],
  'authenticator.ageSec': [0, 60, 61],
}

const some = <T>(...values: T[]): fc.Arbitrary<T[]> => fc.subarray(values, { minLength: 1 })
const bound = fc.constantFrom('lt', 'lte', 'gt', 'gte')
const conditions: Readonly<Record<string, fc.Arbitrary<Condition>>> = {
  action: fc.constantFrom<Condition>('login', 'confirm', ['login', 'confirm']),
  amount: fc.oneof<fc.Arbitrary<Condition>[]>(
    fc.tuple(bound, fc.integer({ min: 0, max: 5 })).map(([op, n]) => ({ [op]: n }) as Condition),
    fc.integer({ min: 0, max: 5 }),
    fc.record({ not: fc.integer({ min: 0, max: 5 }) }),
    fc.constant({ ranges: [{ lt: 2 }, { gte: 4 }] }),
  ),
  rooted: fc.constantFrom<Condition>(true, false, [true, false], { not: true }),
  version: fc.oneof<fc.Arbitrary<Condition>[]>(
    fc.tuple(bound, fc.constantFrom('1.9', '1.10-beta', '1.10')).map(([op, v]) => ({ [op]: v }) as Condition),
    fc.constantFrom<Condition>('1.9', { not: ['1.10'] }),
  ),
  app: fc.oneof<fc.Arbitrary<Condition>[]>(some('x', 'y'), fc.record({ not: some('x', 'y') })),
  level: fc.oneof<fc.Arbitrary<Condition>[]>(
    fc.tuple(bound, fc.constantFrom('none', 'vendor', 'enclave')).map(([op, v]) => ({ [op]: v }) as Condition),
    some('none', 'vendor', 'strongbox'),
  ),
  groups: fc.oneof<fc.Arbitrary<Condition>[]>(
    fc.record({ has: fc.constantFrom('a', 'b') }),
    fc.record({ hasAny: some('a', 'b') }),
    fc.record({ hasAll: some('a', 'b') }),
    fc.record({ hasNone: some('a', 'b') }),
  ),
  platform: fc.constantFrom<Condition>('ios', 'android', { not: 'ios' }),
  boot: fc.constantFrom<Condition>(true, false, [true, false], { not: true }),
  'authenticator.acr': fc.constantFrom<Condition>({ gte: 1 }, { gte: 2 }),
  'authenticator.methods': fc.constantFrom<Condition>({ has: 'pin' }, { hasNone: ['biometric'] }),
}
export const box: fc.Arbitrary<Box> = fc
  .subarray(Object.keys(conditions), { maxLength: 3 })
  .chain((names) =>
    fc.record(Object.fromEntries(names.map((name) => [name, conditions[name]!])) as Record<string, fc.Arbitrary<Condition>>),
  )

const reason = fc.constantFrom('app.outdated', 'user.blocked', 'policy.denied')
const rule = (id: string): fc.Arbitrary<Rule> =>
  fc
    .record({
      effect: fc.constantFrom('allow', 'allow', 'deny', 'require'),
      mode: fc.constantFrom('enforce', 'enforce', 'enforce', 'shadow', 'off'),
      when: box,
      any: fc.option(fc.array(box, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 4 }),
      reason,
      acr: fc.integer({ min: 0, max: 2 }),
      maxAgeSec: fc.constantFrom(undefined, 60),
      anyOf: fc.constantFrom(undefined, [['pin']], [['biometric']], [['biometric', 'device-key'], ['pin']]),
      fallback: fc.constantFrom<('none' | 'all')[]>('none', 'all'),
    })
    .map(({ effect, mode, when, any, reason, acr, maxAgeSec, anyOf, fallback }) => {
      const common = { id, mode, when, ...(any ? { anyOf: any } : {}) }
      if (effect === 'allow') return { ...common, effect } as Rule
      if (effect === 'deny') return { ...common, effect, reason } as Rule
      const require = {
        acr,
        fallback,
        ...(maxAgeSec === undefined ? {} : { maxAgeSec }),
        ...(anyOf === undefined ? {} : { anyOf }),
      }
      return { ...common, effect, reason, require } as Rule
    })

export const rules: fc.Arbitrary<Rule[]> = fc
  .integer({ min: 0, max: 7 })
  .chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => rule(`r${i}`))))

/** A request: any subset of the facts, the mandatory one always. */
export const request: fc.Arbitrary<Record<string, unknown>> = fc
  .record(Object.fromEntries(Object.entries(domain).map(([name, values]) => [name, fc.constantFrom(...values)])), {
    requiredKeys: ['action'],
  })
  .map((found) => ({ ...found }))
export const complete: fc.Arbitrary<Record<string, unknown>> = fc.record(
  Object.fromEntries(Object.entries(domain).map(([name, values]) => [name, fc.constantFrom(...values)])),
)
