import { compile } from '@postern/policy/compile'
import { decide } from '@postern/policy/evaluate'
import { encode } from '@postern/policy/facts'
import { type DecisionRecord, recorder, replay, shadow } from '@postern/policy/replay'
import { defineSchema, type FactInput, type FactSpec, type Schema, type SchemaSpec } from '@postern/policy/schema'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { complete, request, rules } from '../arbitraries.js'
import { allow, deny, doc, small } from '../small.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)

/** The small schema with facts kept in one way; the session's authenticators as they are. */
function kept(how: 'value' | 'class' | 'none'): Schema {
  const facts = Object.fromEntries(
    Object.entries(small.spec.facts as Readonly<Record<string, FactSpec>>).map(([name, spec]) => [
      name,
      name.startsWith('authenticator.') ? spec : { ...spec, record: how },
    ]),
  )
  return defineSchema({ id: how, facts } as SchemaSpec)
}
const schemas = { value: kept('value'), class: kept('class'), none: kept('none') }
const input = (f: object): FactInput<SchemaSpec> => f as FactInput<SchemaSpec>
/** As a store keeps it. */
const stored = (record: DecisionRecord): DecisionRecord => JSON.parse(JSON.stringify(record)) as DecisionRecord

const requests = fc.array(fc.oneof(request, complete), { minLength: 6, maxLength: 6 })

it('a version asked what it was asked says the same again, however its facts were kept', () =>
  fc.assert(
    fc.asyncProperty(fc.constantFrom('value', 'class'), rules, requests, async (how, found, asked) => {
      const p = compile(schemas[how], doc(found), { version: 'a' })
      const record = recorder(p)
      const records = asked.map((f) => {
        const facts = encode(p.schema, input(f))
        return stored(record(facts, decide(p, facts), 7))
      })
      const none = { count: 0, facts: {}, unreadable: 0 }
      expect(await replay(p, records, { version: () => p })).toEqual({ total: 6, same: 6, changed: [], undetermined: none })
    }),
    { numRuns: numRuns * 3 },
  ))

it('nothing is guessed: what is not undetermined is what the other version says to the whole facts', () =>
  fc.assert(
    fc.asyncProperty(fc.constantFrom('value', 'class', 'none'), rules, rules, requests, async (how, before, after, asked) => {
      const [a, b] = [compile(schemas[how], doc(before), { version: 'a' }), compile(schemas[how], doc(after), { version: 'b' })]
      const record = recorder(a)
      for (const f of asked) {
        const facts = encode(a.schema, input(f))
        const was = decide(a, facts)
        const { same, changed, undetermined } = await replay(b, [stored(record(facts, was, 7))], { version: () => a })
        const now = decide(b, facts)
        if (undetermined.count === 1) {
          expect([how === 'value', same, changed, Object.keys(undetermined.facts).length > 0]).toEqual([false, 0, [], true])
        } else if (was.outcome === now.outcome) expect(same).toBe(1)
        else
          expect(changed).toEqual([
            { from: was.outcome, to: now.outcome, count: 1, rules: Object.fromEntries(now.matched.map((id) => [id, 1])) },
          ])
      }
    }),
    { numRuns: numRuns * 3 },
  ))

it('fewer rules split nothing: classes answer every version made of the same cuts', () =>
  fc.assert(
    fc.asyncProperty(rules, requests, fc.infiniteStream(fc.boolean()), async (found, asked, coin) => {
      const a = compile(schemas.class, doc(found))
      const b = compile(schemas.class, doc(found.filter(() => coin.next().value)))
      const record = recorder(a)
      const records = asked.map((f) => {
        const facts = encode(a.schema, input(f))
        return record(facts, decide(a, facts), 7)
      })
      expect((await replay(b, records, { version: () => a })).undetermined.count).toBe(0)
    }),
    { numRuns: numRuns * 3 },
  ))

it('a shadow version counts what a second decision counts', () =>
  fc.assert(
    fc.property(rules, rules, requests, (before, after, asked) => {
      const [a, b] = [compile(small, doc(before)), compile(small, doc(after))]
      const other = shadow(b)
      let same = 0
      for (const f of asked) {
        const facts = encode(small, f as unknown as FactInput<(typeof small)['spec']>)
        const was = decide(a, facts)
        const now = other.observe(facts, was)
        expect(now).toEqual(decide(b, facts))
        if (was.outcome === now.outcome) same++
      }
      expect([other.impact().total, other.impact().same]).toEqual([6, same])
    }),
    { numRuns },
  ))

const of = (schema: Schema, f: object, ...found: Parameters<typeof doc>[0]) => {
  const p = compile(schema, doc(found), { version: 'a' })
  const facts = encode(schema, input(f))
  return stored(recorder(p)(facts, decide(p, facts), 1_700_000_000_000))
}

it('a record holds what the schema lets it hold', () => {
  const schema = defineSchema({
    id: 'kept',
    facts: {
      action: { type: 'enum', mandatory: true, values: ['go'] },
      country: { type: 'open', secret: true },
      score: { type: 'int', secret: true },
      alerts: { type: 'set', secret: true },
      unspoken: { type: 'int', secret: true },
      rooted: { type: 'bool', secret: true, record: 'value' },
      amount: { type: 'int' },
      name: { type: 'open', record: 'none' },
      gone: { type: 'int' },
      broken: { type: 'int' },
      there: { type: 'bool', scope: [{ rooted: false }] },
    },
  })
  const found = [
    allow('a', { country: 'NL', score: { gte: 40, lt: 80 }, alerts: { hasAny: ['x', 'y'] } }),
    deny('d', { score: { gte: 90 } }),
  ]
  const facts = {
    action: 'go',
    country: 'CH',
    score: 77,
    alerts: ['y', 'z'],
    unspoken: 3,
    rooted: true,
    amount: 5,
    name: 'Jane',
    broken: 'x',
    there: true,
  }
  expect(of(schema as never, facts, ...found)).toEqual({
    format: 1,
    policy: 'a',
    schema: 'sha256:x',
    at: 1_700_000_000_000,
    outcome: 'deny',
    matched: [],
    facts: {
      action: { value: 'go' },
      country: { class: 1 },
      score: { class: 1 },
      alerts: { members: { x: false, y: true } },
      unspoken: { class: 0 },
      rooted: { value: true },
      amount: { value: 5 },
      name: { none: 'hidden' },
      broken: { none: 'invalid' },
      there: { none: 'outside' },
    },
  })
})

it('what could not be known, whether it exists at all, is asked again as such', async () => {
  const record = of(schemas.value, { action: 'login', boot: true, amount: 3 }, deny('boot', { boot: true }), allow('all'))
  expect([record.facts['boot'], record.facts['amount']]).toEqual([{ value: true, doubt: true }, { none: 'outside' }])
  expect(of(schemas.value, { action: 'login', boot: 'x' }).facts['boot']).toEqual({ none: 'invalid', doubt: true })
  const p = compile(schemas.value, doc([deny('boot', { boot: true }), allow('all')]))
  expect(await replay(p, [record], { version: () => p })).toMatchObject({ total: 1, same: 1 })
})

it('a class that new rules split is undetermined, and so is what was not kept', async () => {
  const ask = async (record: DecisionRecord, ...found: Parameters<typeof doc>[0]) => {
    const old = compile(schemas.class, doc([deny('d', { amount: { gte: 2 }, app: 'x', groups: { has: 'a' } })]), { version: 'a' })
    return replay(compile(schemas.class, doc(found)), [record], { version: (id) => (id === 'a' ? old : null) })
  }
  const seen = (f: object) =>
    of(schemas.class, { action: 'confirm', ...f }, deny('d', { amount: { gte: 2 }, app: 'x', groups: { has: 'a' } }))
  const lacking = async (f: object, box: object) => (await ask(seen(f), allow('n', box as never))).undetermined.facts
  expect(await lacking({ amount: 4 }, { amount: { gte: 2 } })).toEqual({})
  expect(await lacking({ amount: 4 }, { amount: { gte: 3 } })).toEqual({ amount: 1 })
  expect(await lacking({ amount: 1 }, { amount: { gte: 3 } })).toEqual({})
  expect(await lacking({ amount: 1 }, { amount: { gte: 1 } })).toEqual({ amount: 1 })
  expect(await lacking({ app: 'x' }, { app: ['y', 'z'] })).toEqual({})
  expect(await lacking({ app: 'z' }, { app: ['y', 'x'] })).toEqual({ app: 1 })
  expect(await lacking({ app: 'z' }, { app: 'x' })).toEqual({})
  expect(await lacking({ groups: ['a'] }, { groups: { has: 'a' } })).toEqual({})
  expect(await lacking({ groups: ['a'] }, { groups: { has: 'b' } })).toEqual({ groups: 1 })
  expect(await lacking({ version: '1.2' }, { version: { gte: '1.0' } })).toEqual({ version: 1 })
  expect(await lacking({}, { version: { gte: '1.0' } })).toEqual({})
  expect(await lacking({ rooted: true }, { rooted: false })).toEqual({ rooted: 1 })
  expect(await lacking({ amount: 4, version: '1.2' }, { amount: { gte: 2 } })).toEqual({})
  const hidden = of(schemas.none, { action: 'confirm', amount: 4 })
  const p = compile(schemas.none, doc([allow('n', { amount: 4 })]), { version: 'a' })
  expect((await replay(p, [hidden], { version: () => p })).undetermined).toEqual({
    count: 1,
    facts: { amount: 1 },
    unreadable: 0,
  })
})

it('authenticators are needed whole where a rule may demand them', async () => {
  const schema = defineSchema({
    ...small.spec,
    facts: { ...small.spec.facts, 'authenticator.methods': { ...small.spec.facts['authenticator.methods'], record: 'class' } },
  } as SchemaSpec)
  const up = { id: 'up', mode: 'enforce', effect: 'require', reason: 'step_up', require: { acr: 1 } } as const
  const record = of(schema, { action: 'login', 'authenticator.methods': ['pin'] }, allow('all'))
  const ask = (...found: Parameters<typeof doc>[0]) => {
    const p = compile(schema, doc(found))
    return replay(p, [record], { version: () => p })
  }
  expect((await ask(up, allow('all'))).undetermined.facts).toEqual({ 'authenticator.methods': 1 })
  expect((await ask({ ...up, mode: 'off' }, allow('all'))).same).toBe(1)
})

it('records of another schema, or of a version that cannot be had, are counted as unreadable', async () => {
  const p = compile(schemas.value, doc([allow('all')]), { version: 'a' })
  const record = of(schemas.value, { action: 'login' }, allow('all'))
  const asked: string[] = []
  const version = (id: string) => {
    asked.push(id)
    return id === 'a' ? p : null
  }
  const records = [
    record,
    { ...record, schema: 'sha256:other' },
    { ...record, policy: 'gone' },
    { ...record, policy: 'gone' },
    record,
  ]
  expect(await replay(p, records, { version })).toEqual({
    total: 5,
    same: 2,
    changed: [],
    undetermined: { count: 3, facts: {}, unreadable: 3 },
  })
  expect(asked).toEqual(['a', 'gone'])
})

it('pairs are counted by frequency, with the rules that speak for the new outcome', async () => {
  const a = compile(schemas.value, doc([allow('all')]), { version: 'a' })
  const b = compile(
    schemas.value,
    doc([deny('no', { amount: { gte: 3 } }), deny('x', { app: 'x' }), allow('login', { action: 'login' })]),
  )
  const record = recorder(a)
  const asked = [
    { action: 'confirm', amount: 4, app: 'x' },
    { action: 'confirm', amount: 4, app: 'y' },
    { action: 'login', app: 'y' },
  ]
  async function* records() {
    for (const f of asked) {
      const facts = encode(a.schema, input(f))
      yield record(facts, decide(a, facts), 1)
    }
    yield { ...record(encode(a.schema, input(asked[2]!)), decide(a, input(asked[2]!)), 1), outcome: 'deny' as const }
  }
  const { changed, same, total } = await replay(b, records(), { version: () => a })
  expect([total, same]).toEqual([4, 1])
  expect(changed).toEqual([
    { from: 'allow', to: 'deny', count: 2, rules: { no: 2, x: 1 } },
    { from: 'deny', to: 'allow', count: 1, rules: { login: 1 } },
  ])
})

it.each<[string, unknown, string]>([
  ['nothing', null, '1: record'],
  ['a list', [], '1: record'],
  ['another format', { format: 2 }, '1: format'],
  ['no policy', { policy: 7 }, '1: policy'],
  ['no schema', { schema: undefined }, '1: schema'],
  ['no instant', { at: 1.5 }, '1: at'],
  ['an outcome that is none', { outcome: 'maybe' }, '1: outcome'],
  ['matched that is text', { matched: 'all' }, '1: matched'],
  ['a matched number', { matched: [1] }, '1: matched'],
  ['facts that are a list', { facts: [] }, '1: facts'],
  ['a fact that is text', { facts: { app: 'x' } }, '1: app'],
  ['a fact of nothing', { facts: { app: {} } }, '1: app'],
  ['a fact of two kinds', { facts: { app: { value: 'x', class: 1 } } }, '1: app'],
  ['an unknown kind', { facts: { app: { guess: 1 } } }, '1: app'],
  ['an unknown lack', { facts: { app: { none: 'secret' } } }, '1: app'],
  ['a doubt that is no doubt', { facts: { app: { value: 'x', doubt: false } } }, '1: app'],
  ['a fact that does not apply, in doubt', { facts: { amount: { none: 'outside', doubt: true } } }, '1: amount'],
  ['a class below 0', { facts: { app: { class: -1 } } }, '1: app'],
  ['a class that is text', { facts: { app: { class: '0' } } }, '1: app'],
  ['members that are no members', { facts: { groups: { members: ['a'] } } }, '1: groups'],
  ['a member that is text', { facts: { groups: { members: { a: 'yes' } } } }, '1: groups'],
  ['a value of another type', { facts: { app: { value: 7 } } }, '1: app'],
  ['a value that is an object', { facts: { app: { value: {} } } }, '1: app'],
  ['a value that is a list of numbers', { facts: { groups: { value: [1] } } }, '1: groups'],
  ['a value that cannot be text', { facts: { groups: { value: [{ toString: 1 }] } } }, '1: groups'],
  ['a class that is none', { facts: { rooted: { class: 9 } } }, '1: rooted'],
])('%s is no record: refused by number and member', async (_, change, reason) => {
  const p = compile(schemas.value, doc([allow('all', { app: 'x', groups: { has: 'a' }, rooted: false })]), { version: 'a' })
  const good = of(schemas.value, { action: 'login' }, allow('all'))
  const bad = change !== null && typeof change === 'object' && !Array.isArray(change) ? { ...good, ...change } : change
  await expect(replay(p, [good, bad as DecisionRecord], { version: () => p })).rejects.toMatchObject({
    code: 'policy.record_invalid',
    reason,
  })
})
