/** Faults planted into clean policies of 20 to 1,000 rules: every one is found, and nothing else of its severity. */
import { analyse, type Finding } from '@postern/policy/analyse'
import { type Compiled, compile } from '@postern/policy/compile'
import type { Box, PolicyDocument, Rule } from '@postern/policy/document'
import { defineSchema, type Schema } from '@postern/policy/schema'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { allow, deny, doc } from '../small.js'

const numRuns = Math.ceil(Number(process.env['POSTERN_RUNS'] ?? 100) / 5)
const spec = {
  id: 'planted',
  facts: {
    action: { type: 'enum', values: ['login', 'confirm', 'call'], mandatory: true, provenance: 'verified' },
    amount: { type: 'int', min: 0, scope: [{ action: 'confirm' }], provenance: 'verified' },
    locked: { type: 'bool', provenance: 'verified' },
    risk: { type: 'ordered', ranks: ['low', 'raised', 'high'], provenance: 'verified' },
    'app.id': { type: 'open', provenance: 'verified' },
    'app.version': { type: 'version', provenance: 'verified' },
    'os.platform': { type: 'enum', values: ['ios', 'android', 'web'] },
  },
} as const
const schema: Schema<typeof spec> = defineSchema(spec)

const require = (id: string, when: Box, more: object): Rule => ({
  id,
  mode: 'enforce',
  effect: 'require',
  reason: 'step_up',
  when,
  require: { acr: 2, fallback: 'none', ...more },
})
const nameOf = (k: number): string => `app${k}`

/** 20 rules for each app, that say nothing without meaning to; every request meets one. */
function clean(apps: number): PolicyDocument {
  const names = Array.from({ length: apps }, (_, k) => nameOf(k))
  const own = names.flatMap((app): Rule[] => [
    allow(`${app}-login`, { 'app.id': app, action: 'login' }),
    allow(`${app}-confirm`, { 'app.id': app, action: 'confirm' }),
    deny(`${app}-locked`, { 'app.id': app, locked: true, risk: { gte: 'raised' } }),
    require(`${app}-big`, { 'app.id': app, action: 'confirm', amount: { gte: 1_000_000 } }, { fallback: 'all' }),
    require(`${app}-risk`, { 'app.id': app, action: 'login', risk: 'high' }, { acr: 1 }),
    ...Array.from({ length: 15 }, (_, i) =>
      deny(`${app}-deny${i}`, { 'app.id': app, action: 'confirm', amount: { gte: i * 1000, lt: i * 1000 + 500 } }),
    ),
  ])
  return doc(
    [...own, allow('call', { action: 'call' }), allow('others', { action: ['login', 'confirm'], 'app.id': { not: names } })],
    {
      acr: { levels: { pin: 1, otp: 1, webauthn: 2, card: 2, 'device-key+pin': 2 } },
      fallback: [],
      invariants: [{ never: 'allow', when: { 'app.id': nameOf(0), locked: true, risk: 'high' } }],
    },
  )
}

/** Each plants one fault, and says what is to be found. */
const faults: Readonly<Record<string, (d: PolicyDocument, app: string) => readonly [PolicyDocument, string]>> = {
  unsatisfiable: (d, app) => [
    { ...d, rules: [...d.rules, deny(`${app}-x1`, { 'app.id': app, action: 'login', amount: { gte: 5 } })] },
    `unsatisfiable ${app}-x1`,
  ],
  overridden: (d, app) => [
    {
      ...d,
      rules: [...d.rules, require(`${app}-x2`, { 'app.id': app, action: 'confirm', amount: { gte: 1000, lt: 1200 } }, {})],
    },
    `overridden ${app}-x2`,
  ],
  redundant: (d, app) => [
    { ...d, rules: [...d.rules, deny(`${app}-x3`, { 'app.id': app, action: 'confirm', amount: { gte: 2000, lt: 2300 } })] },
    `redundant ${app}-x3`,
  ],
  conflict: (d, app) => [
    { ...d, rules: [...d.rules, require(`${app}-x4`, { 'app.id': app, action: 'confirm', amount: 700_000 }, { acr: 3 })] },
    `conflict ${app}-x4`,
  ],
  gap: (d) => [
    { ...d, rules: d.rules.map((rule) => (rule.id === 'call' ? allow('call', { action: 'call', risk: { lt: 'high' } }) : rule)) },
    'gap call',
  ],
  'lock-out': (d, app) => [
    { ...d, rules: [...d.rules, deny(`${app}-x5`, { 'app.id': app, action: 'login', 'app.version': { lt: '2' } })] },
    `lock-out ${JSON.stringify({ 'app.id': app, 'app.version': { lt: '2.0' } })}`,
  ],
  'declared switch': (d, app) => [
    { ...d, rules: [...d.rules, deny(`${app}-x6`, { 'app.id': app, action: 'confirm', amount: 800_000, 'os.platform': 'web' })] },
    `declared-switch ${app}-x6`,
  ],
  'broken invariant': (d, app) => [
    { ...d, invariants: [...d.invariants, { never: 'allow', when: { 'app.id': app, locked: true } }] },
    `invariant /invariants/${d.invariants.length}`,
  ],
  'useless fallback': (d) => [{ ...d, fallback: [{ from: 'webauthn', to: ['otp'], on: ['locked'] }] }, 'fallback /fallback/0'],
  'weakening fallback': (d, app) => [
    {
      ...d,
      rules: [
        ...d.rules,
        require(`${app}-x7`, { 'app.id': app, action: 'confirm', amount: 900_000 }, {
          anyOf: [['webauthn']],
          fallback: [{ from: 'webauthn', to: ['card'], on: ['cancelled'] }],
        }),
      ],
    },
    `fallback ${app}-x7`,
  ],
  'too many alternatives': (d, app) => {
    const pairs = (a: string): string[][] => Array.from({ length: 9 }, (_, i) => [`${a}${i}`])
    const of = (n: number, a: string): Rule =>
      require(`${app}-x${n}`, { 'app.id': app, action: 'confirm', amount: 950_000 }, { acr: 0, anyOf: pairs(a) })
    return [{ ...d, rules: [...d.rules, of(8, 'a'), of(9, 'b')] }, `alternatives ${app}-x8 ${app}-x9`]
  },
}

function said({ kind, rules, at, witness, box }: Finding): string {
  if (kind === 'gap') return `gap ${witness?.['action']}`
  if (kind === 'lock-out') return `lock-out ${JSON.stringify(box)}`
  if (kind === 'invariant') return `invariant ${at}`
  if (kind === 'fallback') return at.startsWith('/fallback') ? `fallback ${at}` : `fallback ${rules[0]}`
  if (kind === 'alternatives') return `alternatives ${rules.join(' ')}`
  return `${kind} ${rules[0]}`
}

const findingsOf = (d: PolicyDocument): string[] =>
  analyse(compile(schema, d) as unknown as Compiled, { steps: 100_000 })
    .findings.map(said)
    .sort()

it('in a clean policy nothing is found', () => {
  for (const apps of [1, 3, 50]) expect(findingsOf(clean(apps))).toEqual([])
})

it('each fault is found alone', () => {
  for (const plant of Object.values(faults)) {
    const [document, expected] = plant(clean(2), nameOf(1))
    expect(findingsOf(document)).toEqual([expected])
  }
})

it('any faults together, in policies of any size, are found, and nothing else is', () => {
  fc.assert(
    fc.property(
      fc.subarray(Object.keys(faults), { minLength: 1 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(),
      (chosen, apps, seed) => {
        let document = clean(apps)
        const expected: string[] = []
        for (const [i, name] of chosen.entries()) {
          const [next, found] = faults[name]!(document, nameOf((seed + i) % apps))
          document = next
          expected.push(found)
        }
        expect(findingsOf(document)).toEqual(expected.sort())
      },
    ),
    { numRuns },
  )
}, 300_000)

it('all of them are found among 1,000 rules', () => {
  let document = clean(50)
  const expected = Object.values(faults).map((plant, i) => {
    const [next, found] = plant(document, nameOf(i * 4))
    document = next
    return found
  })
  expect(document.rules.length).toBeGreaterThan(1000)
  expect(findingsOf(document)).toEqual(expected.sort())
}, 300_000)

it('what takes too many steps is undecided, and never left out', () => {
  const [document] = faults['overridden']!(clean(2), nameOf(1))
  const { findings, complete } = analyse(compile(schema, document) as unknown as Compiled, { steps: 0 })
  expect(complete).toBe(false)
  const undecided = findings.filter((one) => one.undecided)
  expect(undecided.length).toBe(findings.length)
  expect(undecided.map(said)).toContain('overridden app1-x2')
  expect([...new Set(undecided.map(({ kind }) => kind))].sort()).toEqual([
    'gap',
    'invariant',
    'lock-out',
    'overridden',
    'redundant',
    'unsatisfiable',
  ])
})
