import { createHash } from 'node:crypto'
import { utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { signJws } from '@postern/core/jws'
import { newRev, type Part } from '@postern/store'
import { type Counting, countingStore } from '@postern/testkit/counting'
import { decideCiba, deliver, type UserDecision } from '@postern/tokens/ciba'
import { clientsInConfig } from '@postern/tokens/clients'
import { logOut } from '@postern/tokens/logout'
import { places } from '@postern/tokens/places'
import type { Verdict } from '@postern/tokens/recheck'
import { revoke } from '@postern/tokens/revoke'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Receiver, receiver } from '../receiver.js'
import { type CibaWorld, cibaClients, cibaWorld, granted, NOTIFICATION, payment, payments, requestSigner } from '../waiting.js'
import { changed, SECRET } from '../world.js'

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: PosternError) => error.code,
  )
const userPart = (w: CibaWorld): Promise<Part> =>
  places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' }).user('user-1')
const denied = { outcome: 'denied', subject: 'user-1' } as const
const claimsOf = (jwt: string): JsonObject => JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString())
const half = (text: string): string => createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url')

describe('a client that asks', () => {
  it('gets an id to poll with', async () => {
    const w = await cibaWorld()
    const { status, body, headers } = await w.begin()
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(body).toEqual({ auth_req_id: expect.stringMatching(/^pb_[\w-]+$/), expires_in: 300, interval: 5 })
  })

  it('has the host asked about everything it said', async () => {
    const w = await cibaWorld()
    await w.begin({
      binding_message: 'Zürich – 42 €',
      acr_values: 'level2 level3',
      user_code: '1234',
      requested_expiry: '60',
      extra: 'x',
    })
    expect(w.asked[0]).toMatchObject({
      id: expect.stringMatching(/^[a-z2-7]{26}$/),
      client: { id: 'polls' },
      hint: { kind: 'login_hint', value: 'user-1' },
      scope: ['openid', 'accounts'],
      resource: 'https://api.example.com',
      bindingMessage: 'Zürich – 42 €',
      acrValues: ['level2', 'level3'],
      userCode: '1234',
      exp: w.now() + 60_000,
    })
    expect(w.asked[0]!.form.get('extra')).toBe('x')
  })

  it('gets tokens once the user has said yes', async () => {
    const w = await cibaWorld()
    const { auth_req_id } = (await w.begin({ scope: 'openid accounts offline_access' })).body
    expect((await w.poll(auth_req_id)).body.error).toBe('authorization_pending')
    const decision = { ...granted({ sid: 'session1' }), scope: ['openid', 'accounts'] } as const
    expect(await w.decide(decision)).toEqual({ status: 'approved', first: true })
    w.advance(5000)
    const { status, body } = await w.poll(auth_req_id)
    expect(status).toBe(200)
    expect(body).toMatchObject({ token_type: 'Bearer', scope: 'openid accounts', expires_in: 300 })
    expect(claimsOf(body.id_token)).toMatchObject({ sub: 'user-1', aud: 'polls', acr: 'level2', amr: ['pin'], sid: 'session1' })
    expect((await w.introspect(body.access_token)).body).toMatchObject({ active: true, client_id: 'polls' })
    const form = { client_id: 'polls', client_secret: SECRET, grant_type: 'refresh_token', refresh_token: body.refresh_token }
    expect((await w.post('/token', form)).status).toBe(200)
  })

  it('is told of a no, and when it took too long', async () => {
    const w = await cibaWorld()
    const first = (await w.begin()).body.auth_req_id
    await w.decide(denied)
    expect((await w.poll(first)).body.error).toBe('access_denied')
    const second = (await w.begin({ requested_expiry: '30' })).body
    expect(second.expires_in).toBe(30)
    w.advance(29_999)
    expect((await w.poll(second.auth_req_id)).body.error).toBe('authorization_pending')
    w.advance(1)
    expect((await w.poll(second.auth_req_id)).body.error).toBe('expired_token')
    expect(await code(w.decide(granted()))).toBe('grant.expired')
  })

  it('may ask for less time, never for more', async () => {
    const w = await cibaWorld({ port: { lifetimeSec: 120, intervalSec: 2 } })
    expect((await w.begin({ requested_expiry: '999999999' })).body).toMatchObject({ expires_in: 120, interval: 2 })
  })

  it.each([
    [{ scope: 'accounts' }, 'invalid_scope'],
    [{ scope: 'openid payments' }, 'invalid_scope'],
    [{ resource: 'https://other.example.com' }, 'invalid_target'],
    [{ login_hint: '' }, 'invalid_request'],
    [{ login_hint: 'a\u0000b' }, 'invalid_request'],
    [{ login_hint_token: 'x' }, 'invalid_request'],
    [{ id_token_hint: 'x' }, 'invalid_request'],
    [{ binding_message: 'x'.repeat(129) }, 'invalid_binding_message'],
    [{ binding_message: 'a\nb' }, 'invalid_binding_message'],
    [{ binding_message: 'pay \u202Eeur 01' }, 'invalid_binding_message'],
    [{ binding_message: 'zero\u200bwidth' }, 'invalid_binding_message'],
    [{ requested_expiry: '0' }, 'invalid_request'],
    [{ requested_expiry: '-1' }, 'invalid_request'],
    [{ requested_expiry: '1e3' }, 'invalid_request'],
    [{ requested_expiry: '60.5' }, 'invalid_request'],
    [{ user_code: 'x'.repeat(129) }, 'invalid_request'],
    [{ client_id: 'pinged', client_notification_token: '' }, 'invalid_request'],
    [{ client_id: 'pinged', client_notification_token: 'two words' }, 'invalid_request'],
    [{ client_id: 'pushed', client_notification_token: 'a\r\nx: y' }, 'invalid_request'],
    [{ client_id: 'pushed', client_notification_token: 'x'.repeat(1025) }, 'invalid_request'],
    [{ client_id: 'without' }, 'unauthorized_client'],
    [{ client_secret: `${SECRET}x` }, 'invalid_client'],
  ] as const)('is refused with %j: %s', async (form, error) => {
    const w = await cibaWorld()
    const before = w.asked.length
    const sent: Record<string, string> = { ...form }
    expect((await w.begin(sent)).body.error).toBe(error)
    expect(w.asked).toHaveLength(before)
  })

  it('is refused without a hint, with two, as a public client and as an app instance', async () => {
    const w = await cibaWorld()
    const form = { client_id: 'polls', client_secret: SECRET, scope: 'openid' }
    expect((await w.post('/bc-authorize', form)).body.error).toBe('invalid_request')
    expect((await w.post('/bc-authorize', { client_id: 'open', scope: 'openid', login_hint: 'user-1' })).body.error).toBe(
      'unauthorized_client',
    )
    const device = await w.device()
    const headers = { dpop: await device.proof(`${w.contexts[0]!.issuer}/bc-authorize`) }
    const asInstance = { client_id: device.id, scope: 'openid', login_hint: 'user-1' }
    expect((await w.post('/bc-authorize', asInstance, { headers })).body.error).toBe('unauthorized_client')
    const instance = { ...(await w.contexts[0]!.clients.find('polls'))!, kind: 'instance', jkt: device.jkt } as const
    const other = await cibaWorld({ context: () => ({ clients: { find: async () => instance } }) })
    const proved = { dpop: await device.proof(`${w.contexts[0]!.issuer}/bc-authorize`, { nonce: await other.nonce() }) }
    expect((await other.begin({}, { headers: proved })).body.error).toBe('unauthorized_client')
  })

  it('may name the user by an ID token of ours that it was given, expired or not; by no other', async () => {
    const w = await cibaWorld()
    await w.begin()
    const { auth_req_id } = (await w.begin()).body
    await w.decide(granted())
    const { id_token, access_token } = (await w.poll(auth_req_id)).body
    const hinted = { client_id: 'polls', client_secret: SECRET, scope: 'openid' }
    w.advance(3_600_000)
    expect((await w.post('/bc-authorize', { ...hinted, id_token_hint: id_token })).status).toBe(200)
    expect(w.asked.at(-1)!.hint).toEqual({ kind: 'id_token_hint', subject: 'user-1' })
    for (const [form, hint] of [
      [{ ...hinted, client_id: 'signed' }, id_token],
      [{ ...hinted, client_id: 'pinged', client_notification_token: 'x' }, id_token],
      [hinted, access_token],
      [hinted, changed(id_token)],
      [hinted, 'a.b.c'],
    ] as const)
      expect((await w.post('/bc-authorize', { ...form, id_token_hint: hint })).body.error).toBe('invalid_request')
  })

  it('is told what the host throws, where the host wants it told', async () => {
    for (const [thrown, error] of [
      ['ciba.unknown_user', 'unknown_user_id'],
      ['ciba.expired_hint', 'expired_login_hint_token'],
      ['ciba.missing_user_code', 'missing_user_code'],
      ['ciba.invalid_user_code', 'invalid_user_code'],
      ['tokens.denied', 'access_denied'],
    ] as const) {
      const w = await cibaWorld({ port: { begin: async () => Promise.reject(new PosternError(thrown)) } })
      expect((await w.begin()).body.error).toBe(error)
    }
  })

  it('about nobody, or about a user whom somebody waits for already, is answered like any other, and expires', async () => {
    const op = { op: 'put', key: 'open/polls', value: utf8('1'), rev: null } as const
    const w = await cibaWorld({
      port: { begin: async ({ hint }) => ({ subject: 'value' in hint && hint.value === 'user-1' ? 'user-1' : null, ops: [op] }) },
    })
    const real = await w.begin()
    const answers = [real, await w.begin(), await w.begin({ login_hint: 'nobody' }), await w.begin({ login_hint: 'nobody' })]
    const shape = ({ status, body }: typeof real) => [status, body.auth_req_id.length, body.expires_in, body.interval]
    for (const answer of answers) expect(shape(answer)).toEqual(shape(real))
    for (const { body } of answers) {
      expect((await w.poll(body.auth_req_id)).body.error).toBe('authorization_pending')
      expect((await w.poll(body.auth_req_id)).body.error).toBe('slow_down')
    }
    w.advance(300_000)
    for (const { body } of answers) expect((await w.poll(body.auth_req_id)).body.error).toBe('expired_token')
    const recs = await w.inner.outbox!({ now: w.now(), limit: 100 })
    const told = recs.map(({ value }) => JSON.parse(Buffer.from(value).toString()))
    const requested = told.filter(({ type }) => type === 'ciba.requested')
    expect(requested.map(({ subject, reason }) => `${subject} ${reason}`).sort()).toEqual([
      'undefined ciba.busy',
      'undefined ciba.nobody',
      'user-1 ciba.busy',
      'user-1 undefined',
    ])
  })

  it('has the user’s device reached after the request stands, and only then', async () => {
    const reached: string[] = []
    let held = true
    const w = await cibaWorld({
      port: {
        begin: async ({ id }) => ({
          subject: 'user-1',
          ops: held ? [] : [{ op: 'check', key: 'never', rev: newRev((n) => new Uint8Array(n)) }],
          after: async () => void reached.push(id),
        }),
      },
    })
    await w.begin()
    held = false
    await w.begin()
    expect(reached).toHaveLength(1)
  })

  it('is not there, nor announced, for an issuer without the port', async () => {
    const w = await cibaWorld({ context: () => ({ ciba: undefined }) as never })
    expect((await w.begin()).status).toBe(404)
    expect((await w.poll('pb_x')).body.error).toBe('unsupported_grant_type')
    expect(await w.nodes[0]!.sweep(w.contexts[0]!)).toBe(0)
    const metadata = async (world: CibaWorld) =>
      (await world.nodes[0]!.fetch(new Request(`${w.contexts[0]!.issuer}/.well-known/openid-configuration`))).json()
    expect(JSON.stringify(await metadata(w))).not.toContain('ciba')
    expect(await metadata(await cibaWorld({ port: { deliveryModes: ['poll', 'ping'], userCode: true } }))).toMatchObject({
      backchannel_authentication_endpoint: 'https://id.example.com/t1/bc-authorize',
      backchannel_token_delivery_modes_supported: ['poll', 'ping'],
      backchannel_user_code_parameter_supported: true,
      backchannel_authentication_request_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519'],
      grant_types_supported: expect.arrayContaining(['urn:openid:params:grant-type:ciba']),
    })
  })

  it('is refused in a mode that the issuer does not offer', async () => {
    const w = await cibaWorld({ port: { deliveryModes: ['poll'] } })
    expect((await w.begin({ client_id: 'pushed' })).body.error).toBe('unauthorized_client')
  })
})

it.each(['http://client.example.com/cb', 'https://user@client.example.com/cb', 'not a url', ''])(
  'a client that is to be called at %j is not registered',
  (url) => expect(() => clientsInConfig(cibaClients(url))).toThrow(expect.objectContaining({ code: 'metadata.refused' })),
)

describe('a signed request', () => {
  const send = async (w: CibaWorld, request: string, more: Record<string, string> = {}) =>
    w.post('/bc-authorize', { client_id: 'signed', client_secret: SECRET, request, ...more })

  it('counts alone, once', async () => {
    const w = await cibaWorld()
    const request = await w.signedRequest({ binding_message: 'hello', requested_expiry: 60, acr_values: 'level2' })
    expect((await send(w, request)).body.expires_in).toBe(60)
    expect(w.asked.at(-1)).toMatchObject({ client: { id: 'signed' }, bindingMessage: 'hello', acrValues: ['level2'] })
    expect((await send(w, request)).body.error).toBe('invalid_request_object')
    expect(w.asked).toHaveLength(1)
  })

  it('is owed by a client that is registered so', async () => {
    const w = await cibaWorld()
    expect((await w.begin({ client_id: 'signed' })).body.error).toBe('invalid_request')
  })

  it('T38 with parameters beside it, or in another’s name, is refused', async () => {
    const w = await cibaWorld()
    const request = await w.signedRequest()
    for (const more of [{ scope: 'openid' }, { login_hint: 'user-2' }, { request_uri: 'https://evil.example' }])
      expect((await send(w, request, more as Record<string, string>)).body.error).toBe('invalid_request')
    expect((await send(w, request, { client_id: 'polls' })).body.error).toBe('invalid_request_object')
    expect((await send(w, request)).status).toBe(200)
  })

  it.each([
    ['another issuer', { iss: 'polls' }],
    ['another audience', { aud: 'https://evil.example.com' }],
    ['several audiences', { aud: ['https://id.example.com/t1'] }],
    ['a subject, as assertions have', { sub: 'signed' }],
    ['another client_id', { client_id: 'polls' }],
    ['a request in it', { request: 'x' }],
    ['a secret in it', { client_secret: 'x' }],
    ['no expiry', { exp: undefined }],
    ['a text for an expiry', { exp: '9999999999' }],
    ['no nbf', { nbf: undefined }],
    ['no iat', { iat: undefined }],
    ['no jti', { jti: undefined }],
  ])('with %s is refused, and nobody is asked', async (_, claims) => {
    const w = await cibaWorld()
    const given = JSON.parse(JSON.stringify(claims)) as JsonObject
    const absent = Object.entries(claims).filter(([, value]) => value === undefined)
    const whole = claimsOf(await w.signedRequest(given)) as Record<string, never>
    for (const [name] of absent) delete whole[name]
    const request = await resigned(whole)
    expect((await send(w, request)).body.error).toBe('invalid_request_object')
    expect(w.asked).toHaveLength(0)
  })

  it('T46 too old, too long or from the future is refused', async () => {
    const w = await cibaWorld()
    const now = Math.floor(w.now() / 1000)
    for (const claims of [{ exp: now }, { exp: now + 301 }, { nbf: now + 61 }, { iat: now + 61 }])
      expect((await send(w, await w.signedRequest(claims))).body.error).toBe('invalid_request_object')
    for (const exp of [now + 300, now + 59.123456789]) expect((await send(w, await w.signedRequest({ exp }))).status).toBe(200)
  })

  it('T21 T24 unsigned, or with a key or type of its own, is refused', async () => {
    const w = await cibaWorld()
    const whole = await w.signedRequest()
    const [, payload, signature] = whole.split('.')
    const head = (members: object): string => Buffer.from(JSON.stringify(members)).toString('base64url')
    for (const request of [
      `${head({ alg: 'none' })}.${payload}.`,
      `${head({ alg: 'ES256', jku: 'https://evil.example/' })}.${payload}.${signature}`,
      `${head({ alg: 'ES256', typ: 'at+jwt' })}.${payload}.${signature}`,
      changed(whole),
      'x',
    ])
      expect((await send(w, request)).body.error).toBe('invalid_request_object')
  })
})

/** Signs claims with the key of the client `signed`. */
async function resigned(claims: JsonObject): Promise<string> {
  return signJws(requestSigner, { typ: 'oauth-authz-req+jwt' }, claims)
}

describe('a client that polls', () => {
  it('T41 too fast is told to slow down; as another client gets nothing and takes nothing from the right one', async () => {
    const w = await cibaWorld()
    const { auth_req_id } = (await w.begin()).body
    expect((await w.poll(auth_req_id)).body.error).toBe('authorization_pending')
    await w.decide(granted())
    expect((await w.poll(auth_req_id)).body.error).toBe('slow_down')
    w.advance(5000)
    expect((await w.poll(auth_req_id, { form: { client_id: 'pinged' } })).body.error).toBe('invalid_grant')
    expect((await w.poll(auth_req_id)).status).toBe(200)
  })

  it('T41 after a lock or a revocation is refused', async () => {
    let verdict: Verdict = { ok: false, error: 'access_denied', code: 'user.blocked' }
    const seen: string[] = []
    const w = await cibaWorld({
      context: () => ({
        async recheck(_, at) {
          seen.push(at)
          return verdict
        },
      }),
    })
    const { auth_req_id } = (await w.begin()).body
    await w.decide(granted())
    const { body } = await w.poll(auth_req_id)
    expect([body.error, body.code]).toEqual(['access_denied', 'user.blocked'])
    verdict = { ok: true }
    await revoke({ subject: 'user-1', devices: [] }, w.contexts[0]!)
    w.advance(5000)
    expect((await w.poll(auth_req_id)).body.error).toBe('invalid_grant')
    expect(seen).toEqual(['ciba', 'ciba'])
  })

  it('T02 again after it got its tokens gets nothing, and the tokens of the first time are revoked', async () => {
    const w = await cibaWorld()
    const { auth_req_id } = (await w.begin()).body
    await w.decide(granted())
    const { body } = await w.poll(auth_req_id)
    w.advance(5000)
    expect((await w.poll(auth_req_id)).body.error).toBe('invalid_grant')
    expect((await w.introspect(body.access_token)).body).toEqual({ active: false })
  })

  it('with a key that is not the one it asked with is refused', async () => {
    const w = await cibaWorld()
    const [one, two] = [await w.device({ register: false }), await w.device({ register: false })]
    const { issuer } = w.contexts[0]!
    const headers = { dpop: await one.proof(`${issuer}/bc-authorize`) }
    const { auth_req_id } = (await w.begin({}, { headers })).body
    await w.decide(granted())
    const as = async (who: typeof one) => w.poll(auth_req_id, { headers: { dpop: await who.proof(`${issuer}/token`) } })
    expect((await as(two)).body.error).toBe('invalid_dpop_proof')
    expect((await w.poll(auth_req_id)).body.error).toBe('invalid_dpop_proof')
    const { status, body } = await as(one)
    expect([status, body.token_type]).toEqual([200, 'DPoP'])
  })

  it('T20 with a handle of another type, tenant or issuer, or an altered one, is answered alike', async () => {
    const w = await cibaWorld()
    const { auth_req_id } = (await w.begin()).body
    await w.decide(granted())
    const elsewhere = await cibaWorld({ issuer: 'https://id.example.com/t2' })
    const foreign = (await elsewhere.begin()).body.auth_req_id
    const authorizationCode = await w.code('polls')
    const answers = await Promise.all(
      [
        foreign,
        authorizationCode,
        `pb_${authorizationCode.slice(3)}`,
        `pd_${auth_req_id.slice(3)}`,
        `${auth_req_id}AAAA`,
        'x',
      ].map((text) => w.poll(text)),
    )
    const { status, body } = answers[0]!
    expect([status, body.error]).toEqual([400, 'invalid_grant'])
    for (const answer of answers) expect(answer.body).toEqual(body)
    const form = { client_id: 'polls', client_secret: SECRET, grant_type: 'authorization_code', code_verifier: 'v'.repeat(43) }
    for (const text of [auth_req_id, `pc_${auth_req_id.slice(3)}`])
      expect((await w.post('/token', { ...form, code: text })).body).toEqual(body)
    expect((await w.poll(auth_req_id)).status).toBe(200)
  })
})

describe('a user who decides', () => {
  it('decides once; a second decision is told what stands', async () => {
    const w = await cibaWorld()
    await w.begin()
    expect(await w.decide(denied)).toEqual({ status: 'denied', first: true })
    expect(await w.decide(granted())).toEqual({ status: 'denied', first: false })
  })

  it('decides what is his alone, within what was asked', async () => {
    const w = await cibaWorld()
    const { auth_req_id } = (await w.begin()).body
    const { id } = w.asked[0]!
    expect(await code(w.decide(granted({ subject: 'user-2' })))).toBe('grant.expired')
    expect(await code(w.decide({ outcome: 'denied', subject: 'user-2' }))).toBe('grant.expired')
    for (const wrong of ['', 'x', id.slice(1), `${id}.po`, id.toUpperCase()])
      expect(await code(w.decide(granted(), { id: wrong }))).toBe('grant.expired')
    expect(await code(w.decide({ ...granted(), scope: ['openid', 'payments'] } as never))).toBe('scope.refused')
    expect((await w.poll(auth_req_id)).body.error).toBe('authorization_pending')
  })

  it('cannot decide a request about nobody', async () => {
    const w = await cibaWorld()
    await w.begin({ login_hint: 'nobody' })
    expect(await code(w.decide(granted({ subject: 'nobody' })))).toBe('grant.expired')
  })

  it('takes the host’s ops along, or is told which of them did not hold', async () => {
    const w = await cibaWorld()
    const { auth_req_id } = (await w.begin()).body
    const [context] = w.contexts
    const { id } = w.asked[0]!
    const ops = [
      { op: 'put', key: 'tx/1', value: utf8('a'), rev: null },
      { op: 'put', key: 'tx/2', value: utf8('b'), rev: null },
    ] as const
    const place = await userPart(w)
    await w.inner.commit(place, [{ op: 'put', key: 'tx/2', value: utf8('there') }], { now: w.now(), rev: 'AAAAAAAAAAAAAAAA' })
    const blocked = await decideCiba(id, granted(), context!, { ops })
    expect(blocked).toMatchObject({ status: 'blocked', first: false, at: 1, current: { rev: 'AAAAAAAAAAAAAAAA' } })
    expect((await w.poll(auth_req_id)).body.error).toBe('authorization_pending')
    expect(await decideCiba(id, granted(), context!, { ops: ops.slice(0, 1) })).toEqual({ status: 'approved', first: true })
    expect((await w.inner.read(place, ['tx/1'], { now: w.now() }))[0]?.value).toEqual(utf8('a'))
  })
})

describe('a client that is called', () => {
  let to: Receiver
  beforeEach(async () => {
    to = await receiver()
  })
  afterEach(() => to.close())
  const called = (o: Parameters<typeof cibaWorld>[0] = {}): Promise<CibaWorld> =>
    cibaWorld({
      callbackUrl: to.url,
      ...o,
      context: (context) => ({
        runtime: { ...context.runtime, fetch },
        deadline: () => AbortSignal.timeout(2000),
        ...o.context?.(context),
      }),
    })
  const bodies = (): JsonObject[] => to.received.map(({ body }) => JSON.parse(body))
  /** Everything the store holds of the user, as text. */
  const everything = async (w: CibaWorld): Promise<string> => {
    const recs = await w.inner.list(await userPart(w), '', { now: w.now(), limit: 1000 })
    return recs.map(({ key, value }) => `${key} ${Buffer.from(value).toString()}`).join('\n')
  }

  it.each([granted(), denied])('by a ping hears that there is a decision, and nothing of it: %j', async (decision) => {
    const w = await called()
    const { body } = await w.begin({ client_id: 'pinged' })
    expect(body.interval).toBe(5)
    await w.decide(decision)
    expect(to.received).toEqual([])
    expect(await w.nodes[0]!.sweep(w.contexts[0]!)).toBe(1)
    expect(to.received).toHaveLength(1)
    expect(to.received[0]!.headers).toMatchObject({ authorization: `Bearer ${NOTIFICATION}`, 'content-type': 'application/json' })
    expect(bodies()).toEqual([{ auth_req_id: body.auth_req_id }])
    const { status } = await w.poll(body.auth_req_id, { form: { client_id: 'pinged' } })
    expect(status).toBe(decision.outcome === 'granted' ? 200 : 400)
    expect(await deliver(w.contexts[0]!)).toBe(0)
  })

  it('by a ping is called at once where the host waits for it, and not again', async () => {
    const w = await called()
    await w.begin({ client_id: 'pinged' })
    const waiting: Promise<unknown>[] = []
    await w.decide(granted(), { context: { ...w.contexts[0]!, host: { waitUntil: (work) => void waiting.push(work) } } })
    await Promise.all(waiting)
    expect(to.received).toHaveLength(1)
    expect(await deliver(w.contexts[1]!)).toBe(0)
  })

  it('by a ping is not called when the request has ended', async () => {
    const w = await called()
    await w.begin({ client_id: 'pinged' })
    await w.decide(granted())
    w.advance(300_000)
    expect(await deliver(w.contexts[0]!)).toBe(0)
    expect(to.received).toEqual([])
  })

  it('F35 polls without having been called: a ping carries no trust', async () => {
    const w = await called()
    const { auth_req_id } = (await w.begin({ client_id: 'pinged' })).body
    expect((await w.poll(auth_req_id, { form: { client_id: 'pinged' } })).body.error).toBe('authorization_pending')
    await w.decide(granted())
    w.advance(5000)
    expect((await w.poll(auth_req_id, { form: { client_id: 'pinged' } })).status).toBe(200)
  })

  it('by a push gets its tokens, with an ID token that names them', async () => {
    const w = await called()
    const { body } = await w.begin({ client_id: 'pushed', scope: 'openid accounts' })
    expect(body).toEqual({ auth_req_id: expect.any(String), expires_in: 300 })
    expect(await w.decide(granted())).toEqual({ status: 'approved', first: true })
    expect(await deliver(w.contexts[0]!)).toBe(1)
    expect(to.received[0]!.headers.authorization).toBe(`Bearer ${NOTIFICATION}`)
    const [sent] = bodies() as [Record<string, string>]
    expect(sent).toMatchObject({ auth_req_id: body.auth_req_id, token_type: 'Bearer', scope: 'openid accounts', expires_in: 300 })
    expect(claimsOf(sent.id_token!)).toMatchObject({
      sub: 'user-1',
      aud: 'pushed',
      at_hash: half(sent.access_token!),
      'urn:openid:params:jwt:claim:rt_hash': half(sent.refresh_token!),
      'urn:openid:params:jwt:claim:auth_req_id': body.auth_req_id,
    })
    expect((await w.introspect(sent.access_token!)).body).toMatchObject({ active: true, sub: 'user-1', client_id: 'pushed' })
    const form = { client_id: 'pushed', client_secret: SECRET, grant_type: 'refresh_token', refresh_token: sent.refresh_token! }
    const renewed = (await w.post('/token', form)).body
    expect(claimsOf(renewed.id_token)).not.toHaveProperty('urn:openid:params:jwt:claim:rt_hash')
  })

  it('by a push gets no tokens at the token endpoint', async () => {
    const w = await called()
    const { auth_req_id } = (await w.begin({ client_id: 'pushed' })).body
    await w.decide(granted())
    expect((await w.poll(auth_req_id, { form: { client_id: 'pushed' } })).body.error).toBe('unauthorized_client')
    expect(await deliver(w.contexts[0]!)).toBe(1)
  })

  it('by a push that failed, stalled and was redirected gets the same refresh token each time, and one grant in all', async () => {
    const w = await called()
    await w.begin({ client_id: 'pushed' })
    await w.decide(granted())
    for (const how of [500, 'stall', 'redirect', 'hang up'] as const) {
      to.behave(how)
      expect(await deliver(w.contexts[0]!)).toBe(0)
      w.advance(80_000)
    }
    to.behave(200)
    expect(await deliver(w.contexts[1]!)).toBe(1)
    const sent = bodies() as unknown as Record<string, string>[]
    expect(sent).toHaveLength(5)
    expect(to.received.map(({ path }) => path)).toEqual(Array(5).fill('/cb'))
    expect(new Set(sent.map(({ refresh_token }) => refresh_token)).size).toBe(1)
    expect(new Set(sent.map(({ access_token }) => access_token)).size).toBe(5)
    for (const { id_token, refresh_token } of sent)
      expect(claimsOf(id_token!)['urn:openid:params:jwt:claim:rt_hash']).toBe(half(refresh_token!))
    expect(await deliver(w.contexts[0]!)).toBe(0)
    await revoke({ subject: 'user-1', devices: [] }, w.contexts[0]!)
    for (const { access_token } of sent) expect((await w.introspect(access_token!)).body.active).toBe(false)
  })

  it('by a push whose reply was lost and who has used the refresh token is not called again', async () => {
    const w = await called()
    await w.begin({ client_id: 'pushed' })
    await w.decide(granted())
    to.behave(500)
    await deliver(w.contexts[0]!)
    const { refresh_token } = bodies()[0] as Record<string, string>
    const form = { client_id: 'pushed', client_secret: SECRET, grant_type: 'refresh_token', refresh_token: refresh_token! }
    expect((await w.post('/token', form)).status).toBe(200)
    w.advance(10_000)
    expect(await deliver(w.contexts[0]!)).toBe(0)
    expect(to.received).toHaveLength(1)
    expect(await everything(w)).not.toContain('e/~ciba')
  })

  it('by a push of a client without refresh tokens gets an access token alone', async () => {
    const w = await called()
    await w.begin({ client_id: 'brief' })
    await w.decide(granted())
    expect(await deliver(w.contexts[0]!)).toBe(1)
    const [sent] = bodies() as [Record<string, string>]
    expect(sent).not.toHaveProperty('refresh_token')
    expect(claimsOf(sent.id_token!)).not.toHaveProperty('urn:openid:params:jwt:claim:rt_hash')
    expect((await w.introspect(sent.access_token!)).body.active).toBe(true)
  })

  it('by a push hears of a no', async () => {
    const w = await called()
    const { auth_req_id } = (await w.begin({ client_id: 'pushed' })).body
    await w.decide(denied)
    await deliver(w.contexts[0]!)
    expect(bodies()).toEqual([{ auth_req_id, error: 'access_denied' }])
  })

  it('no token and no notification token is at rest, not even while a push waits', async () => {
    const w = await called()
    const { auth_req_id } = (await w.begin({ client_id: 'pushed' })).body
    await w.decide(granted())
    const at = await everything(w)
    expect(at).toContain('e/~ciba/')
    to.behave(500)
    await deliver(w.contexts[0]!)
    const [sent] = bodies() as [Record<string, string>]
    for (const rest of [at, await everything(w)])
      for (const secret of [NOTIFICATION, auth_req_id, sent.access_token!, sent.refresh_token!, sent.id_token!])
        expect(rest).not.toContain(secret)
  })

  it('T41 locked when the user says yes: denied, pushed as that, and nothing is redeemed', async () => {
    const w = await called({
      context: () => ({ recheck: async () => ({ ok: false, error: 'access_denied', code: 'user.blocked' }) }),
    })
    const { auth_req_id } = (await w.begin({ client_id: 'pushed' })).body
    expect(await w.decide(granted())).toEqual({ status: 'denied', first: true })
    await deliver(w.contexts[0]!)
    expect(bodies()).toEqual([{ auth_req_id, error: 'access_denied' }])
    expect(await everything(w)).not.toMatch(/^(code|fam)\//m)
  })

  it('T49 with a login of a session that has ended is not decided', async () => {
    const w = await called()
    await w.begin({ client_id: 'polls' })
    await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[0]!)
    expect(await code(w.decide(granted({ sid: 'session1' })))).toBe('tokens.denied')
    expect(await w.decide(granted({ sid: 'session2' }))).toEqual({ status: 'approved', first: true })
  })

  it('T41 locked or revoked between yes and delivery: an error is pushed, never a token', async () => {
    let verdict: Verdict = { ok: true }
    const w = await called({ context: () => ({ recheck: async () => verdict }) })
    const lock = async () => void (verdict = { ok: false, error: 'access_denied', code: 'user.blocked' })
    const everywhere = () => revoke({ subject: 'user-1', devices: [] }, w.contexts[0]!)
    for (const end of [lock, everywhere]) {
      verdict = { ok: true }
      await w.begin({ client_id: 'pushed' })
      await w.decide(granted())
      await end()
      await deliver(w.contexts[0]!)
      expect(bodies().at(-1)).toMatchObject({ error: 'access_denied' })
      expect(bodies().at(-1)).not.toHaveProperty('access_token')
    }
  })

  it('T41 whose client was revoked between yes and delivery is pushed an error', async () => {
    let epoch: string | null = null
    const clients = clientsInConfig(cibaClients(to.url))
    const find = async (id: string) => ({ ...(await clients.find(id))!, epoch })
    const w = await called({ context: () => ({ clients: { find } }) })
    await w.begin({ client_id: 'pushed' })
    await w.decide(granted())
    epoch = 'AAAAAAAAAAAAAAAA'
    await deliver(w.contexts[0]!)
    expect(bodies()[0]).toMatchObject({ error: 'access_denied' })
  })

  it('with all that may join its commit still fits into one: session, listener, two guards of the host, four of its ops', async () => {
    const clients = clientsInConfig(cibaClients(to.url))
    const find = async (id: string) => ({ ...(await clients.find(id))!, backchannelLogoutUri: to.url })
    const guards = ['u1', 'u2'].map((key) => ({ key, rev: null }))
    const w = await called({ context: () => ({ clients: { find }, recheck: async () => ({ ok: true, guards }) }) })
    const ops = [1, 2, 3, 4].map((n) => ({ op: 'put', key: `tx/${n}`, value: utf8('x'), rev: null }) as const)
    for (const scope of ['openid accounts', 'openid offline_access']) {
      await w.begin({ client_id: 'pushed', scope })
      const each = ops.map((op) => ({ ...op, key: `${op.key}/${scope.length}` }))
      const { id } = w.asked.at(-1)!
      const decided = await decideCiba(id, granted({ sid: 'session1' }), w.contexts[0]!, { ops: each })
      expect(decided).toEqual({ status: 'approved', first: true })
    }
  })

  it('T41 whose family was ended between two tries is pushed an error', async () => {
    const w = await called()
    await w.begin({ client_id: 'pushed' })
    await w.decide(granted())
    to.behave(500)
    await deliver(w.contexts[0]!)
    const { refresh_token } = bodies()[0] as Record<string, string>
    await w.post('/revoke', { client_id: 'pushed', client_secret: SECRET, token: refresh_token! })
    w.advance(10_000)
    await deliver(w.contexts[0]!)
    expect(bodies()[1]).toMatchObject({ error: 'access_denied' })
  })

  it('a guard of the host that changed is judged again, at the decision and at delivery', async () => {
    let told: (string | undefined)[] = []
    let rev: string | null = null
    const w = await called({
      context: () => ({
        async recheck({ current }) {
          told.push(current?.rec?.rev)
          return { ok: true, guards: [{ key: 'u', rev: current?.rec?.rev ?? rev }] }
        },
      }),
    })
    const part = await userPart(w)
    const change = async (next: string) =>
      w.inner.commit(part, [{ op: 'put', key: 'u', value: utf8('x') }], { now: w.now(), rev: next })
    await change('AAAAAAAAAAAAAAAA')
    await w.begin({ client_id: 'pushed' })
    expect(await w.decide(granted())).toEqual({ status: 'approved', first: true })
    expect(told).toEqual([undefined, 'AAAAAAAAAAAAAAAA'])
    rev = 'AAAAAAAAAAAAAAAA'
    told = []
    await change('BBBBBBBBBBBBBBBB')
    expect(await deliver(w.contexts[0]!)).toBe(1)
    expect(told).toEqual([undefined, 'BBBBBBBBBBBBBBBB'])
    expect(bodies()[0]).toHaveProperty('access_token')
  })

  it('is bound to the key it asked with, and owes its proof then', async () => {
    const w = await called()
    expect((await w.begin({ client_id: 'bound' })).body.error).toBe('invalid_dpop_proof')
    const key = await w.device({ register: false })
    const headers = { dpop: await key.proof(`${w.contexts[0]!.issuer}/bc-authorize`) }
    expect((await w.begin({ client_id: 'bound' }, { headers })).status).toBe(200)
    await w.decide(granted())
    await deliver(w.contexts[0]!)
    const [sent] = bodies() as [Record<string, string>]
    expect(sent.token_type).toBe('DPoP')
    expect(claimsOf(sent.access_token!).cnf).toEqual({ jkt: key.jkt })
  })

  it('T35 is sent no bearer token where every token is to be bound: it owes a proof when it asks', async () => {
    const w = await called({ config: { requireBoundTokens: true } })
    expect((await w.begin({ client_id: 'pushed' })).body.error).toBe('invalid_dpop_proof')
    const key = await w.device({ register: false })
    const headers = { dpop: await key.proof(`${w.contexts[0]!.issuer}/bc-authorize`) }
    expect((await w.begin({ client_id: 'pushed' }, { headers })).status).toBe(200)
    await w.decide(granted())
    await deliver(w.contexts[0]!)
    expect(bodies()).toEqual([expect.objectContaining({ token_type: 'DPoP' })])
  })

  it('is bound to the certificate it asked with, and owes one then', async () => {
    let host = {}
    const w = await called({ context: () => ({ host }) })
    const clientCertificate = utf8('a certificate')
    expect((await w.begin({ client_id: 'certified' })).body.error).toBe('invalid_request')
    host = { clientCertificate }
    const proved = await called({ context: () => ({ host }) })
    expect((await proved.begin({ client_id: 'certified' })).status).toBe(200)
    await proved.decide(granted())
    await deliver(proved.contexts[0]!)
    const [sent] = bodies() as [Record<string, string>]
    const x5t = createHash('sha256').update(clientCertificate).digest('base64url')
    expect(claimsOf(sent.access_token!).cnf).toEqual({ 'x5t#S256': x5t })
  })

  it('gets the details that were granted of those it asked for, polled and pushed', async () => {
    const w = await called({ context: () => ({ details: payments }) })
    const authorization_details = JSON.stringify([payment(100)])
    const { auth_req_id } = (await w.begin({ authorization_details })).body
    expect(w.asked.at(-1)!.authorizationDetails).toEqual([payment(100)])
    expect(await code(w.decide({ ...granted(), authorizationDetails: [payment(101)] } as UserDecision))).toBe('details.refused')
    await w.decide({ ...granted(), authorizationDetails: [payment(60)] } as UserDecision)
    const narrowed = { form: { authorization_details: JSON.stringify([payment(50)]) } }
    expect((await w.poll(auth_req_id, narrowed)).body.authorization_details).toEqual([payment(50)])
    await w.begin({ client_id: 'pushed', authorization_details })
    await w.decide({ ...granted(), authorizationDetails: [payment(60)] } as UserDecision)
    await deliver(w.contexts[0]!)
    expect(bodies()[0]!.authorization_details).toEqual([payment(60)])
  })

  it('is called where it is registered now, and not at all when it is gone', async () => {
    let clients = clientsInConfig(cibaClients('https://moved.example.com/'))
    const w = await called({ context: () => ({ clients: { find: (id) => clients.find(id) } }) })
    await w.begin({ client_id: 'pinged' })
    await w.decide(granted())
    clients = clientsInConfig(cibaClients(to.url))
    expect(await deliver(w.contexts[0]!)).toBe(1)
    await w.begin({ client_id: 'pinged' })
    await w.decide(granted())
    clients = clientsInConfig([])
    expect(await deliver(w.contexts[0]!)).toBe(0)
    expect(to.received).toHaveLength(1)
    expect(await everything(w)).not.toContain('e/~ciba')
  })
})

it('round trips: asking 1, a poll 2, deciding 3, a poll that gets tokens 3, a late one 0; a push decided 3 and delivered 3', async () => {
  const to = await receiver()
  const counters: Counting[] = []
  const w = await cibaWorld({
    callbackUrl: to.url,
    wrap: (store) => counters[counters.push(countingStore(store)) - 1]!.store,
    context: (context) => ({ runtime: { ...context.runtime, fetch } }),
  })
  const trips = async (run: () => Promise<unknown>): Promise<number> => {
    counters[0]!.reset()
    await run()
    const { read, commit, list } = counters[0]!.counts()
    return read + commit + list
  }
  let id = ''
  expect(await trips(async () => (id = (await w.begin()).body.auth_req_id))).toBe(1)
  expect(await trips(() => w.poll(id))).toBe(2)
  expect(await trips(() => w.decide(granted()))).toBe(3)
  w.advance(5000)
  expect(await trips(() => w.poll(id))).toBe(3)
  w.advance(300_000)
  expect(await trips(() => w.poll(id))).toBe(0)
  await w.begin({ client_id: 'pushed' })
  expect(await trips(() => w.decide(granted()))).toBe(3)
  expect(await trips(() => deliver(w.contexts[0]!))).toBe(3)
  await to.close()
})
