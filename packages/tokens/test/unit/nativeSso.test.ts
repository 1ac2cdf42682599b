import { createHash } from 'node:crypto'
import { createCrypto } from '@postern/core/crypto/node'
import type { Store } from '@postern/store'
import { hashSecret } from '@postern/tokens/auth/secret'
import { exchange } from '@postern/tokens/grants/exchange'
import { nativeSso } from '@postern/tokens/grants/nativeSso'
import type { IssuerContext } from '@postern/tokens/issuer'
import { logOut } from '@postern/tokens/logout'
import { places } from '@postern/tokens/places'
import { type RevokeTarget, revoke } from '@postern/tokens/revoke'
import { defaultGrants } from '@postern/tokens/token'
import { describe, expect, it } from 'vitest'
import { EXCHANGE } from '../exchanging.js'
import { API, basic, type Device, ISSUER, SECRET, VERIFIER, type World, type WorldOptions, world } from '../world.js'

const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token'
const DEVICE_SECRET = 'urn:openid:params:token-type:device-secret'
const SCOPE = ['openid', 'offline_access', 'device_sso', 'accounts']
const crypto = createCrypto()
const claimsOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString())

/** Instances may exchange; `mail` and `news` are apps of one vendor that are shared clients. */
async function setup(o: WorldOptions = {}): Promise<World> {
  const auth = { method: 'client_secret_basic', secretHashes: [await hashSecret(crypto, SECRET)] } as const
  const app = (id: string) => ({
    id,
    auth,
    redirectUris: [`https://${id}.example.com/cb`],
    grantTypes: ['authorization_code', 'refresh_token', EXCHANGE],
    scope: [...SCOPE, 'payments'],
    introspects: [API],
  })
  return world({
    clients: [app('mail'), app('news')],
    grants: [...defaultGrants, exchange, nativeSso],
    ...o,
    config: { scopes: [...SCOPE, 'payments'], ...o.config },
    context: (context) =>
      ({
        exchange: async () => ({ ok: true }),
        clients: {
          ...context.clients,
          find: async (id) => {
            const client = await context.clients.find(id)
            return client?.kind === 'instance'
              ? { ...client, scope: [...SCOPE, 'payments'], grantTypes: [...client.grantTypes, EXCHANGE] }
              : client
          },
        },
        ...o.context?.(context),
      }) satisfies Partial<IssuerContext>,
  })
}

async function login(w: World, id: string, sid: string | null = 'session1') {
  const redirect_uri = `https://${id}.example.com/cb`
  const code = await w.code(id, { redirectUri: redirect_uri, scope: SCOPE, login: sid === null ? {} : { sid } })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri }
  return (await w.post('/token', form, { headers: { authorization: basic(id, SECRET) } })).body as Record<string, string>
}
const formOf = (tokens: Record<string, string>, more: Record<string, string> = {}) => ({
  grant_type: EXCHANGE,
  audience: ISSUER,
  subject_token: tokens.id_token!,
  subject_token_type: ID_TOKEN,
  actor_token: tokens.device_secret!,
  actor_token_type: DEVICE_SECRET,
  scope: 'openid accounts',
  ...more,
})
const sso = (w: World, id: string, tokens: Record<string, string>, more?: Record<string, string>) =>
  w.post('/token', formOf(tokens, more), { headers: { authorization: basic(id, SECRET) } })
const active = async (w: World, token: string) =>
  (await w.post('/introspect', { token }, { headers: { authorization: basic('mail', SECRET) } })).body.active

describe('Native SSO', () => {
  it('a code with device_sso brings a device secret that its ID tokens are tied to, refreshed ones too', async () => {
    const w = await setup()
    const tokens = await login(w, 'mail')
    const tied = createHash('sha256').update(tokens.device_secret!).digest('base64url')
    expect(claimsOf(tokens.id_token!)).toMatchObject({ ds_hash: tied, sid: 'session1' })
    const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token! }
    const refreshed = (await w.post('/token', form, { headers: { authorization: basic('mail', SECRET) } })).body
    expect(claimsOf(refreshed.id_token).ds_hash).toBe(tied)
    const plain = await w.code('mail', { redirectUri: 'https://mail.example.com/cb', scope: ['openid'] })
    const without = {
      grant_type: 'authorization_code',
      code: plain,
      code_verifier: VERIFIER,
      redirect_uri: 'https://mail.example.com/cb',
    }
    const { body } = await w.post('/token', without, { headers: { authorization: basic('mail', SECRET) } })
    expect([body.device_secret, claimsOf(body.id_token).ds_hash]).toEqual([undefined, undefined])
  })

  it('another app logs the same user in, in the same session, with a grant of its own', async () => {
    const w = await setup()
    const tokens = await login(w, 'mail')
    const { status, body } = await sso(w, 'news', tokens)
    expect([status, body.issued_token_type, body.device_secret]).toEqual([
      200,
      'urn:ietf:params:oauth:token-type:access_token',
      undefined,
    ])
    expect(claimsOf(body.id_token)).toMatchObject({ sub: 'user-1', aud: 'news', sid: 'session1', acr: 'level2', amr: ['pin'] })
    await w.post('/revoke', { token: tokens.refresh_token! }, { headers: { authorization: basic('mail', SECRET) } })
    expect(await active(w, body.access_token)).toBe(true)
    const form = { grant_type: 'refresh_token', refresh_token: body.refresh_token }
    expect((await w.post('/token', form, { headers: { authorization: basic('news', SECRET) } })).status).toBe(200)
    // §3.2: the secret went with the family it came with.
    expect((await sso(w, 'news', tokens)).body.error).toBe('invalid_grant')
  })

  it('an ID token may have expired, a secret of a login without a session makes one', async () => {
    const w = await setup()
    const tokens = await login(w, 'mail', null)
    w.advance(3_600_000)
    const { body } = await sso(w, 'news', tokens)
    expect(claimsOf(body.id_token).sid).toBe(claimsOf(tokens.id_token!).sid)
    expect(claimsOf(body.id_token).sid).toMatch(/^[a-z2-7]{26}$/)
  })

  it('T20 a secret and an ID token that do not belong together, or are none, are one invalid_grant', async () => {
    const w = await setup()
    const [one, two] = [await login(w, 'mail'), await login(w, 'mail')]
    const news = await login(w, 'news')
    for (const mixed of [
      { ...one, id_token: two.id_token! },
      { ...one, id_token: news.id_token! },
      { ...one, id_token: one.access_token! },
      { ...one, id_token: 'x' },
      { ...one, device_secret: two.device_secret! },
      { ...one, device_secret: one.refresh_token!.replace('pr_', 'ps_') },
      { ...one, device_secret: `${one.device_secret}A` },
      { ...one, device_secret: 'x' },
    ] as Record<string, string>[])
      expect((await sso(w, 'news', mixed)).body.error).toBe('invalid_grant')
    expect((await sso(w, 'news', one, { audience: 'https://other.example' })).body.error).toBe('invalid_target')
    expect((await sso(w, 'news', one, { scope: 'openid admin' })).body.error).toBe('invalid_scope')
    expect((await sso(w, 'news', one)).status).toBe(200)
  })

  it.each(['user', 'client', 'session'] as const)('T49 ends with the %s', async (what) => {
    const w = await setup()
    const [context] = w.contexts
    const code = await w.code('mail', {
      redirectUri: 'https://mail.example.com/cb',
      scope: ['openid', 'device_sso'],
      login: { sid: 's1' },
    })
    const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: 'https://mail.example.com/cb' }
    const tokens = (await w.post('/token', form, { headers: { authorization: basic('mail', SECRET) } })).body
    expect((await sso(w, 'news', tokens)).status).toBe(200)
    const owner = await places({ keys: w.keys, crypto: context!.runtime.crypto, tenant: 't1' }).user('user-1')
    await revoke(
      { owner, ...(what === 'client' && { client: 'mail' }), ...(what === 'session' && { sid: 's1' }) } as RevokeTarget,
      context!,
    )
    expect((await sso(w, 'news', tokens)).body.error).toBe('invalid_grant')
  })

  it.each(['mail', 'an app instance'])(
    'T49 of a login at %s that outlives its session, the secret ends with the session',
    async (at) => {
      const w = await setup()
      const [context] = w.contexts
      const device = await w.device()
      const login1 = async () =>
        (await w.redeem(device, await w.code(device.id, { scope: SCOPE, login: { sid: 'session1' } }))).body
      const tokens = at === 'mail' ? await login(w, 'mail') : await login1()
      const headers = async () => ({ authorization: basic('news', SECRET), dpop: await device.proof(`${ISSUER}/token`) })
      expect((await w.post('/token', formOf(tokens), { headers: await headers() })).status).toBe(200)
      await logOut({ subject: 'user-1', sid: 'session1' }, context!)
      expect((await w.post('/token', formOf(tokens), { headers: await headers() })).body.error).toBe('invalid_grant')
    },
  )

  it('T17 ends with its client, and a client that was revoked once may log in by it again', async () => {
    const epochs = new Map<string, string>()
    const w = await setup({
      context: (context) => ({
        clients: {
          ...context.clients,
          find: async (id) => {
            const client = await context.clients.find(id)
            return client && { ...client, epoch: epochs.get(id) ?? null, app: { id } }
          },
        },
      }),
    })
    epochs.set('news', 'BBBBBBBBBBBBBBBB')
    const tokens = await login(w, 'mail')
    const { status, body } = await sso(w, 'news', tokens)
    expect([status, claimsOf(body.access_token).app]).toEqual([200, { id: 'news' }])
    epochs.set('mail', 'BBBBBBBBBBBBBBBB')
    expect((await sso(w, 'news', tokens)).body.error).toBe('invalid_grant')
  })

  it('F17 the host says which apps share a login, and caps what comes of it', async () => {
    const asked: unknown[] = []
    const w = await setup({
      context: () => ({
        exchange: async ({ client, grantee, profile, subject }) => {
          asked.push([client.id, grantee, profile, subject])
          return client.id === 'news'
            ? { ok: true, narrow: { kind: 'implicit', acr: 'level1', scope: ['accounts'], lifetimeSec: 59.9995 } }
            : { ok: false, error: 'access_denied', code: 'sso.foreign' }
        },
      }),
    })
    const tokens = await login(w, 'mail')
    const { body } = await sso(w, 'news', tokens)
    expect([body.scope, body.id_token, body.refresh_token]).toEqual(['accounts', undefined, undefined])
    expect(
      (await w.post('/introspect', { token: body.access_token }, { headers: { authorization: basic('mail', SECRET) } })).body,
    ).toMatchObject({ kind: 'implicit', acr: 'level1' })
    expect((await sso(w, 'mail', tokens)).body).toMatchObject({ error: 'access_denied', code: 'sso.foreign' })
    expect(asked).toEqual([
      ['news', 'mail', 'native_sso', 'user-1'],
      ['mail', 'mail', 'native_sso', 'user-1'],
    ])
  })

  it('T33 of app instances, the proof must be of the key that the secret was given to', async () => {
    const w = await setup()
    const [device, thief] = [await w.device(), await w.device()]
    const tokens = (await w.redeem(device, await w.code(device.id, { scope: SCOPE }))).body
    const as = (who: Device) => w.token(who, formOf(tokens))
    expect((await as(thief)).body.error).toBe('invalid_dpop_proof')
    expect((await as(device)).status).toBe(200)
  })

  it('T17 a secret that ends in another partition between the commit and the answer issues nothing', async () => {
    let armed: (() => Promise<unknown>) | null = null
    const w = await setup({
      wrap: (store): Store => ({
        ...store,
        async commit(part, ops, o) {
          const answer = await store.commit(part, ops, o)
          const act = part.id.startsWith('usr:') && ops.some(({ key }) => key.startsWith('fam/')) ? armed : null
          armed = act === null ? armed : null
          await act?.()
          return answer
        },
      }),
    })
    const device = await w.device()
    // A bound secret needs its key; one of a login whose binding the host has taken away does not.
    const tokens = (await w.redeem(device, await w.code(device.id, { scope: SCOPE }))).body
    const { device: of } = places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' })
    armed = () => revoke({ owner: of(device.id) }, w.contexts[0]!)
    const headers = { authorization: basic('news', SECRET), dpop: await device.proof(`${ISSUER}/token`) }
    const answer = await w.post('/token', formOf(tokens), { headers })
    expect(armed).toBeNull()
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant'])
  })

  it('is announced with the grant, and absent without the port', async () => {
    const document = async (w: World) =>
      (await (await w.nodes[0]!.fetch(new Request(`${ISSUER}/.well-known/openid-configuration`))).json()) as Record<
        string,
        unknown
      >
    expect(await document(await setup())).toMatchObject({ native_sso_supported: true })
    const w = await setup({ context: () => ({ exchange: undefined as never }) })
    expect((await sso(w, 'news', { id_token: 'x', device_secret: 'x' })).body.error).toBe('unsupported_grant_type')
    expect((await document(w)).native_sso_supported).toBeUndefined()
  })
})
