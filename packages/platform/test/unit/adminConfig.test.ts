import type { PosternEvent } from '@postern/core/events'
import { describe, expect, it } from 'vitest'
import { createPhone } from '../support/bank.js'
import { createStaffed } from '../support/operators.js'

const app = { name: 'Payments', registration: 'open' }

describe('apps, versions, rules for systems', () => {
  it('creates once, replaces what was read, and tells both', async () => {
    const { call, events } = await createStaffed()
    const created = await call('PUT', '/apps/payments', { body: app, headers: { 'if-none-match': '*' } })
    expect(created.status).toBe(201)
    expect(created.body).toEqual({ id: 'payments', ...app })
    const again = await call('PUT', '/apps/payments', { body: app, headers: { 'if-none-match': '*' } })
    expect(again.status).toBe(412)
    expect(again.body.current).toEqual(created.body)
    const read = await call('GET', '/apps/payments')
    expect(read.headers.get('etag')).toBe(created.headers.get('etag'))
    const closed = await call('PUT', '/apps/payments', {
      body: { ...read.body, registration: 'closed' },
      headers: { 'if-match': read.headers.get('etag')! },
    })
    expect(closed.status).toBe(200)
    expect(closed.headers.get('etag')).not.toBe(read.headers.get('etag'))
    const told = (await events('admin.changed')) as readonly PosternEvent[]
    expect(told.map(({ operator, detail }) => ({ operator, ...detail }))).toEqual([
      { operator: 'op-7', resource: 'apps/payments', change: 'update', fields: 'registration' },
      { operator: 'op-7', resource: 'apps/payments', change: 'create', fields: 'id,name,registration' },
    ])
  })

  it('asks a write what it was made from: 428 without, with a wildcard, a weak tag or a list; 400 with two answers', async () => {
    const { call } = await createStaffed()
    const etag = (await call('GET', '/apps/retail')).headers.get('etag')!
    for (const headers of [
      {},
      { 'if-match': '*' },
      { 'if-match': `W/${etag}` },
      { 'if-match': `${etag}, "x"` },
      { 'if-none-match': etag },
    ])
      expect((await call('PUT', '/apps/retail', { body: app, headers: headers as Record<string, string> })).status).toBe(428)
    const both = { 'if-match': etag, 'if-none-match': '*' }
    expect((await call('PUT', '/apps/retail', { body: app, headers: both })).status).toBe(400)
    expect((await call('GET', '/apps/retail')).headers.get('etag')).toBe(etag)
  })

  it('answers a stale write with what stands, and one of nothing with nothing', async () => {
    const { call } = await createStaffed()
    const old = (await call('GET', '/apps/retail')).headers.get('etag')!
    const now = await call('PUT', '/apps/retail', { body: app, headers: { 'if-match': old } })
    const late = await call('PUT', '/apps/retail', { body: { ...app, name: 'Lost' }, headers: { 'if-match': old } })
    expect(late.status).toBe(412)
    expect(late.body.current).toEqual(now.body)
    expect(late.headers.get('etag')).toBe(now.headers.get('etag'))
    const nothing = await call('PUT', '/apps/none', { body: app, headers: { 'if-match': old } })
    expect(nothing.status).toBe(412)
    expect(nothing.body.current).toBeNull()
  })

  it('two concurrent writes with one ETag: one 200, one 412, one event', async () => {
    const { call, events } = await createStaffed()
    const etag = (await call('GET', '/apps/retail')).headers.get('etag')!
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        call('PUT', '/apps/retail', { body: { ...app, name: `Writer ${i}` }, headers: { 'if-match': etag } }),
      ),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(19)
    const winner = answers.find(({ status }) => status === 200)!.body
    expect((await call('GET', '/apps/retail')).body).toEqual(winner)
    expect(await events('admin.changed')).toHaveLength(1)
  })

  it('answers 304 to a reader that has it already, and 200 again once it changed', async () => {
    const { call } = await createStaffed()
    for (const path of ['/apps/retail', '/apps', '/graphs']) {
      const etag = (await call('GET', path)).headers.get('etag')!
      expect((await call('GET', path, { headers: { 'if-none-match': `"other", W/${etag}` } })).status).toBe(304)
    }
    const etag = (await call('GET', '/apps/retail')).headers.get('etag')!
    await call('PUT', '/apps/retail', { body: app, headers: { 'if-match': etag } })
    expect((await call('GET', '/apps/retail', { headers: { 'if-none-match': etag } })).status).toBe(200)
  })

  it('a version: kept in the form in which it is compared; a signature that could match nothing is refused', async () => {
    const { call } = await createStaffed()
    const path = '/apps/retail/versions/android/6.0.0'
    const digest = `${'AB:'.repeat(31)}AB`
    const headers = { 'if-none-match': '*' }
    const wrong = await call('PUT', path, { body: { status: 'enabled', signatures: ['abc'] }, headers })
    expect(wrong.body.code).toBe('json.shape')
    const created = await call('PUT', path, {
      body: { status: 'enabled', signatures: [digest, 'A1B2C3D4E5.com.bank.retail'] },
      headers,
    })
    expect(created.status).toBe(201)
    expect(created.body).toEqual({
      status: 'enabled',
      signatures: ['ab'.repeat(32), 'A1B2C3D4E5.com.bank.retail'],
      sealed: false,
    })
    expect((await call('GET', '/apps/retail/versions')).body.versions).toContainEqual({
      platform: 'android',
      version: '6.0.0',
      ...created.body,
    })
    expect(
      (await call('PUT', '/apps/none/versions/android/1.0', { body: { status: 'enabled', signatures: [] }, headers })).status,
    ).toBe(404)
  })

  it('a version that is switched off registers no instance from the next request on', async () => {
    const { bank, call } = await createStaffed()
    const path = '/apps/retail/versions/other/5.2.0'
    expect((await (await createPhone(bank, 1)).enrolInstance()).status).toBe(201)
    const { body, headers } = await call('GET', path)
    await call('PUT', path, { body: { ...body, status: 'disabled' }, headers: { 'if-match': headers.get('etag')! } })
    expect(await (await createPhone(bank, 2)).enrolInstance()).toMatchObject({ status: 403, body: { code: 'app.disabled' } })
  })

  it('a rule for a system: versions in canonical form, none that cannot be read, in force at once', async () => {
    const { bank, call } = await createStaffed()
    const headers = { 'if-none-match': '*' }
    expect((await call('PUT', '/os-rules/other', { body: { min: 'Tiramisu', blocked: [] }, headers })).status).toBe(400)
    const made = await call('PUT', '/os-rules/other', { body: { min: '15', blocked: ['15.4.0.0'] }, headers })
    expect(made.body).toEqual({ min: '15.0', blocked: ['15.4'] })
    expect((await (await createPhone(bank)).enrolInstance()).body).toMatchObject({ code: 'os.outdated' })
    expect((await call('GET', '/os-rules')).body.os_rules).toEqual([{ platform: 'other', ...made.body }])
  })

  it('refuses addresses whose ids could not be keys', async () => {
    const { call } = await createStaffed()
    for (const path of ['/apps/Big', '/apps/a%2fb', '/apps/..%2fhead', '/os-rules/%00', '/devices/short', '/apps/'])
      expect((await call('GET', path)).status).toBe(404)
  })
})
