import { describe, expect, it } from 'vitest'
import { createPhone } from '../support/bank.js'
import { createStaffed, type Staffed } from '../support/operators.js'

async function enrolled({ bank }: Staffed, seed = 1) {
  const phone = await createPhone(bank, seed)
  await phone.enrolInstance()
  const registered = await phone.register()
  const slot = await phone.enrolPin('35791', String(registered.body['access_token']))
  return { phone, slot }
}

describe('users and devices', () => {
  it('shows a user by subject, with devices and what is enrolled on each', async () => {
    const staffed = await createStaffed()
    const { phone } = await enrolled(staffed)
    const user = await staffed.call('GET', '/users/c-1001')
    expect(user.body).toMatchObject({ subject: 'c-1001', status: 'active', devices: 1 })
    const { devices } = (await staffed.call('GET', '/users/c-1001/devices')).body
    expect(devices).toEqual([
      expect.objectContaining({
        client_id: phone.clientId,
        app: 'retail',
        app_version: '5.2.0',
        status: 'active',
        place: { status: 'active' },
        enrolments: [expect.objectContaining({ type: 'pin', status: 'active' })],
      }),
    ])
    expect((await staffed.call('GET', '/users/nobody')).status).toBe(404)
    for (const path of ['/users/a%0d%0ab', '/users/%ff', '/users/%']) expect((await staffed.call('GET', path)).status).toBe(404)
  })

  it('shows no key material and no secret of a device', async () => {
    const staffed = await createStaffed()
    const { phone } = await enrolled(staffed)
    const { text, body } = await staffed.call('GET', `/devices/${phone.clientId}`)
    expect(body).toMatchObject({ client_id: phone.clientId, status: 'active' })
    expect(Object.keys(body)).not.toContain('key')
    expect(text).not.toMatch(/"(x|y|d|serial)":/)
  })

  it('lists the devices of an app page by page, each once', async () => {
    const staffed = await createStaffed()
    const ids: string[] = []
    for (let seed = 1; seed <= 5; seed++) {
      const phone = await createPhone(staffed.bank, seed)
      await phone.enrolInstance()
      ids.push(phone.clientId)
    }
    const seen: string[] = []
    let path: string | null = '/devices?app=retail&limit=2'
    for (; path !== null; ) {
      const page: Awaited<ReturnType<Staffed['call']>> = await staffed.call('GET', path)
      seen.push(...page.body.devices.map(({ client_id }: { client_id: string }) => client_id))
      path = /\/admin\/v1(\/devices\?[^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1] ?? null
    }
    expect(seen).toEqual([...ids].sort())
    expect((await staffed.call('GET', '/devices')).status).toBe(400)
  })

  it('a removed device obtains nothing from the moment the call returned, and leaves its place to another', async () => {
    const staffed = await createStaffed()
    const { phone, slot } = await enrolled(staffed)
    const login = await phone.loginPin('35791', slot)
    const tokens = await phone.token(String(login.body['authorization_code']))
    const second = await phone.loginPin('35791', slot)
    const { status } = await staffed.call('DELETE', `/devices/${phone.clientId}`)
    expect(status).toBe(204)
    expect((await phone.refresh(String(tokens.body['refresh_token']))).status).toBeGreaterThanOrEqual(400)
    expect((await phone.token(String(second.body['authorization_code']))).status).toBeGreaterThanOrEqual(400)
    expect((await phone.start()).body).not.toHaveProperty('authorization_code')
    expect((await staffed.call('GET', '/users/c-1001/devices')).body.devices).toEqual([])
    expect((await staffed.call('GET', `/devices/${phone.clientId}`)).body.status).toBe('removed')
    expect((await staffed.events('device.removed')).at(0)).toMatchObject({ operator: 'op-7', device: phone.clientId })
    expect((await staffed.events('admin.changed')).at(0)).toMatchObject({ operator: 'op-7', device: phone.clientId })
  })

  it('removing twice, or twenty times at once, removes once', async () => {
    const staffed = await createStaffed()
    const { phone } = await enrolled(staffed)
    const answers = await Promise.all(Array.from({ length: 20 }, () => staffed.call('DELETE', `/devices/${phone.clientId}`)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]))
    expect(await staffed.events('admin.changed')).toHaveLength(1)
    const before = await staffed.events('device.removed')
    expect((await staffed.call('DELETE', `/devices/${phone.clientId}`)).status).toBe(204)
    expect(await staffed.events('device.removed')).toHaveLength(before.length)
    expect((await staffed.call('DELETE', `/devices/${'a'.repeat(26)}`)).status).toBe(404)
  })

  it('a removal that names an old state is refused with the present one', async () => {
    const staffed = await createStaffed()
    const { phone } = await enrolled(staffed)
    const stale = await staffed.call('DELETE', `/devices/${phone.clientId}`, { headers: { 'if-match': '"old"' } })
    expect(stale.status).toBe(412)
    expect(stale.body.current.client_id).toBe(phone.clientId)
    const now = stale.headers.get('etag')!
    expect((await staffed.call('DELETE', `/devices/${phone.clientId}`, { headers: { 'if-match': now } })).status).toBe(204)
  })
})
