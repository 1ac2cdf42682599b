/** A store that is down has applied nothing: the app hears that, at once, and not that nobody knows what happened. */
import type { PushPort } from '@postern/authenticators/push/port'
import type { CreationOptionsJSON } from '@postern/authenticators/webauthn/messages'
import { createWebauthn } from '@postern/authenticators/webauthn/server'
import { PosternError } from '@postern/core/errors'
import type { Op, Part, Store } from '@postern/store'
import { describe, expect, it } from 'vitest'
import { type Answer, createBank, createPhone, ISSUER } from '../support/bank.js'
import { ORIGIN, RP, softPasskey } from '../support/passkey.js'
import { withKey, withPin } from '../support/people.js'

const services: PushPort = { kind: 'fcm', serves: ({ kind }) => kind === 'fcm', send: async () => 'sent' }

/** A store whose commits fail where a test says so, and how often one was sent. */
function failing() {
  let down: (part: Part, ops: readonly Op[]) => boolean = () => false
  let sent = 0
  const wrap = (store: Store): Store => ({
    ...store,
    async commit(part, ops, o) {
      if (!down(part, ops)) return store.commit(part, ops, o)
      sent++
      throw new PosternError('store.unavailable')
    },
  })
  return {
    wrap,
    /** The answer while commits like these fail, and how many were tried. */
    async during(which: typeof down, ask: () => Promise<Answer>): Promise<Answer & { readonly sent: number }> {
      down = which
      sent = 0
      const answer = await ask()
      down = () => false
      return { ...answer, sent }
    },
  }
}

const told = { status: 503, body: { code: 'store.unavailable' }, sent: 1 }
const puts = (key: RegExp) => (_: Part, ops: readonly Op[]) => ops.some((op) => op.op === 'put' && key.test(op.key))

describe('a store that is down', () => {
  it('refuses a place for a device as unavailable, after one try', async () => {
    const net = failing()
    const bank = await createBank({}, { wrap: net.wrap })
    const phone = await createPhone(bank)
    await phone.enrolInstance()
    const token = String((await phone.register()).body['access_token'])
    expect(await net.during(puts(/^devices$/), () => phone.enrolKey('device-key', token))).toMatchObject(told)
    expect((await phone.enrolKey('device-key', token)).status).toBe(201)
  })

  it('refuses a removal and another preference in the same way', async () => {
    const net = failing()
    const bank = await createBank({}, { wrap: net.wrap })
    const { phone, key } = await withPin(bank, 1, true)
    const login = await phone.loginKey(key, { scope: 'enrol', resource: ISSUER })
    const token = String((await phone.token(String(login.body['authorization_code']))).body['access_token'])
    const remove = () => phone.send('DELETE', `/enrolments/${key.id}`, undefined, token)
    const prefer = () => phone.send('PUT', '/enrolments/preferred', { id: key.id }, token)
    expect(await net.during(puts(/^enr\//), prefer)).toMatchObject(told)
    expect(await net.during(puts(/^enr\//), remove)).toMatchObject(told)
  })

  it('refuses an address for pushes in the same way', async () => {
    const net = failing()
    const bank = await createBank({ push: [services] }, { wrap: net.wrap })
    const { phone } = await withKey(bank)
    const enrol = () =>
      phone.send('PUT', '/push', { client_id: phone.clientId, endpoint: { kind: 'fcm', token: 'f'.repeat(32) } })
    expect(await net.during(puts(/^push$/), enrol)).toMatchObject(told)
    expect((await enrol()).status).toBe(204)
  })

  it('refuses the record of a user whose first is a passkey in the same way', async () => {
    const net = failing()
    const bank = await createBank(
      { authenticators: (own, kit) => [...own, createWebauthn({ rp: { id: RP, name: 'Bank' }, origins: [ORIGIN], ...kit })] },
      { wrap: net.wrap },
    )
    const phone = await createPhone(bank)
    await phone.enrolInstance()
    const token = String((await phone.register()).body['access_token'])
    const begun = await phone.send('POST', '/enrolments/webauthn/begin', {}, token)
    const { publicKey } = begun.body['step'] as { publicKey: CreationOptionsJSON }
    const made = softPasskey(new Uint8Array(16).fill(7)).create(publicKey)
    const finish = () => phone.send('POST', '/enrolments/webauthn/finish', { handle: begun.body['handle'], step: made }, token)
    expect(await net.during(puts(/^u$/), finish)).toMatchObject(told)
    expect((await finish()).status).toBe(201)
  })
})
