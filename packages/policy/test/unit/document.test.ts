import { createCrypto } from '@postern/core/crypto'
import { isPosternError } from '@postern/core/errors'
import { compile } from '@postern/policy/compile'
import { hashDocument, type PolicyDocument, parseDocument } from '@postern/policy/document'
import { decide } from '@postern/policy/evaluate'
import { explain } from '@postern/policy/explain'
import { mobileSchema, starterDocument } from '@postern/policy/mobile'
import { check, type Entry, openPolicy, type PolicyRepository, publish, rollback } from '@postern/policy/publish'
import { hashSchema } from '@postern/policy/schema'
import { clockIn } from '@postern/policy/time'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rules } from '../arbitraries.js'
import { allow, deny, doc, small } from '../small.js'

const crypto = createCrypto()
const codeOf = (run: () => unknown): readonly [string, string | null] | null => {
  try {
    run()
    return null
  } catch (error) {
    if (!isPosternError(error)) throw error
    return [error.code, error.reason]
  }
}
const load = (d: unknown): unknown => compile(small, parseDocument(JSON.stringify(d)).document)

describe('documents', () => {
  it.each<[string, unknown, string]>([
    ['unknown fact', doc([allow('a', { amuont: 1 })]), '/rules/0/when/amuont'],
    ['unknown operator', doc([allow('a', { amount: { $eq: 1 } as never })]), '/rules/0/when/amount/$eq'],
    ['operator of another type', doc([allow('a', { rooted: { lt: 1 } })]), '/rules/0/when/rooted'],
    ['unknown enum value', doc([deny('a', { platform: 'symbian' })]), '/rules/0/when/platform'],
    ['unknown member of a set', doc([deny('a', { groups: { has: 'z' } })]), '/rules/0/when/groups/has'],
    ['unknown effect', doc([{ ...allow('a'), effect: 'permit' } as never]), '/rules/0/effect'],
    ['unknown member', doc([{ ...allow('a'), wehn: {} } as never]), '/rules/0/wehn'],
    ['a fraction', doc([allow('a', { amount: 1.5 })]), '/rules/0/when/amount'],
    ['outside the fact', doc([allow('a', { amount: 9 })]), '/rules/0/when/amount'],
    ['an id twice', doc([allow('a'), allow('a')]), '/rules/1/id'],
    ['null', doc([allow('a', { amount: null as never })]), '/rules/0/when/amount'],
    ['an empty operator object', doc([allow('a', { amount: {} })]), '/rules/0/when/amount'],
    ['bounds given twice', doc([allow('a', { amount: { lt: 1, lte: 2 } })]), '/rules/0/when/amount'],
    ['another format', { ...doc([]), format: 2 }, '/format'],
    ['a fallback to itself', doc([], { fallback: [{ from: 'pin', to: ['pin'], on: ['failed'] }] }), '/fallback/0/to/0'],
  ])('%s is refused with a pointer', (_, document, pointer) => {
    expect(codeOf(() => load(document))).toEqual(['policy.document_invalid', pointer])
  })

  it('duplicate members, prototype keys and numbers beyond I-JSON are refused', () => {
    const text = JSON.stringify(doc([allow('a', { amount: 1 })]))
    for (const bad of [
      text.replace('"format"', '"format":1,"format"'),
      text.replace('"amount"', '"__proto__"'),
      text.replace('"amount":1', '"amount":9007199254740993'),
      '{',
      '',
    ])
      expect(codeOf(() => parseDocument(bad))?.[0]).toBe('policy.document_invalid')
  })

  it('what is too large is refused before it is compiled', () => {
    const many = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
    expect(codeOf(() => load(doc(many(10_001).map((i) => allow(`r${i}`)))))?.[0]).toBe('policy.too_large')
    expect(codeOf(() => load(doc([allow('a', { app: many(4097).map(String) })])))?.[0]).toBe('policy.too_large')
    expect(codeOf(() => load(doc([{ ...allow('a'), anyOf: many(65).map(() => ({})) }])))?.[0]).toBe('policy.too_large')
    expect(codeOf(() => parseDocument(' '.repeat(4 * 1024 * 1024 + 1)))?.[0]).toBe('policy.too_large')
  })

  it('parse of canonical is the document, and the hash knows neither member order nor white space', async () => {
    await fc.assert(
      fc.asyncProperty(rules, async (found) => {
        const { document, bytes } = parseDocument(doc(found))
        expect(parseDocument(bytes).document).toEqual(document)
        const reversed = JSON.stringify(
          Object.fromEntries(Object.entries(JSON.parse(JSON.stringify(document))).reverse()),
          null,
          2,
        )
        expect(await hashDocument(parseDocument(reversed).bytes, crypto)).toBe(await hashDocument(bytes, crypto))
      }),
      { numRuns: 50 },
    )
  })

  it('from and until bound the time, inclusive and exclusive', () => {
    const p = compile(mobileSchema, doc([{ ...allow('a'), from: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z' }]))
    const at = (time: number) => decide(p, { action: 'login', 'time.at': time }).outcome
    const [from, until] = [Date.UTC(2026, 0, 1), Date.UTC(2026, 1, 1)]
    expect([at(from - 1), at(from), at(until - 1), at(until)]).toEqual(['deny', 'allow', 'allow', 'deny'])
    expect(decide(p, { action: 'login' }).outcome).toBe('deny')
  })

  it('time facts follow the zone', () => {
    const at = Date.UTC(2026, 5, 30, 22, 30)
    expect(clockIn('Europe/Amsterdam')(at)).toEqual({ 'time.at': at, 'time.minuteOfDay': 30, 'time.weekday': 'wed' })
    expect(clockIn('UTC')(at)).toEqual({ 'time.at': at, 'time.minuteOfDay': 1350, 'time.weekday': 'tue' })
  })
})

it('names that no schema knows, and a missing action, are programming errors', () => {
  const p = compile(small, doc([allow('a')]))
  expect(codeOf(() => decide(p, { action: 'login', ammount: 1 } as never))).toEqual(['policy.fact_unknown', 'ammount'])
  expect(codeOf(() => decide(p, {} as never))?.[0]).toBe('policy.action_missing')
})

it('explain lists every rule with exactly what failed, and a user is told no rule', () => {
  const p = compile(
    small,
    doc([deny('root', { rooted: true, amount: { gt: 2 } }), allow('use', { version: { gte: '2' }, app: 'x' })]),
  )
  const facts = { action: 'confirm', amount: 1, version: '1.0', app: 'x' } as const
  expect(explain(p, facts, { audience: 'operator' }).rules).toEqual([
    {
      id: 'root',
      effect: 'deny',
      mode: 'enforce',
      result: 'failed',
      unknown: ['rooted'],
      failed: [{ fact: 'amount', seen: 1, needed: { gt: 2 } }],
    },
    {
      id: 'use',
      effect: 'allow',
      mode: 'enforce',
      result: 'failed',
      unknown: [],
      failed: [{ fact: 'version', seen: '1.0', needed: { gte: '2' } }],
    },
  ])
  expect(explain(p, facts, { audience: 'user' })).toEqual({
    audience: 'user',
    outcome: 'deny',
    reason: 'policy.denied',
    message: null,
    remedies: [],
  })
})

function memory(): PolicyRepository & { readonly entries: Entry[] } {
  const [heads, versions, entries] = [new Map<string, string>(), new Map<string, Uint8Array>(), [] as Entry[]]
  return {
    entries,
    head: async (id) => (heads.has(id) ? { version: heads.get(id)! } : null),
    load: async (version) => versions.get(version) ?? null,
    async save(entry, expect) {
      if ((heads.get(entry.id) ?? null) !== expect) return 'conflict'
      heads.set(entry.id, entry.version)
      versions.set(entry.version, entry.bytes)
      entries.push(entry)
      return 'saved'
    },
  }
}

describe('the gate', async () => {
  const schema = await hashSchema(mobileSchema, crypto)
  const starter = starterDocument({
    id: 'bank',
    schema,
    levels: { pin: 1, 'device-key': 1, 'device-key+pin': 2 },
    login: 1,
    confirm: 2,
    osMinimum: { ios: '16.4', android: '13' },
  })
  const ctx = () => ({ schema: mobileSchema, crypto, repository: memory(), clock: () => 7, by: 'op' })
  const without = (id: string): PolicyDocument => ({ ...starter, rules: starter.rules.filter((rule) => rule.id !== id) })

  it('the starter document passes, and a rule taken out of it is missed by its invariants', async () => {
    expect((await check(starter, ctx())).findings).toEqual([])
    const report = await check(without('device-rooted'), ctx())
    expect(report.ok).toBe(false)
    expect(report.findings).toMatchObject([
      { kind: 'invariant', at: '/invariants/0', witness: { 'device.integrity.rooted': true } },
    ])
  })

  it('a rule that no request can match is found, scopes and sets included', async () => {
    for (const when of [
      { 'os.platform': 'ios', 'device.integrity.bootState': 'verified' },
      { 'os.platform': 'ios', 'device.integrity.keyLevel': 'tee' },
      { action: 'login', 'transaction.amount': { gt: 1 } },
      { 'user.groups': { has: 'a', hasNone: ['a'] } },
      { 'app.build': { gt: 5, lt: 6 } },
    ] as const) {
      const report = await check({ ...starter, rules: [...starter.rules, allow('never', when)] }, ctx())
      expect(report.findings.map(({ kind }) => kind)).toEqual(['unsatisfiable'])
    }
  })

  it('a fixture that comes out otherwise refuses, and so does another schema', async () => {
    const wrong = { ...starter, fixtures: [{ name: 'x', facts: { action: 'login' }, expect: { outcome: 'allow' as const } }] }
    await expect(publish(wrong, ctx())).rejects.toMatchObject({ code: 'policy.publish_refused' })
    expect((await check({ ...starter, schema: 'sha256:other' }, ctx())).findings).toMatchObject([{ kind: 'schema' }])
  })

  it('of publishers from one head exactly one wins; rollback points back', async () => {
    const context = ctx()
    const first = await publish(starter, context)
    const edit = (zone: string) => ({ ...starter, zone, parent: first.version })
    const tried = await Promise.allSettled(['Europe/Amsterdam', 'Europe/Paris'].map((zone) => publish(edit(zone), context)))
    expect(tried.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(tried.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'policy.head_conflict' } })
    const back = await rollback('bank', first.version, context)
    expect((await context.repository.head('bank'))?.version).toBe(back.version)
    expect(context.repository.entries.map(({ kind }) => kind)).toEqual(['publish', 'publish', 'rollback'])
    await expect(rollback('bank', 'sha256:none', context)).rejects.toMatchObject({ code: 'policy.version_unknown' })
    const bytes = (await context.repository.load(first.version))!
    expect((await openPolicy(mobileSchema, { version: first.version, bytes }, crypto)).version).toBe(first.version)
    await expect(openPolicy(mobileSchema, { version: 'sha256:x', bytes }, crypto)).rejects.toMatchObject({
      code: 'policy.hash_mismatch',
    })
    await expect(openPolicy(small, { version: first.version, bytes }, crypto)).rejects.toMatchObject({
      code: 'policy.schema_mismatch',
    })
  })

  it('A22 under the starter document no signal may be missing, one by one', () => {
    const p = compile(mobileSchema, starter)
    const sound = {
      action: 'token.refresh',
      'os.platform': 'ios',
      'os.version': '17.0',
      'app.versionStatus': 'enabled',
      'app.signature': 'match',
      'device.locked': false,
      'user.status': 'active',
      'device.integrity.rooted': false,
      'device.integrity.debugger': false,
      'device.integrity.emulator': false,
      'device.integrity.hooked': false,
      'device.integrity.tampered': false,
    } as const
    expect(decide(p, sound).outcome).toBe('allow')
    // A platform left out may be any, and this device would be let in on each of them.
    for (const name of Object.keys(sound).filter((n) => n !== 'action' && n !== 'os.platform')) {
      const { [name as 'os.version']: _, ...rest } = sound
      expect([name, decide(p, rest as typeof sound).outcome]).toEqual([name, 'deny'])
    }
  })
})
