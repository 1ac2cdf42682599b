/** What the gate sees, what may be waived, and what a rollback must prove again. */
import { utf8 } from '@postern/core/bytes'
import { type Box, type Fixture, hashDocument, type PolicyDocument } from '@postern/policy/document'
import { decide } from '@postern/policy/evaluate'
import { encode } from '@postern/policy/facts'
import { mobileSchema } from '@postern/policy/mobile'
import { check, type GateReport, openPolicy, publish, rollback } from '@postern/policy/publish'
import { type DecisionRecord, recorder } from '@postern/policy/replay'
import { defineSchema, hashSchema } from '@postern/policy/schema'
import { memoryStore } from '@postern/store/memory'
import { describe, expect, it } from 'vitest'
import { context, crypto, version } from '../publishing.js'
import { storeRepository } from '../repository.js'
import { allow, deny, doc, small } from '../small.js'

let drawn = 0
const repository = () => storeRepository(memoryStore(), (n) => Uint8Array.from({ length: n }, () => drawn++ & 255))
const never = { action: 'login', amount: 3 } as const
const refused = (promise: Promise<unknown>): Promise<GateReport> =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => {
      expect(error).toMatchObject({ code: 'policy.publish_refused' })
      return (error as Error).cause as GateReport
    },
  )

describe('the report', () => {
  it('tells all at once: examples, analysis, coverage; what does not refuse is a notice', async () => {
    const draft = await version(1, null, {
      rules: [allow('login', { action: 'login' }), allow('never', never), allow('same', { action: 'login', app: 'x' })],
      invariants: [{ never: 'allow', when: { action: 'login', rooted: true } }],
      fixtures: [{ name: 'wrong', facts: { action: 'login' }, expect: { outcome: 'deny' } }],
    })
    const report = await check(draft, context(repository()))
    expect(report.ok).toBe(false)
    expect(report.findings.map(({ kind, severity, waived }) => [kind, severity, waived])).toEqual([
      ['fixture', 'error', null],
      ['unsatisfiable', 'error', null],
      ['invariant', 'error', null],
    ])
    expect(report.findings[0]).toMatchObject({ at: '/fixtures/0', text: 'wrong: got allow (rule, null).' })
    expect(report.notices.map(({ kind }) => kind)).toContain('redundant')
    expect(report.notices.every(({ severity }) => severity !== 'error')).toBe(true)
    expect(report.fixtures).toEqual([{ name: 'wrong', ok: false, got: 'allow', cause: 'rule', reason: null }])
    expect(report.coverage.unmatched).toEqual(['never', 'same'])
    expect([report.diff, report.impact]).toEqual([null, null])
  })

  it('an example that cannot be asked says so', async () => {
    const draft = await version(1, null, { fixtures: [{ name: 'odd', facts: { nosuch: 1 }, expect: { outcome: 'deny' } }] })
    expect((await check(draft, context(repository()))).findings).toMatchObject([
      { kind: 'fixture', text: expect.stringMatching(/^odd: it names/) },
    ])
  })

  it('what cannot be read is one finding, with its pointer, and nothing was compiled', async () => {
    const draft = await version(1, null)
    const ctx = context(repository())
    expect((await check({ ...draft, schema: 'sha256:other' }, ctx)).findings).toMatchObject([
      { kind: 'schema', at: '/schema', fingerprint: null },
    ])
    const report = await check({ ...draft, rules: [allow('x', { nosuch: 1 })] }, ctx)
    expect(report).toMatchObject({
      ok: false,
      fixtures: [],
      findings: [{ kind: 'invalid', at: '/rules/0/when/nosuch', fingerprint: null }],
    })
    expect(report.version).toMatch(/^sha256:/)
    expect((await check({ ...draft, invariants: [{ never: 'allow', when: { nosuch: 1 } }] }, ctx)).findings).toMatchObject([
      { kind: 'invalid', at: '/invariants/0/when/nosuch', fingerprint: null },
    ])
    expect(await check('{', ctx)).toMatchObject({ ok: false, version: null, findings: [{ kind: 'invalid' }] })
    // Nobody's word helps there.
    await refused(
      publish({ ...draft, schema: 'sha256:other' }, { ...ctx, waivers: [{ fingerprint: 'null', by: 'x', why: 'y' }] }),
    )
  })

  it('shows what changes against the parent, and what the records would have got', async () => {
    const ctx = context(repository())
    const first = await publish(await version(1, null), ctx)
    const record = recorder(first.compiled)
    const asked = [0, 1, 2, 3].map((amount): DecisionRecord => {
      const facts = encode(small, { action: 'confirm', amount, rooted: false })
      return record(facts, decide(first.compiled, facts), 1)
    })
    const report = await check(await version(3, first.version), { ...ctx, records: asked })
    expect(report.diff?.changes.map(({ from, to }) => [from, to])).toEqual([['default', 'allow']])
    expect(report.impact).toEqual({
      total: 4,
      same: 2,
      changed: [{ from: 'deny', to: 'allow', count: 2, rules: { small: 2 } }],
      undetermined: { count: 0, facts: {}, unreadable: 0 },
    })
    // Neither is there with a parent that is more than is read today.
    const bytes = utf8(' '.repeat(4 * 1024 * 1024 + 1))
    const huge = { ...ctx, repository: { ...ctx.repository, load: async () => bytes } }
    expect((await check(await version(3, await hashDocument(bytes, crypto)), huge)).diff).toBeNull()
    // Without a place where versions live there is nothing to compare with.
    const { repository: _, ...alone } = ctx
    const other = await check(await version(3, first.version), { ...alone, records: asked })
    expect([other.diff, other.impact?.undetermined.unreadable]).toEqual([null, 4])
  })
})

describe('publication', () => {
  it('a waiver lets one finding pass, by its fingerprint, and stands in the entry; one for nothing does not', async () => {
    const repo = repository()
    const draft = await version(1, null, {
      rules: [allow('login', { action: 'login' }), allow('never', never), allow('never2', never)],
    })
    const report = await refused(publish(draft, context(repo)))
    const [one, two] = report.findings.map(({ fingerprint }) => ({
      fingerprint: fingerprint!,
      by: 'chief',
      why: 'kept for March',
    }))
    expect(one!.fingerprint).not.toBe(two!.fingerprint)
    const partly = await refused(publish(draft, context(repo, { waivers: [one!] })))
    expect(partly.findings.map(({ waived }) => waived)).toEqual([one, null])
    expect(await repo.entries()).toEqual([])
    const unused = { fingerprint: '["gap"]', by: 'x', why: 'y' }
    const { version: published } = await publish(draft, context(repo, { waivers: [unused, two!, one!] }))
    expect(await repo.entries()).toEqual([
      { id: 'retail', version: published, previous: null, kind: 'publish', at: 7, by: 'op', waivers: [one, two] },
    ])
  })

  it('a waiver outlives an edit elsewhere', async () => {
    const rules = [allow('login', { action: 'login' }), allow('never', never)]
    const found = async (draft: PolicyDocument) => (await check(draft, context(repository()))).findings[0]!.fingerprint
    expect(await found(await version(1, null, { rules }))).toBe(
      await found(await version(2, null, { rules: [deny('rooted', { rooted: true }), ...rules] })),
    )
  })

  it('a waiver does not pass to what takes the place of the one it names', async () => {
    const found = async (more: Partial<PolicyDocument>) =>
      (await check(await version(1, null, more), context(repository()))).findings.map(({ fingerprint }) => fingerprint!)
    const rules = [allow('login', { action: 'login' })]
    const never = (when: Box) => ({ never: 'allow', when }) as const
    const [one] = await found({ rules, invariants: [never({ app: 'x', rooted: true })] })
    const [other, same] = await found({ rules, invariants: [never({ app: 'y' }), never({ rooted: true, app: 'x' })] })
    expect([other === one, same === one]).toEqual([false, true])
    const wrong = (facts: Fixture['facts']) => ({ name: 'wrong', facts, expect: { outcome: 'deny' } }) as const
    const [first, second] = await found({ rules, fixtures: [wrong({ action: 'login' }), wrong({ action: 'login', app: 'x' })] })
    expect(second).not.toBe(first)
    expect(
      await found({
        rules,
        fixtures: [{ ...wrong({ action: 'login' }), name: 'fine', expect: { outcome: 'allow' } }, wrong({ action: 'login' })],
      }),
    ).toEqual([first])
  })

  it('what changes while it is being published changes nothing: neither the waivers and their author, nor the bytes of a rollback', async () => {
    const repo = repository()
    const rules = [allow('login', { action: 'login' }), allow('never', never)]
    const draft = await version(1, null, { rules })
    const fingerprint = (await check(draft, context(repo))).findings[0]!.fingerprint!
    const waiver = { fingerprint, by: 'chief', why: 'March' }
    const ctx = context(repo, { waivers: [waiver] })
    const late = async () => {
      Object.assign(waiver, { by: 'nobody' })
      Object.assign(ctx, { by: 'nobody' })
      return true
    }
    const first = await publish(draft, Object.assign(ctx, { approve: late }))
    expect(await repo.entries()).toMatchObject([{ by: 'op', waivers: [{ by: 'chief' }] }])
    await publish(await version(2, first.version), context(repo))
    const stored = (await repo.load(first.version))!.slice()
    const lent = { ...repo, load: async (id: string) => (id === first.version ? stored : repo.load(id)) }
    const digest: typeof crypto.digest = async (name, data) => {
      const hash = await crypto.digest(name, data)
      stored.fill(32)
      return hash
    }
    const waivers = [{ fingerprint, by: 'chief', why: 'March' }]
    const back = await rollback('retail', first.version, context(lent, { crypto: { ...crypto, digest }, waivers }))
    expect(back.version).toBe(first.version)
  })

  it('approval comes last, with the whole report; without it nothing is saved', async () => {
    const repo = repository()
    const draft = await version(1, null)
    const seen: GateReport[] = []
    const asked = (answer: boolean) => (report: GateReport) => {
      seen.push(report)
      return answer
    }
    await refused(publish(draft, context(repo, { approve: asked(false) })))
    expect([await repo.head('retail'), seen.length, seen[0]!.ok]).toEqual([null, 1, true])
    await publish(draft, context(repo, { approve: asked(true) }))
    await refused(publish(await version(2, null, { rules: [allow('never', never)] }), context(repo, { approve: asked(true) })))
    expect(seen.length).toBe(2)
  })

  it('an approval that fails publishes nothing', async () => {
    const repo = repository()
    const approve = () => Promise.reject(new Error('board'))
    await expect(publish(await version(1, null), context(repo, { approve }))).rejects.toThrow('board')
    expect(await repo.entries()).toEqual([])
  })

  it('a draft of an older head is in conflict, and told the head to edit from', async () => {
    const ctx = context(repository())
    const first = await publish(await version(1, null), ctx)
    const second = await publish(await version(2, first.version), ctx)
    for (const parent of [null, first.version]) {
      const error = await publish(await version(3, parent), ctx).catch((one: unknown) => one)
      expect(error).toMatchObject({ code: 'policy.head_conflict', cause: { version: second.version } })
    }
  })
})

describe('rollback', () => {
  const boxed = (id: string, when: Box) => allow(id, when)
  async function line(...rules: (readonly ReturnType<typeof allow>[])[]) {
    const repo = repository()
    const ctx = context(repo)
    const versions: string[] = []
    for (const [i, some] of rules.entries()) {
      const draft = await version(i, versions.at(-1) ?? null, { rules: some })
      const waivers = (await check(draft, ctx)).findings.map(({ fingerprint }) => ({
        fingerprint: fingerprint!,
        by: 'x',
        why: 'y',
      }))
      versions.push((await publish(draft, { ...ctx, waivers })).version)
    }
    return { repo, ctx, versions }
  }

  it('points back, with an entry of its own, and can be followed', async () => {
    const { repo, ctx, versions } = await line([allow('a')], [allow('a'), deny('r', { rooted: true })])
    const back = await rollback('retail', versions[0]!, ctx)
    expect([back.version, back.previous]).toEqual([versions[0], versions[1]])
    expect((await repo.entries()).map(({ kind }) => kind)).toEqual(['publish', 'publish', 'rollback'])
    await publish(await version(9, versions[0]!), ctx)
  })

  it('a rule that was of no use then is of no use now: that was waived once', async () => {
    const { ctx, versions } = await line([allow('a'), allow('never', never)], [allow('a')])
    expect((await rollback('retail', versions[0]!, ctx)).version).toBe(versions[0])
  })

  it('an example or an invariant that does not hold refuses again, and can be waived again', async () => {
    const repo = repository()
    const ctx = context(repo)
    for (const more of [
      { fixtures: [{ name: 'x', facts: { action: 'login' }, expect: { outcome: 'deny' as const } }] },
      { invariants: [{ never: 'allow' as const, when: { action: 'login' } }] },
    ]) {
      const head = (await repo.head('retail'))?.version ?? null
      const draft = await version(1, head, { rules: [allow('a')], ...more })
      const waivers = (await check(draft, ctx)).findings.map(({ fingerprint }) => ({
        fingerprint: fingerprint!,
        by: 'x',
        why: 'y',
      }))
      const bad = await publish(draft, { ...ctx, waivers })
      await publish(await version(2, bad.version), ctx)
      const report = await refused(rollback('retail', bad.version, ctx))
      expect(report.findings.length).toBe(1)
      const again = await rollback('retail', bad.version, { ...ctx, waivers })
      expect((await repo.entries()).at(-1)).toMatchObject({ version: again.version, waivers })
    }
  })

  const facts = {
    action: { type: 'enum', values: ['login', 'confirm'], mandatory: true },
    'os.version': { type: 'version' },
    'os.platform': { type: 'enum', values: ['ios', 'android'] },
  } as const
  const phones = defineSchema({ id: 'phones', facts })

  it('who can log in today is not locked out by going back, unless that is waived', async () => {
    const repo = repository()
    const ctx = { schema: phones, crypto, repository: repo, clock: () => 7, by: 'op' }
    const of = async (parent: string | null, ...rules: ReturnType<typeof allow>[]) =>
      doc(rules, { id: 'retail', schema: await hashSchema(phones, crypto), parent, acr: { levels: {} }, fallback: [] })
    const old = (lt: string) => deny('old', { 'os.version': { lt } })
    const strict = await publish(await of(null, boxed('a', {}), old('16.4')), ctx)
    const middle = await publish(await of(strict.version, boxed('a', {}), old('15')), ctx)
    const open = await publish(await of(middle.version, boxed('a', {})), ctx)
    const report = await refused(rollback('retail', middle.version, ctx))
    expect(report.findings.map(({ kind }) => kind)).toEqual(['lock-out'])
    const waivers = report.findings.map(({ fingerprint }) => ({ fingerprint: fingerprint!, by: 'chief', why: 'breach' }))
    const back = await rollback('retail', middle.version, { ...ctx, waivers })
    expect([back.previous, (await repo.entries()).at(-1)!.waivers]).toEqual([open.version, waivers])
    // The strict version locks out more than the head does: what lies below 15 is out already.
    const further = await refused(rollback('retail', strict.version, ctx))
    expect(further.findings.length).toBe(1)
    await rollback('retail', strict.version, {
      ...ctx,
      waivers: further.findings.map(({ fingerprint }) => ({ fingerprint: fingerprint!, by: 'x', why: 'y' })),
    })
    // And the other way round nobody is locked out who was let in.
    await rollback('retail', middle.version, ctx)
    expect((await repo.head('retail'))!.version).toBe(middle.version)
  })

  it('only to a version of this policy that is there, whole, and of today’s schema', async () => {
    const { repo, ctx, versions } = await line([allow('a')], [allow('b')])
    const first = versions[0]!
    const unknown = { code: 'policy.version_unknown' }
    await expect(rollback('retail', 'sha256:none', ctx)).rejects.toMatchObject(unknown)
    await expect(rollback('wholesale', first, ctx)).rejects.toMatchObject(unknown)
    const other = { ...repo, head: async () => ({ version: versions[1]! }) }
    await expect(rollback('wholesale', first, { ...ctx, repository: other })).rejects.toMatchObject(unknown)
    const bent = { ...repo, load: async (id: string) => (await repo.load(id))!.map((byte, i) => (i === 9 ? byte ^ 1 : byte)) }
    await expect(rollback('retail', first, { ...ctx, repository: bent })).rejects.toMatchObject({ code: 'policy.hash_mismatch' })
    await refused(rollback('retail', first, { ...ctx, schema: mobileSchema as never }))
    expect((await repo.entries()).length).toBe(2)
  })

  it('a head that was damaged can be left behind, and is compared with nothing', async () => {
    const { repo, ctx, versions } = await line([allow('a')], [allow('b')])
    const bent = async (id: string) => (await repo.load(id))!.map((byte, i) => (id === versions[1] && i === 9 ? byte ^ 1 : byte))
    const reports: GateReport[] = []
    const approve = (report: GateReport) => reports.push(report) > 0
    await rollback('retail', versions[0]!, { ...ctx, repository: { ...repo, load: bent }, approve })
    expect([reports[0]!.diff, (await repo.head('retail'))!.version]).toEqual([null, versions[0]])
  })

  it('bytes that change while they are opened change nothing', async () => {
    const { repo, versions } = await line([allow('a')])
    const bytes = (await repo.load(versions[0]!))!
    const opening = openPolicy(small, { version: versions[0]!, bytes }, crypto)
    bytes.fill(0)
    expect((await opening).version).toBe(versions[0])
  })
})
