/**
 * A schema with what the small one lacks: facts computed from others, scopes of several boxes, integers without bounds, sets that are half closed.
 * And the outcome of a complete request by the definition, in few words: every set of authenticators is tried.
 */
import type { Box, Condition, Edge, PolicyDocument, Rule } from '@postern/policy/document'
import { defineSchema, type Schema } from '@postern/policy/schema'
import fc from 'fast-check'
import semver from 'semver'
import { doc } from './small.js'

const kinds = ['pin', 'face', 'key', 'custom:x'] as const
const members = ['pin', 'face', 'key', 'custom:*'] as const
const payment = [{ action: 'confirm' }, { action: 'call', tx: true }] as const
const spec = {
  id: 'wide',
  facts: {
    action: { type: 'enum', values: ['login', 'confirm', 'call'], mandatory: true },
    tx: { type: 'bool' },
    amount: { type: 'int', scope: payment },
    payee: { type: 'open', scope: payment },
    'host.large': {
      type: 'bool',
      scope: payment,
      derive: { revision: 1, from: ['amount'], compute: (f: Facts) => (f['amount'] as number) > 0 },
    },
    level: { type: 'ordered', ranks: ['low', ['mid', 'middle'], 'high'] },
    version: { type: 'version', prerelease: true },
    app: { type: 'open' },
    tags: { type: 'set' },
    groups: { type: 'set', members: ['a', 'b*'], scope: [{ app: { not: 'x' } }] },
    'authenticator.methods': { type: 'set', members },
    'authenticator.enrolled': { type: 'set', members },
    'authenticator.usable': { type: 'set', members },
    'authenticator.locked': { type: 'set', members },
    'authenticator.acr': { type: 'int' },
    'authenticator.ageSec': { type: 'int' },
  },
} as const
export const wide: Schema = defineSchema(spec) as unknown as Schema
export type Facts = Readonly<Record<string, unknown>>

const versions = ['1.0.0-a', '1.0.0-a.1', '1.0.0', '2.9.0', '2.10.0']
const some = <T>(all: readonly T[]): fc.Arbitrary<readonly T[]> => fc.subarray([...all])
const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  action: fc.constantFrom('login', 'confirm', 'call'),
  tx: fc.boolean(),
  amount: fc.integer({ min: -2, max: 2 }),
  payee: fc.constantFrom('p', 'q', 'toString', 'z'),
  level: fc.constantFrom('low', 'mid', 'middle', 'high'),
  version: fc.constantFrom(...versions),
  app: fc.constantFrom('x', 'y', 'w'),
  tags: some(['t', 'u', 'constructor']),
  groups: some(['a', 'b1', 'b2']),
  'authenticator.methods': some(kinds),
  'authenticator.enrolled': some(kinds),
  'authenticator.usable': some(kinds),
  'authenticator.locked': fc.oneof(fc.constant([]), some(kinds)),
  'authenticator.acr': fc.constantFrom(-1, 0, 1, 2, 3, 1023, 5000),
  'authenticator.ageSec': fc.constantFrom(-1, 0, 60, 61),
}
export const whole: fc.Arbitrary<Facts> = fc.record(values).map((found) => ({ ...found }))
/** Some facts left out, some unusable. */
export const part: fc.Arbitrary<Facts> = fc
  .tuple(whole, fc.subarray(Object.keys(values)), fc.subarray(Object.keys(values), { maxLength: 1 }))
  .map(([found, dropped, broken]) => {
    const kept = Object.entries(found).filter(([name]) => name === 'action' || !dropped.includes(name))
    return Object.fromEntries(kept.map(([name, v]) => [name, name !== 'action' && broken.includes(name) ? Number.NaN : v]))
  })

const bound = fc.constantFrom('lt', 'lte', 'gt', 'gte')
const bounded = (points: readonly (string | number)[]): fc.Arbitrary<Condition> =>
  fc.tuple(bound, fc.constantFrom(...points)).map(([op, at]) => ({ [op]: at }) as Condition)
const conditions: Readonly<Record<string, fc.Arbitrary<Condition>>> = {
  action: fc.constantFrom<Condition>('confirm', 'call', ['login', 'call'], { not: 'login' }),
  tx: fc.boolean(),
  amount: fc.oneof<fc.Arbitrary<Condition>[]>(
    bounded([-2, -1, 0, 1, 2]),
    fc.constantFrom<Condition>({ not: [0, 1] }, { ranges: [{ lt: -1 }, { gt: 0, lte: 1 }] }, { in: [] }),
  ),
  payee: fc.constantFrom<Condition>('p', { not: ['p', 'toString'] }, { not: [] }, ['q', 'toString']),
  'host.large': fc.boolean(),
  level: fc.oneof(bounded(['low', 'mid', 'middle', 'high']), fc.constantFrom<Condition>('middle', { not: 'mid' })),
  version: fc.oneof(bounded(versions), fc.constantFrom<Condition>({ not: versions.slice(1, 3) }, versions[2]!)),
  app: fc.constantFrom<Condition>('x', { not: 'x' }, ['x', 'y']),
  tags: fc.constantFrom<Condition>({ has: 't' }, { hasAny: ['t', 'u'] }, { hasAll: ['t', 'constructor'] }, { hasNone: ['u'] }),
  groups: fc.constantFrom<Condition>({ has: 'a' }, { hasAny: ['a', 'b1'] }, { hasNone: ['b1', 'a'] }),
  'authenticator.locked': fc.constantFrom<Condition>({ has: 'pin' }, { hasNone: ['pin'] }),
  'authenticator.acr': fc.constantFrom<Condition>({ gte: 1 }, { lt: 2 }),
}
const box: fc.Arbitrary<Box> = fc
  .subarray(Object.keys(conditions), { maxLength: 3 })
  .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, conditions[name]!]))) as fc.Arbitrary<Box>)
const causes = ['not-enrolled', 'locked', 'unavailable'] as const
const edges = fc.array(
  fc
    .record({ from: fc.constantFrom(...kinds), to: some(kinds), on: some(causes) })
    .map(({ from, to, on }): Edge => ({ from, to: to.filter((kind) => kind !== from), on })),
  { maxLength: 2 },
)
const demand = fc.record(
  {
    acr: fc.integer({ min: 0, max: 3 }),
    maxAgeSec: fc.constantFrom(0, 60),
    anyOf: fc.array(some(kinds), { minLength: 1, maxLength: 2 }),
    fallback: fc.oneof(fc.constantFrom<('none' | 'all')[]>('none', 'all'), edges),
  },
  { requiredKeys: [] },
)
const rule = (id: string): fc.Arbitrary<Rule> =>
  fc
    .record({
      mode: fc.constantFrom('enforce', 'enforce', 'shadow'),
      effect: fc.constantFrom('allow', 'allow', 'deny', 'require'),
      when: box,
      anyOf: fc.option(fc.array(box, { minLength: 1, maxLength: 2 }), { freq: 4 }),
      require: demand,
    })
    .map(({ mode, effect, when, anyOf, require }) => {
      const common = { id, mode, effect, when, ...(anyOf ? { anyOf } : {}) }
      if (effect === 'allow') return common as Rule
      return { ...common, reason: 'policy.denied', ...(effect === 'require' ? { require: { ...require } } : {}) } as Rule
    })
export const documents: fc.Arbitrary<PolicyDocument> = fc
  .record({
    rules: fc.integer({ min: 0, max: 7 }).chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => rule(`r${i}`)))),
    levels: fc.dictionary(fc.constantFrom(...kinds, 'key+pin', 'custom:x+face'), fc.integer({ min: 0, max: 3 })),
    fallback: edges,
  })
  .map(({ rules, levels, fallback }) => doc(rules, { acr: { levels: { ...levels } }, fallback }))

const ranks: Readonly<Record<string, number>> = { low: 0, mid: 1, middle: 1, high: 2 }
function compare(fact: string, a: unknown, b: unknown): number {
  if (fact === 'version') return semver.compare(a as string, b as string)
  if (fact === 'level') return ranks[a as string]! - ranks[b as string]!
  return typeof a === 'number' ? a - (b as number) : a === b ? 0 : 1
}
function holds(fact: string, c: Condition, seen: unknown): boolean {
  if (typeof c !== 'object') return compare(fact, seen, c) === 0
  if (Array.isArray(c)) return c.some((one) => holds(fact, one, seen))
  const has = (m: unknown): boolean => (seen as readonly unknown[]).includes(m)
  return Object.entries(c as Readonly<Record<string, unknown>>).every(([op, v]) => {
    const list = (Array.isArray(v) ? v : [v]) as readonly Condition[]
    const is = {
      in: () => list.some((one) => holds(fact, one, seen)),
      ranges: () => list.some((one) => holds(fact, one, seen)),
      not: () => !list.some((one) => holds(fact, one, seen)),
      lt: () => compare(fact, seen, v) < 0,
      lte: () => compare(fact, seen, v) <= 0,
      gt: () => compare(fact, seen, v) > 0,
      gte: () => compare(fact, seen, v) >= 0,
      has: () => has(v),
      hasAny: () => list.some(has),
      hasAll: () => list.every(has),
      hasNone: () => !list.some(has),
    }[op]!
    return is()
  })
}

/** A complete request as rules see it: without what does not apply, with what is computed. */
function seenBy({ amount, payee, groups, ...f }: Facts): Facts {
  const pays = f['action'] === 'confirm' || (f['action'] === 'call' && f['tx'] === true)
  return {
    ...f,
    ...(pays ? { amount, payee, 'host.large': (amount as number) > 0 } : {}),
    ...(f['app'] === 'x' ? {} : { groups }),
  }
}
const inBox = (b: Box, f: Facts): boolean => Object.entries(b).every(([fact, c]) => fact in f && holds(fact, c, f[fact]))
const inRule = ({ when = {}, anyOf = [{}] }: Pick<Rule, 'when' | 'anyOf'>, f: Facts): boolean =>
  inBox(when, f) && anyOf.some((one) => inBox(one, f))
export const refuses = ({ rules }: PolicyDocument, f: Facts): boolean =>
  rules.some((one) => one.effect === 'deny' && one.mode === 'enforce' && inRule(one, seenBy(f)))

const subsets = kinds.reduce<string[][]>((out, kind) => out.concat(out.map((set) => [...set, kind])), [[]])
const freely = (b: Box): Box => Object.fromEntries(Object.entries(b).filter(([fact]) => fact !== 'authenticator.acr'))

export function outcome({ rules, fallback, acr: { levels } }: PolicyDocument, request: Facts): 'allow' | 'require' | 'deny' {
  const f = seenBy(request)
  const enforced = rules.filter(({ mode }) => mode === 'enforce')
  const hit = enforced.filter((one) => inRule(one, f))
  if (hit.some(({ effect }) => effect === 'deny')) return 'deny'
  const due = hit.flatMap((one) => (one.effect === 'require' ? [one.require] : []))
  const acr = Math.max(0, ...due.map((r) => r.acr ?? 0))
  const reach = (set: readonly string[]): number =>
    Math.max(0, ...Object.entries(levels).map(([key, n]) => (key.split('+').every((k) => set.includes(k)) ? n : 0)))
  const meets = (set: readonly string[]): boolean =>
    reach(set) >= acr && due.every(({ anyOf = [[]] }) => anyOf.some((all) => all.every((k) => set.includes(k))))
  const least = subsets.filter((set) => meets(set) && !set.some((k) => meets(set.filter((other) => other !== k))))
  const [methods, enrolled, usable, locked] = ['methods', 'enrolled', 'usable', 'locked'].map(
    (name) => f[`authenticator.${name}`] as readonly string[],
  )
  const stands = (from: string, to: string): boolean =>
    causes.some((cause) => {
      const permitted = due.every((r) =>
        (r.fallback === 'none' ? [] : typeof r.fallback === 'object' ? r.fallback : fallback).some(
          (edge) => edge.from === from && edge.to.includes(to) && edge.on.includes(cause),
        ),
      )
      if (cause === 'locked') return permitted && locked!.includes(from)
      return permitted && (cause === 'not-enrolled' ? !enrolled!.includes(from) : !locked!.includes(from))
    })
  const ways = least.flatMap((set) =>
    set
      .reduce<string[][]>(
        (out, k) => out.flatMap((so) => kinds.filter((to) => to === k || stands(k, to)).map((to) => [...so, to])),
        [[]],
      )
      .filter((way) => new Set(way).size === set.length && reach(way) >= acr),
  )
  const level = Math.min(Math.max(0, f['authenticator.acr'] as number), Math.max(0, ...Object.values(levels)))
  const fresh = due.every(({ maxAgeSec }) => maxAgeSec === undefined || (f['authenticator.ageSec'] as number) <= maxAgeSec)
  if (level >= acr && fresh && ways.some((way) => way.every((k) => methods!.includes(k))))
    return hit.some(({ effect }) => effect === 'allow') ? 'allow' : 'deny'
  const askable = ways.flatMap((way) => (way.length > 0 ? [way] : Object.keys(levels).map((key) => key.split('+'))))
  if (!askable.some((way) => way.every((k) => usable!.includes(k)))) return 'deny'
  const hope = enforced.some(
    ({ effect, when = {}, anyOf = [{}] }) => effect === 'allow' && inRule({ when: freely(when), anyOf: anyOf.map(freely) }, f),
  )
  return hope ? 'require' : 'deny'
}
