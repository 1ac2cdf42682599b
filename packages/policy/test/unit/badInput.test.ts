/** Each row of bad input that documents, schemas and facts can bring. */
import { createCrypto } from '@postern/core/crypto'
import { isPosternError } from '@postern/core/errors'
import { analyse } from '@postern/policy/analyse'
import { type Compiled, compile } from '@postern/policy/compile'
import { diff } from '@postern/policy/diff'
import { migrateDocument, type PolicyDocument, parseDocument, type Rule } from '@postern/policy/document'
import { decide } from '@postern/policy/evaluate'
import { encode } from '@postern/policy/facts'
import { mobileSchema } from '@postern/policy/mobile'
import { defineSchema, type FactValue, hashSchema, type Schema, type SchemaSpec } from '@postern/policy/schema'
import { describe, expect, it } from 'vitest'
import { allow, deny, doc, levels, small } from '../small.js'

const refusal = (run: () => unknown): readonly [string, string | null] | null => {
  try {
    run()
    return null
  } catch (error) {
    if (!isPosternError(error)) throw error
    return [error.code, error.reason]
  }
}
const load = (d: unknown): unknown => compile(small, parseDocument(JSON.stringify(d)).document)
const many = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
const top = '67108863.67108863.67108863.67108863'
const require = (anyOf: string[][], more: object = {}): Rule => ({
  id: 'r',
  mode: 'enforce',
  effect: 'require',
  reason: 'step_up',
  require: { anyOf, ...more },
})

describe('documents', () => {
  it.each<[string, PolicyDocument, string]>([
    [
      'a level of an authenticator that the schema does not know',
      doc([], { acr: { levels: { ...levels, 'pin+webauth': 2 } } }),
      '/acr/levels/pin+webauth',
    ],
    ['an alternative of one', doc([require([['pin'], ['pin', 'webauth']])]), '/rules/0/require/anyOf/1/1'],
    ['a fallback from one', doc([], { fallback: [{ from: 'face', to: ['pin'], on: ['failed'] }] }), '/fallback/0/from'],
    [
      'a fallback to one',
      doc([], { fallback: [{ from: 'pin', to: ['biometric', 'face'], on: ['failed'] }] }),
      '/fallback/0/to/1',
    ],
    [
      'two levels of one set',
      doc([], { acr: { levels: { 'pin+device-key': 2, 'device-key+pin': 1 } } }),
      '/acr/levels/device-key+pin',
    ],
    ['a day that no month has', doc([{ ...allow('a'), from: '2026-02-30T00:00:00Z' }]), '/rules/0/from'],
    ['an hour that is the next day', doc([{ ...allow('a'), until: '2026-01-01T24:00:00Z' }]), '/rules/0/until'],
    [
      'an invariant over no fact',
      doc([], { invariants: [{ never: 'allow', when: { app: 'x', rotted: true } }] }),
      '/invariants/0/when/rotted',
    ],
    [
      'a bound by the last version there is',
      doc([
        allow('a', { version: { lte: '67108863.67108863.67108863.67108863-a' } }),
        allow('b', { version: { not: ['1.0', top] } }),
      ]),
      '/rules/1/when/version',
    ],
    [
      'a pre-release of which none above it could be written',
      doc([allow('a', { version: { gt: `1.0-${'a'.repeat(62)}` } }), allow('b', { version: { gt: `1.0-${'a'.repeat(63)}` } })]),
      '/rules/1/when/version',
    ],
    [
      'a fallback of a rule to one',
      doc([require([['pin']], { fallback: [{ from: 'pin', to: ['face'], on: ['failed'] }] })]),
      '/rules/0/require/fallback/0/to/0',
    ],
  ])('%s is refused with a pointer', (_, document, pointer) => {
    expect(refusal(() => load(document))).toEqual(['policy.document_invalid', pointer])
  })

  it.each<[string, () => unknown]>([
    ['more than 4 MiB', () => parseDocument(' '.repeat(4 * 1024 * 1024 + 1))],
    ['more than 10,000 rules', () => load(doc(many(10_001).map((i) => allow(`r${i}`))))],
    [
      'more than 64 conditions in a rule',
      () => load(doc([{ ...allow('a'), anyOf: many(33).map(() => ({ app: 'x', rooted: true })) }])),
    ],
    ['more than 4,096 values', () => load(doc([allow('a', { app: many(4097).map(String) })]))],
    ['more than 64 boxes', () => load(doc([{ ...allow('a'), anyOf: many(65).map(() => ({})) }]))],
    ['more than 64 boxes by members', () => load(doc([allow('a', { groups: { hasAny: many(65).map(() => 'a') } })]))],
    [
      'more than 64 boxes by both',
      () => load(doc([{ ...allow('a'), anyOf: many(33).map(() => ({ groups: { hasAny: ['a', 'b'] } })) }])),
    ],
    [
      'tables above 64 MiB',
      () =>
        compile(
          mobileSchema,
          doc(
            many(10_000).map((i) =>
              deny(
                `r${i}`,
                Object.fromEntries(
                  ['transaction.amount', 'app.build', 'device.ageDays', 'user.ageDays', 'time.at', 'network.asn'].map((fact) => [
                    fact,
                    2 * i,
                  ]),
                ),
              ),
            ),
            { acr: { levels: {} }, fallback: [] },
          ),
        ),
    ],
  ])('%s are too large', (_, run) => {
    expect(refusal(run)?.[0]).toBe('policy.too_large')
  })

  it('what just fits is not too large', () => {
    expect(refusal(() => load(doc([{ ...allow('a'), anyOf: many(64).map(() => ({ app: 'x' })) }])))).toBeNull()
    expect(refusal(() => load(doc([allow('a', { app: many(4096).map(String) })])))).toBeNull()
  })

  it('without rules deny everything, and analysis says that nobody can log in', () => {
    const empty = compile(small, doc([]))
    expect(decide(empty, { action: 'login' })).toMatchObject({ outcome: 'deny', cause: 'default' })
    const { findings } = analyse(empty as unknown as Compiled, { steps: 100 })
    expect(findings).toMatchObject([
      { kind: 'lock-out', severity: 'warning', box: {}, devices: null },
      { kind: 'gap', severity: 'note', box: {} },
    ])
  })
})

describe('migration', () => {
  const old = doc([{ ...allow('a', { rooted: true }), anyOf: [{ app: 'x' }, { rooted: false }] }, allow('b')], {
    invariants: [{ never: 'allow', when: { rooted: true } }],
    fixtures: [{ name: 'f', facts: { action: 'login', rooted: true }, expect: { outcome: 'deny' } }],
  })
  it('renames facts wherever a document speaks of them, and goes on from the version it came from', () => {
    expect(migrateDocument(old, { schema: 'sha256:new', parent: 'sha256:old', rename: { rooted: 'jailbroken' } })).toEqual({
      ...old,
      schema: 'sha256:new',
      parent: 'sha256:old',
      rules: [{ ...allow('a', { jailbroken: true }), anyOf: [{ app: 'x' }, { jailbroken: false }] }, allow('b')],
      invariants: [{ never: 'allow', when: { jailbroken: true } }],
      fixtures: [{ name: 'f', facts: { action: 'login', jailbroken: true }, expect: { outcome: 'deny' } }],
    })
    expect(migrateDocument(old, { schema: 'sha256:new', parent: null })).toEqual({ ...old, schema: 'sha256:new' })
  })
  it('makes no two facts into one', () => {
    const both = doc([allow('a', { rooted: true, app: 'x' })])
    expect(refusal(() => migrateDocument(both, { schema: 's', parent: null, rename: { rooted: 'app' } }))).toEqual([
      'policy.document_invalid',
      '/rules/0/when/app',
    ])
  })
})

describe('facts', () => {
  const derived = (compute: (inputs: Readonly<Record<string, FactValue>>) => unknown): Schema =>
    defineSchema({
      id: 'd',
      facts: {
        action: { type: 'enum', values: ['a'], mandatory: true },
        n: { type: 'int', min: 0 },
        v: { type: 'version' },
        twice: { type: 'int', min: 0, derive: { revision: 1, from: ['n', 'v'], compute } },
      },
    }) as unknown as Schema
  const seen = (compute: Parameters<typeof derived>[0], facts: object) => {
    const d = decide(
      compile(derived(compute), doc([deny('d', { twice: { gt: 4 } }), allow('use')], { acr: { levels: {} }, fallback: [] })),
      facts as never,
    )
    return [d.outcome, ...d.unknown]
  }
  const facts = { action: 'a', n: 2, v: '16' }
  it('are computed from what was sent, as it was understood', () => {
    expect(seen(({ n, v }) => (v === '16.0' ? (n as number) * 2 : 9), facts)).toEqual(['allow'])
    expect(seen(({ n }) => (n as number) * 3, facts)).toEqual(['deny'])
  })
  it.each<[string, (inputs: object) => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['returns another type', () => '4'],
    ['returns what the fact cannot be', () => -1],
    ['returns NaN', () => Number.NaN],
  ])('whose function %s are invalid: missing, and listed', (_, compute) => {
    expect(seen(compute, facts)).toEqual(['deny', { fact: 'twice', why: 'invalid' }])
  })
  it('that are computed from a missing or unusable one are missing', () => {
    for (const [more, unknown] of [
      [{ n: undefined }, [{ fact: 'twice', why: 'absent' }]],
      [
        { n: -1 },
        [
          { fact: 'n', why: 'invalid' },
          { fact: 'twice', why: 'absent' },
        ],
      ],
    ] as const)
      expect(seen(() => 1, { ...facts, ...more })).toEqual(['deny', ...unknown])
    expect(seen(() => undefined, facts)).toEqual(['deny', { fact: 'twice', why: 'absent' }])
    expect(seen(() => null, facts)).toEqual(['deny', { fact: 'twice', why: 'absent' }])
  })
  it('that are computed are taken as independent by analysis and difference, which say so', () => {
    const schema = derived(({ n }) => (n as number) * 2)
    const base = { acr: { levels: {} }, fallback: [] }
    const rules = [
      deny('a', { twice: { gt: 4 } }),
      deny('b', { twice: { gt: 8 } }),
      deny('c', { n: 1 }),
      deny('d', { n: [1, 2] }),
      allow('use'),
    ]
    const { findings } = analyse(compile(schema, doc(rules, base)), { steps: 1000 })
    expect(findings.filter(({ kind }) => kind === 'redundant')).toMatchObject([
      { rules: ['b', 'a'], derived: true },
      { rules: ['c', 'd'], derived: false },
    ])
    const [before, after] = [rules.slice(0, 1), rules.slice(1, 2)].map((some) =>
      compile(schema, doc([...some, allow('use')], base)),
    )
    expect(diff(before!, after!, { steps: 1000 }).changes).toMatchObject([
      { from: 'deny', to: 'allow', witness: { twice: 5 }, rules: { before: ['a'], after: ['use'] } },
    ])
  })
  it('that are computed cannot be sent', () => {
    expect(refusal(() => seen(() => 1, { ...facts, twice: 1 }))).toEqual(['policy.fact_unknown', 'twice'])
  })
  it('are read once, whatever a getter answers the second time', () => {
    let asked = 0
    const input = {
      action: 'login',
      get rooted() {
        return asked++ > 0
      },
    } as const
    expect(decide(compile(small, doc([deny('d', { rooted: true }), allow('use')])), input).outcome).toBe('allow')
    expect(asked).toBe(1)
  })
  it('that stand on a prototype are not sent', () => {
    const input = Object.assign(Object.create({ rooted: false }), { action: 'login' })
    expect(decide(compile(small, doc([deny('d', { rooted: true }), allow('use')])), input).outcome).toBe('deny')
  })
  it('outside their scope are ignored, and listed', () => {
    expect(encode(small, { action: 'login', amount: 3 }).ignored).toEqual(['amount'])
    expect(encode(small, { action: 'confirm', amount: 3 }).ignored).toEqual([])
  })
})

describe('schemas', () => {
  const bad = (facts: SchemaSpec['facts'], more: Partial<SchemaSpec> = {}) =>
    refusal(() => defineSchema({ id: 's', facts, ...more }))
  it.each<[string, SchemaSpec['facts'], string]>([
    ['a name that is no dotted words', { 'a b': { type: 'bool' } }, '/facts/a b'],
    ['a mandatory fact that is no closed enum', { a: { type: 'bool', mandatory: true } }, '/facts/a'],
    [
      'a mandatory fact with a scope',
      { b: { type: 'bool' }, a: { type: 'enum', values: ['x'], mandatory: true, scope: [{ b: true }] } },
      '/facts/a',
    ],
    ['an enum without values', { a: { type: 'enum', values: [] } }, '/facts/a'],
    ['a value twice', { a: { type: 'ordered', ranks: ['x', ['y', 'x']] } }, '/facts/a'],
    ['least above most', { a: { type: 'int', min: 2, max: 1 } }, '/facts/a'],
    ['a bound that is no integer', { a: { type: 'int', min: 0.5 } }, '/facts/a'],
    ['a bound beyond the safe integers', { a: { type: 'int', max: 2 ** 53 } }, '/facts/a'],
    ['a rank without values', { a: { type: 'ordered', ranks: ['x', []] } }, '/facts/a'],
    ['a name that every object has', { ['toString' as string]: { type: 'bool' } }, '/facts/toString'],
    ['a weight that is none', { a: { type: 'bool', weight: 0 } }, '/facts/a'],
    [
      'a scope over a fact with a scope',
      { a: { type: 'bool' }, b: { type: 'bool', scope: [{ a: true }] }, c: { type: 'bool', scope: [{ b: true }] } },
      '/facts/c/scope',
    ],
    [
      'a fact computed from none that is sent',
      { a: { type: 'bool', derive: { revision: 1, from: ['b'], compute: () => true } } },
      '/facts/a/derive',
    ],
  ])('with %s are refused', (_, facts, pointer) => {
    expect(bad(facts)).toEqual(['policy.document_invalid', pointer])
  })
  it('with none but negative integers are fine', () => {
    expect(bad({ a: { type: 'int', max: -1 } })).toBeNull()
  })
  it('with a constraint that speaks of no fact are refused', () => {
    expect(bad({ a: { type: 'bool' } }, { constraints: [{ b: true }] })).toEqual(['policy.document_invalid', '/constraints/0/b'])
  })
  it('hash to the same whatever the order, to something else with another revision, and never by a function’s text', async () => {
    const crypto = createCrypto()
    const of = (revision: number, compute: () => unknown, flip: boolean) => {
      const facts = [
        ['a', { type: 'bool' }],
        ['b', { type: 'bool', derive: { revision, from: ['a'], compute } }],
      ] as const
      return hashSchema(defineSchema({ id: 's', facts: Object.fromEntries(flip ? facts.toReversed() : facts) }) as Schema, crypto)
    }
    const [one, same, other] = await Promise.all([of(1, () => true, false), of(1, () => false, true), of(2, () => true, false)])
    expect([same === one, other === one]).toEqual([true, false])
  })
})
