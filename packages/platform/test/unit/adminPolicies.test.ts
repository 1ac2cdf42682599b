import type { PolicyDocument } from '@postern/policy/document'
import { describe, expect, it } from 'vitest'
import { createStaffed, type Staffed } from '../support/operators.js'

/** The head as a document to edit from, with one more rule. */
async function edited(staffed: Staffed, id: string, change: Partial<PolicyDocument> = {}): Promise<PolicyDocument> {
  const { body } = await staffed.call('GET', '/policies/main')
  const rule = { id, effect: 'deny', mode: 'enforce', reason: 'policy.denied', when: { action: 'login', 'app.id': id } }
  return { ...body.document, parent: body.version, rules: [...body.document.rules, rule], ...change } as PolicyDocument
}

async function drafted(staffed: Staffed, id: string): Promise<string> {
  const answer = await staffed.call('POST', '/policies/main/versions', { body: await edited(staffed, id) })
  expect(answer.body.report.findings.filter(({ severity }: { severity: string }) => severity === 'error')).toEqual([])
  expect(answer.status).toBe(201)
  return answer.body.version
}

const match = (version: string) => ({ 'if-match': `"${version}"` })

describe('policies', () => {
  it('shows what is in force, with the version as its ETag', async () => {
    const { call } = await createStaffed()
    const head = await call('GET', '/policies/main')
    expect(head.body.version).toMatch(/^sha256:/)
    expect(head.headers.get('etag')).toBe(`"${head.body.version}"`)
    expect(head.body.document.id).toBe('main')
    expect((await call('GET', '/policies/other')).status).toBe(404)
  })

  it('a draft is checked, kept, published, in force, and taken back', async () => {
    const staffed = await createStaffed()
    const { call, events } = staffed
    const first = (await call('GET', '/policies/main')).body.version
    const version = await drafted(staffed, 'retail')
    expect((await call('GET', '/policies/main')).body.version).toBe(first)
    staffed.bank.clock.advance(1_000)
    const published = await call('POST', '/policies/main/publish', { body: { version }, headers: match(first) })
    expect(published.body).toMatchObject({ id: 'main', version })
    expect(published.headers.get('etag')).toBe(`"${version}"`)
    const asked = { body: { facts: { action: 'login', 'app.id': 'retail' } } }
    expect((await call('POST', '/policies/main/decide', asked)).body.decision.matched).toContain('retail')
    staffed.bank.clock.advance(1_000)
    const back = await call('POST', '/policies/main/rollback', { body: { to: first }, headers: match(version) })
    expect(back.body.version).toBe(first)
    expect((await call('POST', '/policies/main/decide', asked)).body.decision.matched).not.toContain('retail')
    const { versions } = (await call('GET', '/policies/main/versions')).body
    expect(versions.map(({ kind, by, version: of }: Record<string, string>) => [kind, by, of])).toEqual([
      ['rollback', 'op-7', first],
      ['publish', 'op-7', version],
      ['publish', 'start-up', first],
    ])
    expect((await events('policy.published')).at(0)).toMatchObject({ operator: 'op-7', detail: { policy: 'main', version } })
    expect(await events('policy.rolled_back')).toHaveLength(1)
    expect((await events('admin.changed')).at(0)).toMatchObject({ operator: 'op-7', detail: { change: 'draft', version } })
  })

  it('a draft with errors: the report says all of them, nothing is kept', async () => {
    const staffed = await createStaffed()
    const { call } = staffed
    const head = (await call('GET', '/policies/main')).body.version
    const bad = await edited(staffed, 'retail', {
      fixtures: [{ name: 'wrong', facts: { action: 'login' }, expect: { outcome: 'allow' } }],
    })
    const answer = await call('POST', '/policies/main/versions', { body: bad })
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ version: null, report: { ok: false } })
    const known = answer.body.report.version ?? `sha256:${'A'.repeat(43)}`
    const publish = await call('POST', '/policies/main/publish', { body: { version: known }, headers: match(head) })
    expect(publish.body.code).toBe('policy.version_unknown')
    const foreign = await edited(staffed, 'retail', { id: 'other' } as never)
    expect((await call('POST', '/policies/main/versions', { body: foreign })).status).toBe(400)
  })

  it('a publication names the head it replaces: 428 without, 412 with what stands now', async () => {
    const staffed = await createStaffed()
    const { call } = staffed
    const first = (await call('GET', '/policies/main')).body.version
    const version = await drafted(staffed, 'one')
    expect((await call('POST', '/policies/main/publish', { body: { version } })).status).toBe(428)
    await call('POST', '/policies/main/publish', { body: { version }, headers: match(first) })
    const late = await call('POST', '/policies/main/rollback', { body: { to: first }, headers: match(first) })
    expect(late.status).toBe(412)
    expect(late.body.current.version).toBe(version)
    expect(late.headers.get('etag')).toBe(`"${version}"`)
  })

  it('a draft that was edited from another head than the one in force is refused, whatever its sender has seen', async () => {
    const staffed = await createStaffed()
    const { call } = staffed
    const first = (await call('GET', '/policies/main')).body.version
    const [one, two] = [await drafted(staffed, 'one'), await drafted(staffed, 'two')]
    await call('POST', '/policies/main/publish', { body: { version: one }, headers: match(first) })
    const late = await call('POST', '/policies/main/publish', { body: { version: two }, headers: match(one) })
    expect(late).toMatchObject({ status: 412, body: { code: 'policy.head_conflict' } })
    const elsewhere = await call('POST', '/policies/other/publish', { body: { version: two }, headers: { 'if-none-match': '*' } })
    expect(elsewhere).toMatchObject({ status: 404, body: { code: 'policy.version_unknown' } })
    expect((await call('GET', '/policies/main')).body.version).toBe(one)
  })

  it('two publishers who saw the same head: exactly one wins, and the head is his', async () => {
    const staffed = await createStaffed()
    const { call } = staffed
    const first = (await call('GET', '/policies/main')).body.version
    const drafts = [await drafted(staffed, 'one'), await drafted(staffed, 'two'), await drafted(staffed, 'three')]
    const answers = await Promise.all(
      drafts.map((version) => call('POST', '/policies/main/publish', { body: { version }, headers: match(first) })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412])
    const head = (await call('GET', '/policies/main')).body.version
    expect(answers.find(({ status }) => status === 200)!.body.version).toBe(head)
    for (const lost of answers.filter(({ status }) => status === 412)) expect(lost.body.current.version).toBe(head)
    expect((await call('GET', '/policies/main/versions')).body.versions).toHaveLength(2)
  })

  it('a publication and a rollback race: the rollback undoes nothing it has not seen', async () => {
    const staffed = await createStaffed()
    const { call } = staffed
    const zero = (await call('GET', '/policies/main')).body.version
    const one = await drafted(staffed, 'one')
    await call('POST', '/policies/main/publish', { body: { version: one }, headers: match(zero) })
    const two = await drafted(staffed, 'two')
    const answers = await Promise.all([
      call('POST', '/policies/main/publish', { body: { version: two }, headers: match(one) }),
      call('POST', '/policies/main/rollback', { body: { to: zero }, headers: match(one) }),
    ])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412])
  })

  it('a publication that falls between a rollback and its write is not undone by it', async () => {
    const staffed = await createStaffed()
    const { call, bank } = staffed
    const zero = (await call('GET', '/policies/main')).body.version
    const one = await drafted(staffed, 'one')
    await call('POST', '/policies/main/publish', { body: { version: one }, headers: match(zero) })
    const two = await drafted(staffed, 'two')
    const store = bank.store as { -readonly [K in keyof typeof bank.store]: (typeof bank.store)[K] }
    const read = store.read
    let looks = 0
    store.read = async (part, keys, o) => {
      // The first look at the head is the precondition's; before the second, somebody else publishes.
      if (keys.includes('head/main') && (looks += 1) === 2)
        expect((await call('POST', '/policies/main/publish', { body: { version: two }, headers: match(one) })).status).toBe(200)
      return read(part, keys, o)
    }
    const late = await call('POST', '/policies/main/rollback', { body: { to: zero }, headers: match(one) })
    expect(late).toMatchObject({ status: 412, body: { current: { version: two } } })
    expect((await call('GET', '/policies/main')).body.version).toBe(two)
  })

  it('a decision comes with its explanation, from the same facts; unknown facts are refused by name', async () => {
    const { call } = await createStaffed()
    const facts = { action: 'login', 'app.id': 'retail', 'user.status': 'blocked' }
    const { body } = await call('POST', '/policies/main/decide', { body: { facts } })
    expect(body.decision).toMatchObject({ outcome: 'deny', reason: body.explanation.reason })
    expect(body.explanation).toMatchObject({ audience: 'operator', outcome: 'deny' })
    expect(body.explanation.rules.length).toBeGreaterThan(3)
    const unknown = await call('POST', '/policies/main/decide', { body: { facts: { ...facts, 'user.shoeSize': 44 } } })
    expect(unknown).toMatchObject({ status: 400, body: { code: 'admin.invalid' } })
    expect((await call('POST', '/policies/main/decide', { body: { facts: { 'app.id': 'retail' } } })).status).toBe(400)
  })
})
