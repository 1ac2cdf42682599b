/** A schema whose every request can be listed, random rules over it, and findings by their definitions: no classes, no search. */
import type { Box, Condition, PolicyDocument, Rule } from '@postern/policy/document'
import type { Decision } from '@postern/policy/evaluate'
import { defineSchema, type Schema } from '@postern/policy/schema'
import fc from 'fast-check'
import { doc } from './small.js'

const kinds = ['pin', 'webauthn', 'device-key'] as const
const spec = {
  id: 'tiny',
  facts: {
    action: { type: 'enum', values: ['login', 'confirm'], mandatory: true, provenance: 'verified' },
    amount: { type: 'int', min: 0, max: 3, scope: [{ action: 'confirm' }], provenance: 'verified', mutability: 'user' },
    rooted: { type: 'bool' },
    'app.id': { type: 'open', provenance: 'verified' },
    'app.version': { type: 'version', mutability: 'user', weight: 2 },
    'os.platform': { type: 'enum', values: ['ios', 'android'] },
    boot: { type: 'bool', scope: [{ 'os.platform': 'android' }], provenance: 'verified' },
    groups: { type: 'set', members: ['a'], provenance: 'verified', mutability: 'user', secret: true },
    'authenticator.methods': {
      type: 'set',
      members: ['pin', 'webauthn', 'device-key'],
      provenance: 'verified',
      mutability: 'user',
    },
    'authenticator.enrolled': { type: 'set', members: ['pin', 'webauthn', 'device-key'], provenance: 'verified' },
    'authenticator.usable': { type: 'set', members: ['pin', 'webauthn', 'device-key'], provenance: 'verified' },
    'authenticator.locked': { type: 'set', members: ['pin', 'webauthn', 'device-key'], provenance: 'verified' },
    'authenticator.acr': { type: 'int', min: 0, max: 3, provenance: 'verified', mutability: 'user' },
    'authenticator.ageSec': { type: 'int', min: 0, provenance: 'verified', mutability: 'user' },
  },
  constraints: [{ 'os.platform': 'ios', rooted: true, 'app.id': 'y' }],
} as const
export const tiny: Schema<typeof spec> = defineSchema(spec)
export type Point = Readonly<Record<string, unknown>>

export const tinyDoc = (rules: readonly Rule[], more: Partial<PolicyDocument> = {}): PolicyDocument =>
  doc(rules, {
    acr: { levels: { pin: 1, webauthn: 2, 'device-key+pin': 2 } },
    fallback: [{ from: 'webauthn', to: ['pin'], on: ['unavailable'] }],
    ...more,
  })

/** Every request that can be; with the session's level where rules speak of it. */
export function pointsOf(withAcr: boolean): readonly Point[] {
  let out: Point[] = [{}]
  const by = (name: string, values: (p: Point) => readonly unknown[]): void => {
    out = out.flatMap((p) => values(p).map((v) => (v === undefined ? p : { ...p, [name]: v })))
  }
  by('action', () => ['login', 'confirm'])
  by('amount', ({ action }) => (action === 'confirm' ? [0, 1, 2, 3] : [undefined]))
  by('rooted', () => [false, true])
  by('app.id', () => ['x', 'y', 'z'])
  // One of each class that the conditions below can cut: `not` cuts on both sides.
  by('app.version', () => ['1.0', '2.0', '2.5', '3.0'])
  by('os.platform', () => ['ios', 'android'])
  by('boot', (p) => (p['os.platform'] === 'android' ? [false, true] : [undefined]))
  by('groups', () => [[], ['a']])
  if (withAcr) by('authenticator.acr', () => [0, 1, 2, 3])
  return out.filter((p) => !(p['os.platform'] === 'ios' && p['rooted'] === true && p['app.id'] === 'y'))
}

/** What an untouched session, or one that has shown everything, tells. */
export const fresh: Point = {
  'authenticator.methods': [],
  'authenticator.enrolled': kinds,
  'authenticator.usable': kinds,
  'authenticator.locked': [],
  'authenticator.acr': 0,
}
export const ideal: Point = { ...fresh, 'authenticator.methods': kinds, 'authenticator.acr': 2, 'authenticator.ageSec': 0 }

const number = (v: unknown): number =>
  typeof v === 'string' ? v.split('.').reduce((sum, part, i) => sum + Number(part) / 1000 ** i, 0) : (v as number)

function holds(c: Condition, seen: unknown): boolean {
  if (seen === undefined) return false
  if (typeof c !== 'object') return number(seen) === number(c) || seen === c
  if (Array.isArray(c)) return c.some((one) => holds(one, seen))
  return Object.entries(c as Record<string, unknown>).every(([op, v]) => {
    const list = (Array.isArray(v) ? v : [v]) as readonly unknown[]
    switch (op) {
      case 'lt':
        return number(seen) < number(v)
      case 'gte':
        return number(seen) >= number(v)
      case 'not':
        return !list.some((one) => holds(one as Condition, seen))
      case 'hasNone':
        return !list.some((m) => (seen as readonly unknown[]).includes(m))
      case 'ranges':
        return (v as readonly Condition[]).some((one) => holds(one, seen))
      default:
        return list.every((m) => (seen as readonly unknown[]).includes(m))
    }
  })
}
export const inBox = (box: Box, p: Point): boolean => Object.entries(box).every(([fact, c]) => holds(c, p[fact]))
export const meets = (rule: Rule, p: Point): boolean =>
  inBox(rule.when ?? {}, p) && (rule.anyOf === undefined || rule.anyOf.some((box) => inBox(box, p)))

/** How a diff tells outcomes apart. */
export function verdictOf({ outcome, cause }: Decision): string {
  if (outcome !== 'deny') return outcome
  if (cause === 'no-usable-authenticator') return 'unachievable'
  return cause === 'default' || cause === 'futile-step-up' ? 'default' : 'deny'
}

const conditions: Readonly<Record<string, fc.Arbitrary<Condition>>> = {
  action: fc.constantFrom<Condition>('login', 'confirm'),
  amount: fc.oneof<fc.Arbitrary<Condition>[]>(
    fc.integer({ min: 0, max: 3 }).map((n) => ({ lt: n })),
    fc.integer({ min: 0, max: 3 }).map((n) => ({ gte: n })),
    fc.constant({ not: 1 }),
  ),
  rooted: fc.boolean(),
  'app.id': fc.constantFrom<Condition>('x', 'y', ['x', 'y'], { not: 'x' }),
  'app.version': fc.constantFrom<Condition>({ lt: '2' }, { gte: '2' }, { lt: '3' }, { not: '2' }),
  'os.platform': fc.constantFrom<Condition>('ios', 'android', { not: 'ios' }),
  boot: fc.boolean(),
  groups: fc.constantFrom<Condition>({ has: 'a' }, { hasNone: ['a'] }),
  'authenticator.acr': fc.constantFrom<Condition>({ gte: 1 }, { gte: 2 }, { lt: 2 }),
}
const named = (names: readonly string[], maxLength: number): fc.Arbitrary<Box> =>
  fc
    .subarray([...names], { maxLength })
    .chain((some) =>
      fc.record(Object.fromEntries(some.map((name) => [name, conditions[name]!])) as Record<string, fc.Arbitrary<Condition>>),
    )
const plain = Object.keys(conditions).filter((name) => name !== 'authenticator.acr')
export const tinyBox: fc.Arbitrary<Box> = fc.oneof(
  { weight: 6, arbitrary: named(plain, 3) },
  { weight: 1, arbitrary: named(Object.keys(conditions), 3) },
)
const tinyRule = (id: string): fc.Arbitrary<Rule> =>
  fc
    .record({
      effect: fc.constantFrom('allow', 'allow', 'deny', 'deny', 'require'),
      mode: fc.constantFrom('enforce', 'enforce', 'enforce', 'enforce', 'shadow', 'off'),
      when: tinyBox,
      any: fc.option(fc.array(tinyBox, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 5 }),
      acr: fc.constantFrom(0, 1, 1, 2, 2, 3),
      anyOf: fc.constantFrom(undefined, undefined, [['webauthn']], [['pin'], ['webauthn']], [['device-key']]),
      maxAgeSec: fc.constantFrom(undefined, 60),
    })
    .map(({ effect, mode, when, any, acr, anyOf, maxAgeSec }) => {
      const common = { id, mode, when, ...(any ? { anyOf: any } : {}) }
      if (effect === 'allow') return { ...common, effect } as Rule
      if (effect === 'deny') return { ...common, effect, reason: 'policy.denied' } as Rule
      const require = { acr, ...(anyOf ? { anyOf } : {}), ...(maxAgeSec === undefined ? {} : { maxAgeSec }) }
      return { ...common, effect, reason: 'step_up', require } as Rule
    })
export const tinyRules: fc.Arbitrary<Rule[]> = fc
  .integer({ min: 0, max: 7 })
  .chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => tinyRule(`r${i}`))))
  // A rule that is off still makes the search tell actions apart.
  .map((found) => [...found, { id: 'off', mode: 'off', effect: 'allow', when: { action: 'login' } } as Rule])
export const speaksOfAcr = ({ rules, invariants }: PolicyDocument): boolean =>
  JSON.stringify([rules, invariants]).includes('"authenticator.acr"')
