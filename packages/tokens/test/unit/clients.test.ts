import { PosternError } from '@postern/core/errors'
import { publicJwk } from '@postern/core/jwk'
import type { Fetch } from '@postern/core/runtime'
import { assertion, secretAssertion } from '@postern/tokens/auth/assertion'
import { clientAttestation } from '@postern/tokens/auth/attestation'
import { caSigned, selfSigned } from '@postern/tokens/auth/mtls'
import { hashSecret, secret } from '@postern/tokens/auth/secret'
import { issueCode } from '@postern/tokens/challenge'
import { type AdmitClient, besideInstances, type ClientStoreOptions, clientsInStore } from '@postern/tokens/clientStore'
import { clientsInConfig } from '@postern/tokens/clients'
import { revoke } from '@postern/tokens/revoke'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  type Answer,
  API,
  basic,
  CHALLENGE,
  ISSUER,
  instancesIn,
  REDIRECT,
  VERIFIER,
  type World,
  type WorldOptions,
  world,
} from '../world.js'

const REGISTER = `${ISSUER}/register`
const INITIAL = 'Bearer initial-access-token'
const AUTH = [secret, assertion, secretAssertion, caSigned({ anchors: [] }), selfSigned, clientAttestation({ attesters: {} })]
const WEB = {
  redirect_uris: [REDIRECT],
  grant_types: ['authorization_code', 'refresh_token'],
  client_name: 'Portal',
  scope: 'openid accounts',
}

const letIn: AdmitClient = async ({ scope, grantTypes }, { request, before }) => {
  if (before === null && request.headers.get('authorization') !== INITIAL)
    throw new PosternError('tokens.denied', { reason: 'initial token' })
  return { scope: scope ?? ['openid'], grantTypes }
}

/** Each node has a port of its own, and with it what it remembers. */
async function setup(o: Partial<ClientStoreOptions> = {}, more: WorldOptions = {}): Promise<World> {
  return world({
    ...more,
    context: (context) => {
      const { runtime, tenant, keys } = context
      const instances = instancesIn(runtime.store, tenant, runtime.clock, clientsInConfig([]))
      const shared = clientsInStore({ runtime, tenant, keys, admit: letIn, ...o })
      return {
        auth: AUTH,
        clients: besideInstances(instances, shared, ({ app_id }) => app_id !== undefined),
        ...more.context?.(context),
      }
    },
  })
}

async function send(
  w: World,
  o: { method?: string; id?: string; token?: string; body?: object; node?: number; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { method = 'POST', id, token, body, node = 0, headers = {} } = o
  const request = new Request(id === undefined ? REGISTER : `${REGISTER}/${id}`, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
    headers: { 'content-type': 'application/json', authorization: token === undefined ? INITIAL : `Bearer ${token}`, ...headers },
  })
  const reply = await w.nodes[node]!.fetch(request)
  const text = await reply.text()
  return { status: reply.status, headers: reply.headers, body: text === '' ? null : JSON.parse(text) }
}
async function codeOf(w: World, id: string, node = 0): Promise<string> {
  const context = w.contexts[node]!
  const client = (await context.clients.find(id))!
  const login = { subject: 'user-1', authTime: w.now(), acr: 'level1', amr: ['pwd'] }
  return issueCode(
    {
      client,
      login,
      scope: ['openid', 'accounts'],
      resource: API,
      codeChallenge: CHALLENGE,
      redirectUri: REDIRECT,
      dpopJkt: null,
    },
    context,
  )
}
async function redeem(w: World, id: string, secret: string, node = 0): Promise<Answer> {
  const form = {
    grant_type: 'authorization_code',
    code: await codeOf(w, id, node),
    code_verifier: VERIFIER,
    redirect_uri: REDIRECT,
  }
  return w.post('/token', form, { node, headers: { authorization: basic(id, secret) } })
}
const refresh = (w: World, id: string, secret: string, refresh_token: string, node = 0): Promise<Answer> =>
  w.post('/token', { grant_type: 'refresh_token', refresh_token }, { node, headers: { authorization: basic(id, secret) } })

const unfetched =
  (calls: unknown[]): Fetch =>
  async (url) => {
    calls.push(url)
    return new Response('{}')
  }

describe('registration of shared clients', () => {
  it('a confidential client gets its secret once, and nothing at rest holds it', async () => {
    const w = await setup()
    const { status, body } = await send(w, { body: WEB })
    expect(status).toBe(201)
    expect(body).toMatchObject({
      token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: [REDIRECT],
      grant_types: WEB.grant_types,
      response_types: ['code'],
      scope: 'openid accounts',
      client_name: 'Portal',
      client_secret_expires_at: 0,
      client_id_issued_at: w.now() / 1000,
      registration_client_uri: `${REGISTER}/${body.client_id}`,
    })
    expect(body.client_secret).toMatch(/^[\w-]{43}$/)
    const [rec] = await w.inner.read({ tenant: 't1', id: `cl:${body.client_id}` }, ['c'], { now: w.now() })
    const stored = Buffer.from(rec!.value).toString()
    expect(stored).not.toContain(body.client_secret)
    expect(stored).toContain(await hashSecret(w.contexts[0]!.runtime.crypto, body.client_secret))
    const read = await send(w, { method: 'GET', id: body.client_id, token: body.registration_access_token, node: 1 })
    expect(read.body).toMatchObject({ client_id: body.client_id, client_name: 'Portal' })
    expect(read.body).not.toHaveProperty('client_secret')
    expect((await redeem(w, body.client_id, body.client_secret, 1)).body).toMatchObject({
      token_type: 'Bearer',
      scope: 'openid accounts',
    })
    expect((await redeem(w, body.client_id, `${body.client_secret}x`)).body.error).toBe('invalid_client')
    expect(w.events.map(({ type }) => type)).not.toContain('server.failed')
  })

  it('the secret of client_secret_jwt is derived: no node, and no reader of the store, holds it', async () => {
    const w = await setup()
    const { body } = await send(w, {
      body: { token_endpoint_auth_method: 'client_secret_jwt', grant_types: ['client_credentials'], scope: 'accounts' },
    })
    const [rec] = await w.inner.read({ tenant: 't1', id: `cl:${body.client_id}` }, ['c'], { now: w.now() })
    expect(Buffer.from(rec!.value).toString()).not.toContain(body.client_secret)
    const id = body.client_id
    const ask = async (by: string, node: number) => {
      const claims = { iss: id, sub: id, aud: ISSUER, exp: Math.floor(w.now() / 1000) + 60, jti: `${by.length} ${node}` }
      const client_assertion = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(by))
      const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
      return (await w.post('/token', { grant_type: 'client_credentials', client_assertion, client_assertion_type }, { node }))
        .status
    }
    expect([await ask(body.client_secret, 0), await ask(body.client_secret, 1)]).toEqual([200, 200])
    const { salt } = JSON.parse(Buffer.from(rec!.value).toString()).auth
    expect(await ask(`${salt}${'0'.repeat(32)}`, 0)).toBe(401)
  })

  it('every way to authenticate that the issuer has can be registered, with what it needs', async () => {
    const w = await setup({
      admit: async ({ scope, grantTypes }) => ({ scope: scope ?? [], grantTypes, attesters: ['backend'] }),
    })
    const { publicKey } = await generateKeyPair('ES256')
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', x5c: ['MII'] }] }
    const all: readonly (readonly [string, object])[] = [
      ['none', {}],
      ['client_secret_post', {}],
      ['private_key_jwt', { jwks }],
      ['private_key_jwt', { jwks_uri: 'https://client.example.com/jwks' }],
      ['tls_client_auth', { tls_client_auth_subject_dn: 'CN=a,O=b', tls_client_certificate_bound_access_tokens: true }],
      ['tls_client_auth', { tls_client_auth_san_dns: 'a.example.com' }],
      ['self_signed_tls_client_auth', { jwks }],
      ['attest_jwt_client_auth', {}],
      ['attest_jwt_client_auth_dpop', { dpop_bound_access_tokens: true }],
    ]
    for (const [token_endpoint_auth_method, more] of all) {
      const { status, body } = await send(w, { body: { ...WEB, token_endpoint_auth_method, ...more } })
      expect([status, body.error], token_endpoint_auth_method).toEqual([201, undefined])
      const { jwks: _, ...plain } = more as { jwks?: unknown }
      expect(body).toMatchObject({ token_endpoint_auth_method, ...plain })
      expect('client_secret' in body).toBe(token_endpoint_auth_method.startsWith('client_secret'))
      // Of a key what it is and is called, and no more.
      if ('jwks' in more) expect(body.jwks.keys.map(Object.keys)).toEqual([['crv', 'kty', 'x', 'y', 'kid', 'alg']])
    }
  })

  it('members of profiles are kept, what nobody understands is not', async () => {
    const w = await setup()
    const more = {
      client_uri: 'https://portal.example.com/',
      logo_uri: 'https://portal.example.com/logo.png',
      contacts: ['ops@example.com'],
      software_id: 'portal',
      software_version: '1.2',
      post_logout_redirect_uris: ['https://portal.example.com/bye'],
      backchannel_logout_uri: 'https://portal.example.com/logout',
      backchannel_token_delivery_mode: 'ping',
      backchannel_client_notification_endpoint: 'https://portal.example.com/ciba',
      require_pushed_authorization_requests: true,
      require_signed_request_object: true,
      subject_type: 'pairwise',
      authorization_details_types: ['payment'],
    }
    const { body } = await send(w, { body: { ...WEB, ...more, jwks: undefined, evil: 'x', __proto: 1 } })
    expect(body).toMatchObject(more)
    expect(body).not.toHaveProperty('evil')
    const client = (await w.contexts[1]!.clients.find(body.client_id))!
    expect(client).toMatchObject({
      kind: 'shared',
      requirePar: true,
      requireSignedRequest: true,
      subjectType: 'pairwise',
      backchannelLogoutUri: more.backchannel_logout_uri,
      backchannelTokenDeliveryMode: 'ping',
      postLogoutRedirectUris: more.post_logout_redirect_uris,
      detailTypes: ['payment'],
    })
    expect(JSON.stringify(client)).not.toContain('evil')
  })

  const key = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }
  const rsa = (n: string, e: string) => ({ kty: 'RSA', n, e })
  const RSA_2048 = Buffer.alloc(256, 0xc1).toString('base64url')
  it('a key of the same size with a sound exponent is no such thing: it registers', async () => {
    const w = await setup()
    const { status } = await send(w, { body: { ...WEB, jwks: { keys: [rsa(RSA_2048, 'AQAB')] } } })
    expect(status).toBe(201)
  })

  it.each<[string, object, string]>([
    ['javascript:', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    ['data:', { redirect_uris: ['data:text/html,x'] }, 'invalid_redirect_uri'],
    ['a private-use scheme', { redirect_uris: ['com.example:/cb'] }, 'invalid_redirect_uri'],
    ['a path of this very server', { redirect_uris: ['https:/logout'] }, 'invalid_redirect_uri'],
    ['plain http', { redirect_uris: ['http://portal.example.com/cb'] }, 'invalid_redirect_uri'],
    ['a wildcard', { redirect_uris: ['https://*.example.com/cb'] }, 'invalid_redirect_uri'],
    ['no redirect URI', { redirect_uris: [] }, 'invalid_redirect_uri'],
    ['a logout that leads elsewhere', { post_logout_redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    ['an address of the metadata service', { logo_uri: 'https://169.254.169.254/latest/' }, 'invalid_client_metadata'],
    ['the same in one number', { logo_uri: 'https://2852039166/' }, 'invalid_client_metadata'],
    ['the same in hexadecimal', { logo_uri: 'https://0xa9fea9fe/' }, 'invalid_client_metadata'],
    ['an IPv6 address', { client_uri: 'https://[::1]/' }, 'invalid_client_metadata'],
    ['localhost', { jwks_uri: 'https://localhost/jwks' }, 'invalid_client_metadata'],
    ['localhost with a dot', { jwks_uri: 'https://localhost./jwks' }, 'invalid_client_metadata'],
    ['an internal name', { policy_uri: 'https://vault.internal/' }, 'invalid_client_metadata'],
    ['a name of one label', { tos_uri: 'https://intranet/' }, 'invalid_client_metadata'],
    ['credentials in a URL', { logo_uri: 'https://a:b@example.com/' }, 'invalid_client_metadata'],
    ['a logo over http', { logo_uri: 'http://example.com/' }, 'invalid_client_metadata'],
    ['a callback inside', { backchannel_logout_uri: 'https://10.0.0.1/logout' }, 'invalid_client_metadata'],
    ['jwks and jwks_uri', { jwks: { keys: [] }, jwks_uri: 'https://x.example.com/jwks' }, 'invalid_client_metadata'],
    ['a private key', { jwks: { keys: [{ ...key, d: 'd' }] } }, 'invalid_client_metadata'],
    ['a symmetric key', { jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }, 'invalid_client_metadata'],
    ['a key off its curve', { jwks: { keys: [{ ...key, x: 'A'.repeat(43), y: 'A'.repeat(43) }] } }, 'invalid_client_metadata'],
    [
      'T30 an RSA key of 1024 bits',
      { jwks: { keys: [rsa(Buffer.alloc(128, 0xc1).toString('base64url'), 'AQAB')] } },
      'invalid_client_metadata',
    ],
    ['T30 an RSA key with e = 1', { jwks: { keys: [rsa(RSA_2048, 'AQ')] } }, 'invalid_client_metadata'],
    [
      'T29 an Ed25519 key of small order',
      { jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) }] } },
      'invalid_client_metadata',
    ],
    ['33 keys', { jwks: { keys: Array.from({ length: 33 }, () => key) } }, 'invalid_client_metadata'],
    ['private_key_jwt without a key', { token_endpoint_auth_method: 'private_key_jwt' }, 'invalid_client_metadata'],
    ['tls_client_auth without a name', { token_endpoint_auth_method: 'tls_client_auth' }, 'invalid_client_metadata'],
    [
      'tls_client_auth with two',
      { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'a', tls_client_auth_subject_dn: 'CN=a' },
      'invalid_client_metadata',
    ],
    ['an unknown method', { token_endpoint_auth_method: 'magic' }, 'invalid_client_metadata'],
    ['a secret of its own', { client_secret: 'short' }, 'invalid_client_metadata'],
    ['the implicit flow', { grant_types: ['implicit'], response_types: ['token'] }, 'invalid_client_metadata'],
    [
      'a response type without its grant',
      { grant_types: ['client_credentials'], response_types: ['code'] },
      'invalid_client_metadata',
    ],
    ['response_type token', { response_types: ['token'] }, 'invalid_client_metadata'],
    [
      'a public client that acts for itself',
      { token_endpoint_auth_method: 'none', grant_types: ['client_credentials'], redirect_uris: [] },
      'invalid_client_metadata',
    ],
    ['a scope that is none', { scope: 'a"b' }, 'invalid_client_metadata'],
    ['a name with a line break', { client_name: 'a\nb' }, 'invalid_client_metadata'],
    ['a number as name', { client_name: 1 }, 'invalid_client_metadata'],
    [
      '11 redirect URIs',
      { redirect_uris: Array.from({ length: 11 }, (_, i) => `https://a.example.com/${i}`) },
      'invalid_client_metadata',
    ],
    [
      'a sector elsewhere',
      { subject_type: 'pairwise', sector_identifier_uri: 'https://other.example.com/uris.json' },
      'invalid_client_metadata',
    ],
    [
      'pairwise over two hosts',
      { subject_type: 'pairwise', redirect_uris: [REDIRECT, 'https://b.example.com/cb'] },
      'invalid_client_metadata',
    ],
    ['a signature that this issuer does not make', { id_token_signed_response_alg: 'RS256' }, 'invalid_client_metadata'],
    ['encryption that this issuer does not do', { id_token_encrypted_response_alg: 'RSA-OAEP-256' }, 'invalid_client_metadata'],
    ['push without an address', { backchannel_token_delivery_mode: 'push' }, 'invalid_client_metadata'],
  ])('T44 %s is refused, and nothing is fetched', async (_what, more, error) => {
    const calls: unknown[] = []
    const w = await setup({}, { context: ({ runtime }) => ({ runtime: { ...runtime, fetch: unfetched(calls) } }) })
    const { status, body } = await send(w, { body: { ...WEB, ...more } })
    expect([status, body.error]).toEqual([400, error])
    expect(calls).toEqual([])
  })

  it('T44 a logo and a key set are kept as text: nothing is fetched by registering them', async () => {
    const calls: unknown[] = []
    const w = await setup({}, { context: ({ runtime }) => ({ runtime: { ...runtime, fetch: unfetched(calls) } }) })
    const body = {
      ...WEB,
      logo_uri: 'https://x.example.com/logo',
      jwks_uri: 'https://x.example.com/jwks',
      token_endpoint_auth_method: 'private_key_jwt',
    }
    expect((await send(w, { body })).status).toBe(201)
    expect(calls).toEqual([])
  })

  it('the host decides: who may register, and what it gets', async () => {
    const w = await setup({
      admit: async (m, o) => ({
        ...(await letIn(m, o)),
        scope: ['accounts'],
        grantTypes: ['client_credentials'],
        introspects: [API],
        id: 'rs-1',
      }),
    })
    expect((await send(w, { body: WEB, headers: { authorization: 'Bearer wrong' } })).body.error).toBe('access_denied')
    const { body } = await send(w, { body: WEB })
    expect(body).toMatchObject({ client_id: 'rs-1', scope: 'accounts', grant_types: ['client_credentials'] })
    const taken = await send(w, { body: WEB })
    expect([taken.status, taken.body.error]).toEqual([400, 'invalid_client_metadata'])
    const headers = { authorization: basic('rs-1', body.client_secret) }
    expect((await w.post('/introspect', { token: 'x' }, { headers })).body).toEqual({ active: false })
  })

  it('an instance registers beside them as before, and without an admit function nobody else does', async () => {
    const w = await setup()
    expect((await w.device()).id).not.toBe('')
    const plain = await world({
      context: ({ runtime, tenant, keys }) => ({
        clients: besideInstances(
          instancesIn(runtime.store, tenant, runtime.clock, clientsInConfig([])),
          clientsInStore({ runtime, tenant, keys }),
          ({ app_id }) => app_id !== undefined,
        ),
      }),
    })
    expect((await plain.device()).id).not.toBe('')
    expect((await send(plain, { body: WEB })).body.error).toBe('invalid_client_metadata')
  })

  it('what is remembered of a client is bounded by 10 s', () => {
    const config = async () => setup({ cacheMs: 10_001 })
    return expect(config()).rejects.toMatchObject({ code: 'tokens.config' })
  })
})

describe('management (RFC 7592)', () => {
  it('a PUT replaces, keeps the secret, and turns the registration token; the one before stays good until the newer is used', async () => {
    const w = await setup()
    const { body } = await send(w, { body: WEB })
    const { client_id: id, client_secret, registration_access_token: first } = body
    const put = (token: string, more: object = {}, node = 0) =>
      send(w, { method: 'PUT', id, token, node, body: { ...WEB, client_id: id, ...more } })
    const second = await put(first, { client_name: 'New', client_secret })
    expect(second.status).toBe(200)
    expect(second.body).toMatchObject({ client_id: id, client_name: 'New' })
    expect(second.body).not.toHaveProperty('client_secret')
    // The reply was lost: the first token still manages, on another node too.
    const again = await put(first, { client_name: 'Newer' }, 1)
    expect(again.status).toBe(200)
    expect((await put(again.body.registration_access_token)).status).toBe(200)
    expect((await put(first)).status).toBe(401)
    expect((await redeem(w, id, client_secret)).status).toBe(200)
    expect((await put(again.body.registration_access_token, { client_secret: 'another' })).body.error).toBe(
      'invalid_client_metadata',
    )
    expect((await put(again.body.registration_access_token, { client_id: 'other' })).body.error).toBe('invalid_client_metadata')
  })

  it('another method brings another secret, and the old one ends', async () => {
    const w = await setup()
    const { body } = await send(w, { body: WEB })
    const { client_id: id, client_secret, registration_access_token: token } = body
    const changed = await send(w, {
      method: 'PUT',
      id,
      token,
      body: { ...WEB, token_endpoint_auth_method: 'client_secret_post' },
    })
    expect(changed.body.client_secret).toMatch(/^[\w-]{43}$/)
    expect(changed.body.client_secret).not.toBe(client_secret)
    expect((await redeem(w, id, client_secret)).body.error).toBe('invalid_client')
    const next = await send(w, {
      method: 'PUT',
      id,
      token: changed.body.registration_access_token,
      body: { ...WEB, token_endpoint_auth_method: 'none' },
    })
    expect(next.body).not.toHaveProperty('client_secret')
  })

  it('T28 two PUTs at once: one is written, the other told to come again; nothing is lost in between', async () => {
    const w = await setup()
    const { body } = await send(w, { body: WEB })
    const { client_id: id, registration_access_token: token } = body
    const both = await Promise.all(
      [0, 1].map((node) => send(w, { method: 'PUT', id, token, node, body: { ...WEB, client_name: `n${node}` } })),
    )
    expect(both.map(({ status }) => status).sort()).toEqual([200, 503])
  })

  it('DELETE ends the client and all it holds, also where a node remembers it, within 10 s', async () => {
    const w = await setup()
    const { body } = await send(w, { body: WEB })
    const { client_id: id, client_secret: secret, registration_access_token: token } = body
    const { refresh_token } = (await redeem(w, id, secret, 1)).body
    expect((await send(w, { method: 'DELETE', id, token })).status).toBe(204)
    expect((await refresh(w, id, secret, refresh_token, 0)).body.error).toBe('invalid_client')
    w.advance(10_000)
    expect((await refresh(w, id, secret, refresh_token, 1)).body.error).toBe('invalid_client')
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect((await send(w, { method, id, token, ...(method === 'PUT' && { body: WEB }) })).status).toBe(401)
  })

  it('another client’s token, none, and an unknown client look the same', async () => {
    const w = await setup()
    const [one, two] = [(await send(w, { body: WEB })).body, (await send(w, { body: WEB })).body]
    for (const o of [
      { id: two.client_id, token: one.registration_access_token },
      { id: two.client_id, token: 'x' },
      { id: 'nobody', token: one.registration_access_token },
    ]) {
      const { status, body } = await send(w, { method: 'GET', ...o })
      expect([status, body.error]).toEqual([401, 'invalid_token'])
    }
  })
})

describe('revocation of a shared client', () => {
  it('ends its families at their next refresh, on a node that remembers it after 10 s at the latest; new ones begin', async () => {
    const w = await setup()
    const { client_id: id, client_secret: secret } = (await send(w, { body: WEB })).body
    const { refresh_token } = (await redeem(w, id, secret, 1)).body
    const early = await codeOf(w, id, 1)
    await revoke({ client: id }, w.contexts[0]!)
    w.advance(10_000)
    expect((await refresh(w, id, secret, refresh_token, 1)).body.error).toBe('invalid_grant')
    const form = { grant_type: 'authorization_code', code: early, code_verifier: VERIFIER, redirect_uri: REDIRECT }
    expect((await w.post('/token', form, { node: 1, headers: { authorization: basic(id, secret) } })).body.error).toBe(
      'invalid_grant',
    )
    const fresh = await redeem(w, id, secret, 1)
    expect(fresh.status).toBe(200)
    expect((await refresh(w, id, secret, fresh.body.refresh_token, 0)).status).toBe(200)
  })
})

it('T17 a token of its own is worth nothing where a revoked client was still remembered when it was issued', async () => {
  const w = await setup()
  const metadata = { client_name: 'Service', grant_types: ['client_credentials'], scope: 'accounts' }
  const { client_id: id, client_secret: secret } = (await send(w, { body: metadata })).body
  const headers = { authorization: basic(id, secret) }
  const own = async (node: number) =>
    (await w.post('/token', { grant_type: 'client_credentials', scope: 'accounts' }, { node, headers })).body.access_token
  const active = async (token: string) => (await w.post('/introspect', { token }, { headers })).body.active
  const before = await own(1)
  expect(await active(before)).toBe(true)
  await revoke({ client: id }, w.contexts[0]!)
  // Later by the clock, too, which alone would let it pass.
  w.advance(2000)
  const late = await own(1)
  w.advance(8000)
  expect([await active(before), await active(late), await active(await own(1))]).toEqual([false, false, true])
})

describe('software statements', () => {
  async function stated() {
    const [trusted, stranger] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')])
    const jwk = (await exportJWK(trusted.publicKey)) as JsonWebKey
    let w: World | null = null
    const find = async (kid: string) => (kid === 's1' ? w!.contexts[0]!.runtime.crypto.verifyKey('ES256', jwk) : null)
    const seen: unknown[] = []
    w = await setup({
      statements: [{ issuer: 'https://directory.example', keys: { find } }],
      admit: async (metadata, o) => {
        seen.push(metadata.statement)
        return letIn(metadata, o)
      },
    })
    const make = (claims: JWTPayload = {}, kid = 's1', by = trusted) =>
      new SignJWT({
        iss: 'https://directory.example',
        jti: 'one',
        exp: Math.floor(w!.now() / 1000) + 86_400,
        software_id: 'approved',
        client_name: 'Approved',
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', kid })
        .sign(by.privateKey)
    return { w, make, stranger, seen }
  }

  it('say what the client may not: their members take the place of those that were sent', async () => {
    const { w, make, seen } = await stated()
    const software_statement = await make({ redirect_uris: ['https://stated.example.com/cb'] })
    const { status, body } = await send(w, { body: { ...WEB, software_statement } })
    expect(status).toBe(201)
    expect(body).toMatchObject({
      client_name: 'Approved',
      software_id: 'approved',
      redirect_uris: ['https://stated.example.com/cb'],
      software_statement,
    })
    expect(seen).toEqual([{ issuer: 'https://directory.example', members: expect.objectContaining({ software_id: 'approved' }) }])
  })

  it('T44 count once: of 50 registrations with one, over two nodes, one is made', async () => {
    const { w, make } = await stated()
    const body = { ...WEB, software_statement: await make({ exp: w.now() / 1000 + 86_399.123456789 }) }
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => send(w, { body, node: i % 2 })))
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(new Set(all.filter(({ status }) => status !== 201).map((a) => a.body.error))).toEqual(
      new Set(['invalid_software_statement']),
    )
  })

  it('a refused registration leaves its statement good; the client’s own PUT may bring it again', async () => {
    const { w, make } = await stated()
    const software_statement = await make()
    expect((await send(w, { body: { ...WEB, software_statement, logo_uri: 'http://x' } })).status).toBe(400)
    expect((await send(w, { body: { ...WEB, software_statement }, headers: { authorization: 'none' } })).body.error).toBe(
      'access_denied',
    )
    const { body } = await send(w, { body: { ...WEB, software_statement } })
    const { client_id: id, registration_access_token: token } = body
    w.advance(86_400_000)
    const put = (statement: string) => send(w, { method: 'PUT', id, token, body: { ...WEB, software_statement: statement } })
    expect((await put(software_statement)).status).toBe(200)
    expect((await put(await make())).body.error).toBe('invalid_software_statement')
  })

  it.each<[string, JWTPayload, string]>([
    ['another issuer', { iss: 'https://evil.example' }, 'unapproved_software_statement'],
    ['no issuer', { iss: undefined as never }, 'unapproved_software_statement'],
    ['another audience', { aud: 'https://other.example' }, 'invalid_software_statement'],
    ['T46 an end that is now', { exp: 1_767_225_600 }, 'invalid_software_statement'],
    ['an end in two years', { exp: 1_830_000_000 }, 'invalid_software_statement'],
    ['no end', { exp: undefined as never }, 'invalid_software_statement'],
    ['no jti', { jti: undefined as never }, 'invalid_software_statement'],
    ['a redirect URI that is none', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    ['a secret', { client_secret: 'x' }, 'invalid_client_metadata'],
  ])('with %s are refused', async (_what, claims, error) => {
    const { w, make } = await stated()
    expect((await send(w, { body: { ...WEB, software_statement: await make(claims) } })).body.error).toBe(error)
  })

  it('T21 T23 T24 forged ones are refused, and where nobody is trusted all are', async () => {
    const { w, make, stranger } = await stated()
    const forged = [
      await make({}, 's1', stranger),
      await make({}, 'x'),
      'a.b.c',
      '',
      1,
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`,
    ]
    for (const software_statement of forged)
      expect((await send(w, { body: { ...WEB, software_statement } })).body.error).toBe('invalid_software_statement')
    const plain = await setup()
    expect((await send(plain, { body: { ...WEB, software_statement: await make() } })).body.error).toMatch(/_software_statement$/)
  })
})

describe('after a restore to an earlier point', () => {
  it('a registration token ahead of its restored record is taken once the epoch was raised, and not before', async () => {
    const w = await world({ nodes: 1 })
    const device = await w.device({ register: false })
    const url = (id: string) => `${REGISTER}/${id}`
    const metadata = { app_id: 'bank', jwks: { keys: [publicJwk(device.jwk)] }, redirect_uris: ['com.example.bank:/cb'] }
    const call = async (method: string, token: string | null, id = '') => {
      const at = id === '' ? REGISTER : url(id)
      const dpop = await device.proof(at, { method, ...(token !== null && { accessToken: token }) })
      const headers = { 'content-type': 'application/json', dpop, ...(token !== null && { authorization: `DPoP ${token}` }) }
      const reply = await w.nodes[0]!.fetch(
        new Request(at, { method, headers, body: method === 'GET' ? null : JSON.stringify(metadata) }),
      )
      return { status: reply.status, body: await reply.json() } as Answer
    }
    const { client_id: id, registration_access_token: first } = (await call('POST', null)).body
    const part = { tenant: 't1', id: `dev:${id}` }
    const [backup] = await w.inner.read(part, ['d'], { now: w.now() })
    const second = (await call('PUT', first, id)).body.registration_access_token
    const third = (await call('PUT', second, id)).body.registration_access_token
    // The store goes back to where it was.
    await w.inner.commit(part, [{ op: 'put', key: 'd', value: backup!.value }], { now: w.now(), rev: 'AAAAAAAAAAAAAAAA' })
    expect((await call('GET', third, id)).status).toBe(401)
    Object.assign(w.contexts[0]!, { restoreEpoch: 'raised' })
    const renewed = await call('PUT', third, id)
    expect(renewed.status).toBe(200)
    expect((await call('PUT', renewed.body.registration_access_token, id)).status).toBe(200)
    expect((await call('PUT', first, id)).status).toBe(401)
  })
})
