import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { newRev } from '@postern/store'
import { type Counting, countingStore } from '@postern/testkit/counting'
import { claimUserCode, DEVICE_GRANT, decideDevice, type UserDecision } from '@postern/tokens/device'
import { addressBlock } from '@postern/tokens/internal/address'
import { newUserCode, readUserCode, shownUserCode } from '@postern/tokens/internal/userCode'
import { places } from '@postern/tokens/places'
import type { Verdict } from '@postern/tokens/recheck'
import { revoke } from '@postern/tokens/revoke'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DeviceWorld, deviceWorld, granted, payment, payments, VERIFICATION } from '../waiting.js'
import { basic, changed, SECRET } from '../world.js'

const QUARTER_MS = 900_000
const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: PosternError) => error.code,
  )
/** A code that nobody was given. */
const wrong = (n: number): string => `BBBB-BBB${'BCDFGHJKLMNPQRSTVWXZ'[n]}`

async function approved(w: DeviceWorld, form: Record<string, string> = {}): Promise<{ device_code: string; id: string }> {
  const { device_code, user_code } = (await w.begin(form)).body
  const { id } = await w.claim(user_code)
  await w.decide(id, granted())
  return { device_code, id }
}

describe('a device that asks', () => {
  it('gets a code to show and one to poll with', async () => {
    const w = await deviceWorld()
    const { status, body, headers } = await w.begin()
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      device_code: expect.stringMatching(/^pd_[\w-]+$/),
      user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/),
      verification_uri: VERIFICATION,
      expires_in: 600,
      interval: 5,
    })
  })

  it('gets tokens once its user has entered the code and said yes, with what he granted', async () => {
    const w = await deviceWorld()
    const { device_code, user_code } = (await w.begin({ scope: 'openid accounts offline_access', acr_values: 'level2' })).body
    expect((await w.poll(device_code)).body.error).toBe('authorization_pending')
    const prompt = await w.claim(user_code.toLowerCase().replace('-', ' '))
    expect(prompt).toMatchObject({ client: { id: 'tv' }, scope: ['openid', 'accounts', 'offline_access'], acrValues: ['level2'] })
    w.advance(5000)
    expect((await w.poll(device_code)).body.error).toBe('authorization_pending')
    const decision = { ...granted({ sid: 'session1' }), scope: ['openid', 'accounts'] } as const
    expect(await w.decide(prompt.id, decision)).toEqual({ status: 'approved', first: true })
    w.advance(5000)
    const { status, body } = await w.poll(device_code)
    expect(status).toBe(200)
    expect(body).toMatchObject({ token_type: 'Bearer', scope: 'openid accounts', expires_in: 300 })
    const claims = JSON.parse(Buffer.from(body.id_token.split('.')[1], 'base64url').toString())
    expect(claims).toMatchObject({ sub: 'user-1', aud: 'tv', acr: 'level2', amr: ['pin'], sid: 'session1' })
    const renewed = await w.post('/token', {
      client_id: 'tv',
      client_secret: SECRET,
      grant_type: 'refresh_token',
      refresh_token: body.refresh_token,
    })
    expect(renewed.body.scope).toBe('openid accounts')
    expect((await w.introspect(renewed.body.access_token)).body).toMatchObject({ active: true, sub: 'user-1', client_id: 'tv' })
  })

  it('is told of a no, again and again', async () => {
    const w = await deviceWorld()
    const { device_code, user_code } = (await w.begin()).body
    const { id } = await w.claim(user_code)
    expect(await w.decide(id, { outcome: 'denied', subject: 'user-1' })).toEqual({ status: 'denied', first: true })
    expect((await w.poll(device_code)).body.error).toBe('access_denied')
    w.advance(5000)
    expect((await w.poll(device_code)).body.error).toBe('access_denied')
  })

  it('is told when it took too long, and its code is nobody’s then', async () => {
    const w = await deviceWorld()
    const { device_code, user_code } = (await w.begin()).body
    const { id } = await w.claim(user_code)
    w.advance(599_999)
    expect((await w.poll(device_code)).body.error).toBe('authorization_pending')
    w.advance(1)
    expect((await w.poll(device_code)).body.error).toBe('expired_token')
    expect(await code(w.claim(user_code))).toBe('user_code.invalid')
    expect(await code(w.decide(id, granted()))).toBe('user_code.invalid')
  })

  it.each([
    [{ client_id: 'portal' }, 401, 'invalid_client'],
    [{ client_secret: `${SECRET}x` }, 401, 'invalid_client'],
    [{ scope: 'openid payments' }, 400, 'invalid_scope'],
    [{ resource: 'https://other.example.com' }, 400, 'invalid_target'],
    [{ acr_values: 'x'.repeat(129) }, 400, 'invalid_request'],
  ])('is refused with %j: %i %s', async (form, status, error) => {
    const w = await deviceWorld()
    const answer = await w.begin(form)
    expect([answer.status, answer.body.error]).toEqual([status, error])
  })

  it('is refused where its client has no such grant', async () => {
    const w = await deviceWorld()
    const headers = { authorization: basic('portal', SECRET) }
    expect((await w.post('/device_authorization', {}, { headers })).body.error).toBe('unauthorized_client')
  })

  it('is not there, nor announced, for an issuer without the port', async () => {
    const w = await deviceWorld({ context: () => ({ device: undefined }) as never })
    expect((await w.begin()).status).toBe(404)
    expect((await w.poll('pd_x')).body.error).toBe('unsupported_grant_type')
    const metadata = async (world: DeviceWorld) =>
      (await world.nodes[0]!.fetch(new Request(`${w.contexts[0]!.issuer}/.well-known/openid-configuration`))).json()
    expect(JSON.stringify(await metadata(w))).not.toContain('device')
    expect(await metadata(await deviceWorld())).toMatchObject({
      device_authorization_endpoint: 'https://id.example.com/t1/device_authorization',
      grant_types_supported: expect.arrayContaining(['urn:ietf:params:oauth:grant-type:device_code']),
    })
  })

  it('gets another code where one is taken', async () => {
    let fixed = 2
    const w = await deviceWorld({
      nodes: 1,
      context: ({ runtime }) => ({
        runtime: { ...runtime, random: (n) => (n === 8 && fixed-- > 0 ? new Uint8Array(8) : runtime.random(n)) },
      }),
    })
    const [first, second] = [(await w.begin()).body, (await w.begin()).body]
    expect(first.user_code).toBe('BBBB-BBBB')
    expect(second.user_code).not.toBe('BBBB-BBBB')
    const { id } = await w.claim(first.user_code)
    await w.decide(id, granted())
    expect((await w.poll(second.device_code)).body.error).toBe('authorization_pending')
    expect((await w.poll(first.device_code)).status).toBe(200)
  })

  it('that is late is told so, though its code has been given to another meanwhile', async () => {
    const w = await deviceWorld({
      nodes: 1,
      context: ({ runtime }) => ({ runtime: { ...runtime, random: (n) => (n === 8 ? new Uint8Array(8) : runtime.random(n)) } }),
    })
    const late = (await w.begin()).body
    const part = await places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' }).deviceGrant('BBBBBBBB')
    // As for a node whose clock is ahead.
    await w.inner.commit(part, [{ op: 'del', key: 'dg' }], { now: w.now(), rev: newRev(w.contexts[0]!.runtime.random) })
    const next = (await w.begin()).body
    expect(next.user_code).toBe(late.user_code)
    await w.decide((await w.claim(next.user_code)).id, granted())
    expect((await w.poll(late.device_code)).body.error).toBe('expired_token')
    w.advance(5000)
    expect((await w.poll(next.device_code)).status).toBe(200)
  })

  it('leaves with its grant what the host adds, in one commit, and is refused when the host refuses', async () => {
    const value = new Uint8Array([1])
    let refuse = false
    const w = await deviceWorld({
      context: () => ({
        device: {
          verificationUri: VERIFICATION,
          lifetimeSec: 120,
          async begin({ userCode }) {
            if (refuse) throw new PosternError('tokens.denied')
            const members = { verification_uri_complete: `${VERIFICATION}?user_code=${userCode}` }
            return { ops: [{ op: 'put', key: 'tx', value, rev: null }], members }
          },
        },
      }),
    })
    const { body } = await w.begin()
    expect(body).toMatchObject({ verification_uri_complete: `${VERIFICATION}?user_code=${body.user_code}`, expires_in: 120 })
    const { id } = await w.claim(body.user_code)
    expect((await w.inner.read({ tenant: 't1', id: `dg:${id}` }, ['tx'], { now: w.now() }))[0]?.value).toEqual(value)
    refuse = true
    expect((await w.begin()).body.error).toBe('access_denied')
  })
})

describe('a device that polls', () => {
  it('T40 faster than the interval is told to slow down, and waits five seconds longer from then on', async () => {
    const w = await deviceWorld()
    const { device_code } = (await w.begin()).body
    const says = async (): Promise<string> => (await w.poll(device_code)).body.error
    expect(await says()).toBe('authorization_pending')
    w.advance(4999)
    expect(await says()).toBe('slow_down')
    w.advance(1)
    expect(await says()).toBe('authorization_pending') // the first wait is over; from here it is ten seconds
    w.advance(9999)
    expect(await says()).toBe('slow_down')
    w.advance(1)
    expect(await says()).toBe('authorization_pending')
    w.advance(14_999)
    expect(await says()).toBe('slow_down')
    w.advance(1)
    expect(await says()).toBe('authorization_pending')
  })

  it('T40 too fast gets no tokens either, though the user has said yes, and loses nothing by it', async () => {
    const w = await deviceWorld()
    const { device_code, user_code } = (await w.begin()).body
    expect((await w.poll(device_code)).body.error).toBe('authorization_pending')
    await w.decide((await w.claim(user_code)).id, granted())
    for (let i = 0; i < 30; i++) expect((await w.poll(device_code)).body.error).toBe('slow_down')
    w.advance(5000)
    expect((await w.poll(device_code)).status).toBe(200)
  })

  it('is answered though the store kept it waiting for longer than the interval', async () => {
    let stallMs = 0
    const w: DeviceWorld = await deviceWorld({
      wrap: (store) => ({
        ...store,
        async read(...a) {
          const recs = await store.read(...a)
          w?.advance(stallMs)
          return recs
        },
      }),
    })
    const { device_code, user_code } = (await w.begin()).body
    stallMs = 20_000
    expect((await w.poll(device_code)).body.error).toBe('authorization_pending')
    stallMs = 0
    await w.decide((await w.claim(user_code)).id, granted())
    expect((await w.poll(device_code)).status).toBe(200)
  })

  it('never touches what its user decides by', async () => {
    const w = await deviceWorld()
    const { device_code, user_code } = (await w.begin()).body
    const { id } = await w.claim(user_code)
    const rev = async () => (await w.inner.read({ tenant: 't1', id: `dg:${id}` }, ['dg'], { now: w.now() }))[0]!.rev
    const before = await rev()
    await Promise.all(Array.from({ length: 50 }, (_, i) => w.poll(device_code, { node: i % 2 })))
    expect(await rev()).toBe(before)
  })

  it('T02 again after it got its tokens gets nothing, and the tokens of the first time are revoked', async () => {
    const w = await deviceWorld()
    const { device_code } = await approved(w)
    const { body } = await w.poll(device_code)
    expect((await w.introspect(body.access_token)).body.active).toBe(true)
    w.advance(5000)
    expect((await w.poll(device_code)).body.error).toBe('invalid_grant')
    expect((await w.introspect(body.access_token)).body).toEqual({ active: false })
  })

  it('as another client gets nothing, and takes nothing from the right one', async () => {
    const w = await deviceWorld()
    const { device_code } = await approved(w)
    expect((await w.poll(device_code, { form: { client_id: 'kiosk' } })).body.error).toBe('invalid_grant')
    expect((await w.poll(device_code)).status).toBe(200)
  })

  it('T20 with a handle of another type, tenant or issuer, or an altered one, is answered alike', async () => {
    const w = await deviceWorld()
    const { device_code, user_code } = (await w.begin()).body
    await w.decide((await w.claim(user_code)).id, granted())
    const elsewhere = await deviceWorld({ issuer: 'https://id.example.com/t2' })
    const foreign = (await elsewhere.begin()).body.device_code
    const authorizationCode = await w.code('tv')
    const altered = changed(device_code)
    const swapped = `pd_${authorizationCode.slice(3)}`
    const answers = await Promise.all(
      [foreign, authorizationCode, altered, swapped, 'pd_', 'x', `pb_${device_code.slice(3)}`].map((text) => w.poll(text)),
    )
    const { status, body } = answers[0]!
    expect([status, body.error]).toEqual([400, 'invalid_grant'])
    for (const answer of answers) expect(answer.body).toEqual(body)
    const tv = { client_id: 'tv', client_secret: SECRET }
    for (const text of [device_code, `pc_${device_code.slice(3)}`]) {
      const form = { ...tv, grant_type: 'authorization_code', code: text, code_verifier: 'v'.repeat(43) }
      expect((await w.post('/token', form)).body).toEqual(body)
    }
    for (const text of [device_code, `pr_${device_code.slice(3)}`])
      expect((await w.post('/token', { ...tv, grant_type: 'refresh_token', refresh_token: text })).body).toEqual(body)
    expect((await w.poll(device_code)).status).toBe(200)
  })

  it('T50 is asked about again: a lock or a revocation between yes and poll wins', async () => {
    let verdict: Verdict = { ok: false, error: 'access_denied', code: 'user.blocked' }
    const seen: string[] = []
    const w = await deviceWorld({
      context: () => ({
        async recheck(_, at) {
          seen.push(at)
          return verdict
        },
      }),
    })
    const { device_code } = await approved(w)
    const { body } = await w.poll(device_code)
    expect([body.error, body.code]).toEqual(['access_denied', 'user.blocked'])
    verdict = { ok: true }
    await revoke({ subject: 'user-1', devices: [] }, w.contexts[0]!)
    w.advance(5000)
    expect((await w.poll(device_code)).body.error).toBe('invalid_grant')
    expect(seen).toEqual(['device', 'device'])
  })

  it('with a key that is not the one it began with is refused', async () => {
    const w = await deviceWorld()
    const [one, two] = [await w.device({ register: false }), await w.device({ register: false })]
    const { issuer } = w.contexts[0]!
    const cli = { client_id: 'cli', client_secret: '' }
    const begun = await w.post(
      '/device_authorization',
      { client_id: 'cli', scope: 'accounts' },
      { headers: { dpop: await one.proof(`${issuer}/device_authorization`) } },
    )
    const { device_code, user_code } = begun.body
    await w.decide((await w.claim(user_code)).id, granted())
    const form = { client_id: cli.client_id, grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code }
    const as = async (who: typeof one) => w.post('/token', form, { headers: { dpop: await who.proof(`${issuer}/token`) } })
    expect((await as(two)).body.error).toBe('invalid_dpop_proof')
    expect((await w.post('/token', form)).body.error).toBe('invalid_dpop_proof')
    const { status, body } = await as(one)
    expect([status, body.token_type]).toEqual([200, 'DPoP'])
    const stolen = { client_id: 'cli', grant_type: 'refresh_token', refresh_token: body.refresh_token }
    const tried = await w.post('/token', stolen, { headers: { dpop: await two.proof(`${issuer}/token`) } })
    expect(tried.body.error).toBe('invalid_grant')
  })

  it('as an app instance has its grant in its own partition, redeemed with its proof', async () => {
    const w = await deviceWorld({
      context: ({ clients }) => {
        const find = async (id: string) => {
          const found = await clients.find(id)
          return found?.kind === 'instance' ? { ...found, grantTypes: [DEVICE_GRANT, 'refresh_token'] } : found
        }
        return { clients: { ...clients, find } }
      },
    })
    const app = await w.device()
    const { issuer } = w.contexts[0]!
    const begun = await w.post(
      '/device_authorization',
      { client_id: app.id, scope: 'openid accounts' },
      { headers: { dpop: await app.proof(`${issuer}/device_authorization`) } },
    )
    await w.decide((await w.claim(begun.body.user_code)).id, granted())
    const form = { grant_type: DEVICE_GRANT, device_code: begun.body.device_code }
    const { status, body } = await w.token(app, form)
    expect([status, body.token_type]).toEqual([200, 'DPoP'])
    const standing = await w.inner.list({ tenant: 't1', id: `dev:${app.id}` }, '', { now: w.now(), limit: 100 })
    expect(standing.map(({ key }) => key.split('/')[0])).toEqual(expect.arrayContaining(['code', 'd', 'fam', 'j']))
    expect((await w.refresh(app, body.refresh_token)).status).toBe(200)
  })

  it('spends its proof though it has to wait, and is told of in no event', async () => {
    const w = await deviceWorld()
    const key = await w.device({ register: false })
    const { issuer } = w.contexts[0]!
    const { device_code } = (await w.post('/device_authorization', { client_id: 'cli', scope: 'accounts' })).body
    const form = { client_id: 'cli', grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code }
    const headers = { dpop: await key.proof(`${issuer}/token`) }
    expect((await w.post('/token', form, { headers })).body.error).toBe('authorization_pending')
    expect(w.events.map(({ type }) => type)).not.toContain('token.refused')
    w.advance(5000)
    expect((await w.post('/token', form, { headers })).body.error).toBe('invalid_dpop_proof')
  })

  it('may name the resource that was granted, and no other', async () => {
    const w = await deviceWorld()
    const { device_code } = await approved(w)
    expect((await w.poll(device_code, { form: { resource: 'https://other.example.com' } })).body.error).toBe('invalid_target')
    w.advance(5000)
    expect((await w.poll(device_code, { form: { resource: 'https://api.example.com' } })).status).toBe(200)
  })
})

describe('a user who enters a code', () => {
  it('binds it to himself: once, again for himself, never for another', async () => {
    const w = await deviceWorld()
    const { user_code } = (await w.begin()).body
    const { id } = await w.claim(user_code, { subject: 'ada' })
    expect((await w.claim(user_code, { subject: 'ada' })).id).toBe(id)
    expect(await code(w.claim(user_code, { subject: 'bob' }))).toBe('user_code.invalid')
    expect(await code(w.decide(id, granted({ subject: 'bob' })))).toBe('user_code.invalid')
    expect(await code(w.decide(id, { outcome: 'denied', subject: 'bob' }))).toBe('user_code.invalid')
    expect(await w.decide(id, granted({ subject: 'ada' }))).toEqual({ status: 'approved', first: true })
    expect(await code(w.claim(user_code, { subject: 'ada' }))).toBe('user_code.invalid')
  })

  it('decides once: whoever comes later is told what stands', async () => {
    const w = await deviceWorld()
    const { user_code } = (await w.begin()).body
    const { id } = await w.claim(user_code)
    expect(await w.decide(id, { outcome: 'denied', subject: 'user-1' })).toEqual({ status: 'denied', first: true })
    expect(await w.decide(id, granted())).toEqual({ status: 'denied', first: false })
  })

  it('cannot decide what he has not claimed, nor what is not there', async () => {
    const w = await deviceWorld()
    const { user_code } = (await w.begin()).body
    const part = await places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' }).deviceGrant(
      user_code.replace('-', ''),
    )
    expect(await code(w.decide(part.id.slice(3), granted()))).toBe('user_code.invalid')
    for (const id of ['', 'a', 'A'.repeat(26), 'a'.repeat(26), '../usr', part.id])
      expect(await code(w.decide(id, granted()))).toBe('user_code.invalid')
  })

  it('grants no more than was asked for', async () => {
    const w = await deviceWorld()
    const { device_code, user_code } = (await w.begin({ scope: 'openid' })).body
    const { id } = await w.claim(user_code)
    expect(await code(w.decide(id, { ...granted(), scope: ['openid', 'accounts'] } as never))).toBe('scope.refused')
    expect((await w.poll(device_code)).body.error).toBe('authorization_pending')
  })

  it('sees the details that were asked for, and grants some of them, or none', async () => {
    const w = await deviceWorld({ context: () => ({ details: payments }) })
    const asked = { authorization_details: JSON.stringify([payment(100)]) }
    expect((await w.begin({ authorization_details: '[{"type":"other"}]' })).body.error).toBe('invalid_authorization_details')
    const tokens = async (authorizationDetails?: readonly JsonObject[]) => {
      const { device_code, user_code } = (await w.begin(asked)).body
      const { id, authorizationDetails: shown } = await w.claim(user_code)
      expect(shown).toEqual([payment(100)])
      await w.decide(id, { ...granted(), ...(authorizationDetails && { authorizationDetails }) } as UserDecision)
      return (await w.poll(device_code)).body
    }
    expect((await tokens([payment(60)])).authorization_details).toEqual([payment(60)])
    expect(await tokens()).not.toHaveProperty('authorization_details')
    await expect(tokens([payment(101)])).rejects.toMatchObject({ code: 'details.refused' })
  })

  it('T39 has five tries in a quarter of an hour, right or wrong, and locks out nobody else', async () => {
    const w = await deviceWorld()
    const { user_code } = (await w.begin()).body
    for (let i = 0; i < 4; i++) expect(await code(w.claim(wrong(i)))).toBe('user_code.invalid')
    expect(await code(w.claim(user_code))).toBe('ok')
    expect(await code(w.claim(user_code))).toBe('user_code.limited')
    const other = (await w.begin()).body.user_code
    expect(await code(w.claim(other, { subject: 'user-2' }))).toBe('ok')
    w.advance(QUARTER_MS)
    expect(await code(w.claim((await w.begin()).body.user_code))).toBe('ok')
    expect(w.events.filter(({ type }) => type === 'user_code.failed').map(({ reason }) => reason)).toEqual([
      ...Array(4).fill('user_code.unknown'),
      'user',
    ])
    expect(JSON.stringify(w.events)).not.toContain(user_code)
  })

  it('T39 shares ten tries with all of his address, an IPv6 address being a /64', async () => {
    const w = await deviceWorld()
    const from = (i: number, ip: string) => code(w.claim(wrong(0), { subject: `user-${i}`, ip }))
    for (let i = 0; i < 10; i++) expect(await from(i, `2001:db8:0:1::${i}`)).toBe('user_code.invalid')
    expect(await from(11, '2001:db8::1:ffff:ffff:ffff:ffff')).toBe('user_code.limited')
    expect(await from(12, '2001:db8:0:2::1')).toBe('user_code.invalid')
    for (let i = 20; i < 30; i++) expect(await from(i, '192.0.2.1')).toBe('user_code.invalid')
    expect(await from(31, '::ffff:192.0.2.1')).toBe('user_code.limited')
    expect(await from(32, '192.0.2.2')).toBe('user_code.invalid')
  })

  it('T39 whose address is limited has not spent a try of his own; text that is no code is a try', async () => {
    const w = await deviceWorld()
    for (let i = 0; i < 10; i++) await code(w.claim('', { subject: `user-${i}`, ip: '192.0.2.1' }))
    for (let i = 0; i < 10; i++) expect(await code(w.claim(wrong(0), { ip: '192.0.2.1' }))).toBe('user_code.limited')
    expect(await code(w.claim((await w.begin()).body.user_code))).toBe('ok')
  })

  it('T39 among very many raises an alert, and still gets in', async () => {
    const w = await deviceWorld({ context: () => ({ device: { verificationUri: VERIFICATION, surge: 320 } }) })
    for (let i = 0; i < 400; i++) await code(w.claim(wrong(i % 20), { subject: `user-${i}` }))
    const alerts = w.events.filter(({ type }) => type === 'user_code.surge')
    expect(alerts.length).toBeGreaterThan(0)
    expect(alerts[0]!.detail).toEqual({ estimate: 320 })
    expect(await code(w.claim((await w.begin()).body.user_code, { subject: 'honest' }))).toBe('ok')
  })

  it('T39 where the counters cannot be written is not let through', async () => {
    let down = false
    const w = await deviceWorld({
      wrap: (store) => ({
        ...store,
        commit: (part, ops, o) =>
          down && part.id.startsWith('usr:') ? Promise.reject(new PosternError('store.unavailable')) : store.commit(part, ops, o),
      }),
    })
    const { user_code } = (await w.begin()).body
    down = true
    expect(await code(w.claim(user_code))).toBe('store.unavailable')
  })

  it('whose code came in a signed picture names the grant itself, and no guess is counted', async () => {
    const w = await deviceWorld()
    const { user_code } = (await w.begin()).body
    const { id } = await w.claim(user_code)
    const ops = [{ op: 'put', key: 'tx', value: new Uint8Array([7]), rev: null }] as const
    for (let i = 0; i < 20; i++) expect((await claimUserCode({ id, subject: 'user-1' }, w.contexts[0]!)).id).toBe(id)
    await decideDevice(id, granted(), w.contexts[0]!, { ops })
    expect((await w.inner.read({ tenant: 't1', id: `dg:${id}` }, ['tx'], { now: w.now() }))[0]?.value).toEqual(
      new Uint8Array([7]),
    )
  })
})

it('round trips: asking 1, entering 5 (4 without an address), deciding 3, a poll 2, a poll that gets tokens 3, a late one 0', async () => {
  const counters: Counting[] = []
  const w = await deviceWorld({ wrap: (store) => counters[counters.push(countingStore(store)) - 1]!.store })
  const trips = async (run: () => Promise<unknown>): Promise<number> => {
    counters[0]!.reset()
    await run()
    const { read, commit, list } = counters[0]!.counts()
    return read + commit + list
  }
  let body = { device_code: '', user_code: '' }
  let id = ''
  expect(await trips(async () => ({ body } = await w.begin()))).toBe(1)
  expect(await trips(() => w.poll(body.device_code))).toBe(2)
  expect(await trips(() => w.poll(body.device_code))).toBe(2)
  expect(await trips(async () => ({ id } = await w.claim(body.user_code, { ip: '192.0.2.1' })))).toBe(5)
  expect(await trips(() => w.decide(id, granted()))).toBe(3)
  w.advance(10_000)
  expect(await trips(() => w.poll(body.device_code))).toBe(3)
  w.advance(600_000)
  expect(await trips(() => w.poll(body.device_code))).toBe(0)
})

describe('user codes', () => {
  it('T39 are drawn from 20^8, each letter as often as any other', () => {
    const counts = new Map<string, number>()
    let seed = 1
    const random = (n: number): Uint8Array =>
      Uint8Array.from({ length: n }, () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 24)
    for (let i = 0; i < 50_000; i++) for (const letter of newUserCode(random)) counts.set(letter, (counts.get(letter) ?? 0) + 1)
    expect([...counts.keys()].sort().join('')).toBe('BCDFGHJKLMNPQRSTVWXZ')
    for (const n of counts.values()) expect(Math.abs(n - 20_000)).toBeLessThan(600)
  })

  it('are read however they are typed, and nothing else is read as one', () => {
    const letter = fc.constantFrom(...'BCDFGHJKLMNPQRSTVWXZ')
    const filler = fc.constantFrom('', '-', ' ', '.', '–', '\u00a0')
    fc.assert(
      fc.property(fc.array(fc.tuple(letter, filler, fc.boolean()), { minLength: 8, maxLength: 8 }), (typed) => {
        const plain = typed.map(([one]) => one).join('')
        expect(readUserCode(typed.map(([one, gap, low]) => (low ? one.toLowerCase() : one) + gap).join(''))).toBe(plain)
        expect(readUserCode(shownUserCode(plain))).toBe(plain)
      }),
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        const code = readUserCode(text)
        if (code !== null) expect(code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{8}$/)
      }),
    )
    for (const text of ['WDJBMJH', 'WDJBMJHTT', 'WDJB-MJHA', 'WDJB-MJH1', '-'.repeat(60) + 'WDJBMJHT'.repeat(2)])
      expect(readUserCode(text)).toBe(null)
  })
})

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:201', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:DB8:0:0:ffff::', '2001:db8:0:0::/64'],
  ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
  ['1::2::3', '1::2::3'],
  ['1:2:3', '1:2:3'],
  ['unknown', 'unknown'],
])('the address %s is limited as %s', (ip, block) => expect(addressBlock(ip)).toBe(block))

it('a record of a newer program is not taken for an unknown code', async () => {
  const w = await deviceWorld()
  const { user_code } = (await w.begin()).body
  const part = await places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' }).deviceGrant(
    user_code.replace('-', ''),
  )
  const value = new TextEncoder().encode('{"v":2}')
  await w.inner.commit(part, [{ op: 'put', key: 'dg', value }], { now: w.now(), rev: newRev(w.contexts[0]!.runtime.random) })
  expect(await code(w.claim(user_code))).toBe('store.schema_unknown')
})
