import { describe, expect, it } from 'vitest'
import { createPhone } from '../support/bank.js'
import { createStaffed, type Staffed } from '../support/operators.js'

async function loggedIn({ bank }: Staffed, seed: number) {
  const phone = await createPhone(bank, seed)
  await phone.enrolInstance()
  const registered = await phone.register()
  const slot = await phone.enrolPin('35791', String(registered.body['access_token']))
  const login = await phone.loginPin('35791', slot)
  const tokens = await phone.token(String(login.body['authorization_code']))
  return { phone, slot, refresh: String(tokens.body['refresh_token']) }
}

const put = async (staffed: Staffed, status: string, etag?: string) => {
  const rev = etag ?? (await staffed.call('GET', '/users/c-1001')).headers.get('etag')!
  return staffed.call('PUT', '/users/c-1001', { body: { status }, headers: { 'if-match': rev } })
}

describe('blocking a user', () => {
  it('ends what he has on every device before it answers, and lets him in again by a new login (I2)', async () => {
    const staffed = await createStaffed()
    const [first, second] = [await loggedIn(staffed, 1), await loggedIn(staffed, 2)]
    const blocked = await put(staffed, 'blocked')
    expect(blocked).toMatchObject({ status: 200, body: { subject: 'c-1001', status: 'blocked' } })
    for (const { phone, slot, refresh } of [first, second]) {
      expect((await phone.refresh(refresh)).status).toBe(400)
      expect(await phone.loginPin('35791', slot)).toMatchObject({ status: 403, body: { code: 'user.blocked' } })
    }
    expect((await staffed.events('admin.changed')).at(0)).toMatchObject({
      operator: 'op-7',
      subject: 'c-1001',
      detail: { fields: 'status' },
    })
    expect((await put(staffed, 'active')).status).toBe(200)
    expect((await first.phone.refresh(first.refresh)).status).toBe(400)
    expect((await first.phone.loginPin('35791', first.slot)).status).toBe(200)
  })

  it('ends a code that was made before it (T50)', async () => {
    const staffed = await createStaffed()
    const { phone, slot } = await loggedIn(staffed, 1)
    const login = await phone.loginPin('35791', slot)
    await put(staffed, 'blocked')
    expect(await phone.token(String(login.body['authorization_code']))).toMatchObject({ body: { error: 'invalid_grant' } })
  })

  it('keeps a blocked user from adding a device', async () => {
    const staffed = await createStaffed()
    await loggedIn(staffed, 1)
    await put(staffed, 'blocked')
    const other = await createPhone(staffed.bank, 2)
    await other.enrolInstance()
    const registered = await other.register()
    const token = String(registered.body['access_token'])
    await expect(
      registered.status === 200 ? other.enrolPin('35791', token) : Promise.reject(new Error('refused')),
    ).rejects.toThrow()
  })

  it('takes one of two operators who saw the same state, and nothing but a status', async () => {
    const staffed = await createStaffed()
    await loggedIn(staffed, 1)
    const etag = (await staffed.call('GET', '/users/c-1001')).headers.get('etag')!
    const both = await Promise.all([put(staffed, 'blocked', etag), put(staffed, 'active', etag)])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412])
    expect((await put(staffed, 'gone')).status).toBe(400)
    expect((await staffed.call('PUT', '/users/c-1001', { body: { status: 'active' } })).status).toBe(428)
  })
})
