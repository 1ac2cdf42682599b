import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { JsonObject } from '@postern/core/json'
import { requestObjects } from '@postern/tokens/jar'
import { decodeJwt, importJWK, jwtVerify, SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { authorize, clientKeyPair, finish, good, goodClaims, granted, portal, queryOf } from '../authorization.js'
import { basic, ISSUER, REDIRECT, SECRET, type World, type WorldOptions, world } from '../world.js'

const keys = await clientKeyPair()
const jarWorld = async (o: WorldOptions = {}): Promise<World> =>
  world({
    clients: [await portal({ jwks: [keys.jwk] })],
    ...o,
    context: (context) => ({ jar: requestObjects(), ...o.context?.(context) }),
  })
const outside = { client_id: 'portal', redirect_uri: REDIRECT, state: 'outside' }
const errorOf = async (w: World, request: string) => queryOf(await authorize(w, { ...outside, request })).get('error')
const encoded = (value: unknown) => encodeBase64url(utf8(JSON.stringify(value)))

describe('a request object by value', () => {
  it('T38 its parameters alone count, whatever stands outside', async () => {
    const w = await jarWorld()
    const request = await keys.sign(goodClaims(w, { nonce: 'inside' }))
    const around = { ...good, state: 'outside', scope: 'openid offline_access', nonce: 'outside', prompt: 'none', request }
    const page = await authorize(w, around)
    expect(page.status).toBe(200)
    const back = queryOf(await finish(w, page, granted(w)))
    expect([back.get('state'), back.get('iss'), back.get('code')]).toEqual(['inside', ISSUER, expect.any(String)])
    const wider = await finish(w, await authorize(w, around), granted(w, { scope: ['openid', 'offline_access'] }))
    expect(wider.status).toBe(400)
  })

  it('needs no parameter outside but client_id', async () => {
    const w = await jarWorld()
    expect((await authorize(w, { client_id: 'portal', request: await keys.sign(goodClaims(w)) })).status).toBe(200)
  })

  it('takes numbers and JSON as RFC 9101 §4 writes them', async () => {
    let asked: unknown
    const w = await jarWorld({
      context: () => ({
        interaction: {
          begin: async ({ maxAge, claims }) => {
            asked = { maxAge, claims: JSON.parse(JSON.stringify(claims)) }
            return new Response('page')
          },
          error: async () => new Response('no', { status: 400 }),
        },
      }),
    })
    const claims = { id_token: { acr: { essential: true, values: ['level2'] } } }
    await authorize(w, { client_id: 'portal', request: await keys.sign(goodClaims(w, { max_age: 60, claims })) })
    expect(asked).toEqual({ maxAge: 60, claims })
  })

  it('is refused where the issuer reads none', async () => {
    const w = await world({ clients: [await portal({ jwks: [keys.jwk] })] })
    expect(await errorOf(w, await keys.sign(goodClaims(w)))).toBe('request_not_supported')
  })

  it.each<[string, JsonObject]>([
    ['another client’s iss', { iss: 'other' }],
    ['no iss', { iss: '' }],
    ['T27 a list as aud', { aud: [ISSUER] }],
    ['T27 an endpoint as aud', { aud: `${ISSUER}/authorize` }],
    ['T27 a trailing slash in aud', { aud: `${ISSUER}/` }],
    ['another client_id inside', { client_id: 'other' }],
    ['client_id as sub, which would make it a client assertion', { sub: 'portal' }],
    ['a nested request', { request: 'x' }],
    ['a nested request_uri', { request_uri: 'https://evil.example/r' }],
    ['H18 exp as text', { exp: '9999999999' }],
    ['H18 exp out of all bounds', { exp: 1e15 }],
    ['a parameter that is null', { state: null }],
  ])('with %s is invalid_request_object, told to the registered redirect_uri outside', async (_what, change) => {
    const w = await jarWorld()
    const reply = await authorize(w, { ...outside, request: await keys.sign(goodClaims(w, change)) })
    const back = queryOf(reply)
    expect([back.get('error'), back.get('state'), back.get('iss')]).toEqual(['invalid_request_object', 'outside', ISSUER])
  })

  it('T46 counts between nbf and exp, and for no longer than an hour', async () => {
    const w = await jarWorld()
    const now = Math.floor(w.now() / 1000)
    const at = async (claims: JsonObject) =>
      (await authorize(w, { ...outside, request: await keys.sign(goodClaims(w, claims)) })).status
    expect([await at({ exp: now }), await at({ exp: now + 1 })]).toEqual([303, 200])
    expect([await at({ nbf: now + 61 }), await at({ nbf: now + 60 })]).toEqual([303, 200])
    expect([await at({ exp: now + 3661 }), await at({ exp: now + 3660 })]).toEqual([303, 200])
    expect([await at({ nbf: now - 3661 }), await at({ nbf: now - 3540 })]).toEqual([303, 200])
    const { exp: _none, ...eternal } = goodClaims(w)
    expect(await errorOf(w, await keys.sign(eternal))).toBe('invalid_request_object')
  })

  it('T11 one that does not count, with nothing registered outside, gets the error page and no redirect', async () => {
    const w = await jarWorld()
    const request = await keys.sign(goodClaims(w, { iss: 'other' }))
    for (const parameters of [
      { client_id: 'portal', request },
      { ...outside, redirect_uri: 'https://evil.example/cb', request },
    ]) {
      const reply = await authorize(w, parameters)
      expect([reply.status, reply.headers.get('location')]).toEqual([400, null])
    }
    const evil = await authorize(w, {
      ...outside,
      request: await keys.sign(goodClaims(w, { redirect_uri: 'https://evil.example/cb' })),
    })
    expect([evil.status, evil.headers.get('location')]).toEqual([400, null])
  })

  it.each<[string, (w: World) => Promise<string> | string]>([
    ['T21 alg none', (w) => new UnsecuredJWT(goodClaims(w)).encode()],
    ['T21 alg nOnE', (w) => `${encoded({ alg: 'nOnE' })}.${encoded(goodClaims(w))}.`],
    [
      'T22 HS256 with the public key',
      (w) => new SignJWT(goodClaims(w)).setProtectedHeader({ alg: 'HS256', kid: 'k7' }).sign(utf8(JSON.stringify(keys.jwk))),
    ],
    ['a key of another client', async (w) => (await clientKeyPair(8)).sign(goodClaims(w))],
    ['another key under the right kid', async (w) => (await clientKeyPair(8)).sign(goodClaims(w), { kid: 'k7' })],
    ['T23 a kid with a path in it', (w) => keys.sign(goodClaims(w), { kid: '../k7' })],
    ['T26 the type of a client assertion', (w) => keys.sign(goodClaims(w), { typ: 'client-authentication+jwt' })],
    ['T26 the type of an access token', (w) => keys.sign(goodClaims(w), { typ: 'at+jwt' })],
    [
      'a changed payload',
      async (w) => (await keys.sign(goodClaims(w))).replace(/\.[^.]+\./, `.${encoded(goodClaims(w, { scope: 'openid' }))}.`),
    ],
    ['T25 padding', async (w) => `${await keys.sign(goodClaims(w))}=`],
    ['no JWT at all', () => 'x'],
    ['more than 16 KiB', async (w) => keys.sign(goodClaims(w, { state: 'x'.repeat(16_384) }))],
    ['T25 an encrypted object where nothing decrypts', () => 'a.b.c.d.e'],
  ])('%s is invalid_request_object', async (_what, make) => {
    const w = await jarWorld()
    expect(await errorOf(w, await make(w))).toBe('invalid_request_object')
  })

  it('T24 T25 what jose accepts and the gate does not: every header member that is not asked for', async () => {
    const w = await jarWorld()
    const key = await importJWK({ ...keys.privateJwk } as Parameters<typeof importJWK>[0], 'ES256')
    const pub = await importJWK({ ...keys.jwk } as Parameters<typeof importJWK>[0], 'ES256')
    for (const member of [
      { x5u: 'https://evil.example/c' },
      { jku: 'https://evil.example/k' },
      { x5t: 'AAAA' },
      { jwk: keys.jwk },
      { cty: 'JWT' },
      { private: true },
    ]) {
      const header = { alg: 'ES256', typ: 'oauth-authz-req+jwt', kid: 'k7', ...member }
      const request = await new SignJWT(goodClaims(w)).setProtectedHeader(header).sign(key)
      await expect(jwtVerify(request, pub, { currentDate: new Date(w.now()) }), JSON.stringify(member)).resolves.toBeDefined()
      expect(await errorOf(w, request), JSON.stringify(member)).toBe('invalid_request_object')
    }
    const plain = await new SignJWT(goodClaims(w)).setProtectedHeader({ alg: 'ES256' }).sign(key)
    expect((await authorize(w, { ...outside, request: plain })).status).toBe(200)
    expect(decodeJwt(plain).client_id).toBe('portal')
  })

  it('excludes request_uri, as RFC 9101 §5 says', async () => {
    const w = await jarWorld()
    const request = await keys.sign(goodClaims(w))
    const reply = await authorize(w, { ...outside, request, request_uri: 'urn:ietf:params:oauth:request_uri:x' })
    expect(queryOf(reply).get('error')).toBe('invalid_request')
  })
})

describe('a request object by reference', () => {
  it('T38 is never fetched: request_uri_not_supported', async () => {
    const w = await jarWorld({
      context: (context) => ({
        runtime: {
          ...context.runtime,
          fetch: async () => {
            throw new Error('fetched')
          },
        },
      }),
    })
    for (const request_uri of [
      'https://portal.example.com/r.jwt',
      'http://169.254.169.254/latest',
      'file:///etc/passwd',
      'urn:x',
    ]) {
      expect(queryOf(await authorize(w, { ...outside, request_uri })).get('error')).toBe('request_uri_not_supported')
      const page = await authorize(w, { client_id: 'portal', request_uri })
      expect([page.status, await page.text()]).toEqual([400, expect.stringContaining('jar.by_reference')])
    }
  })
})

describe('a pushed request object', () => {
  const headers = { authorization: basic('portal', SECRET) }

  it('is the whole request', async () => {
    const w = await jarWorld()
    const { status, body } = await w.post('/par', { request: await keys.sign(goodClaims(w)), scope: 'ignored' }, { headers })
    expect(status).toBe(201)
    const page = await authorize(w, { client_id: 'portal', request_uri: body.request_uri })
    expect(queryOf(await finish(w, page, granted(w))).get('state')).toBe('inside')
  })

  it('of another client, or one that does not count, is refused at once', async () => {
    const w = await jarWorld()
    for (const change of [{ client_id: 'other', iss: 'other' }, { aud: 'x' }, { redirect_uri: 'https://evil.example' }]) {
      const { status, body } = await w.post('/par', { ...good, request: await keys.sign(goodClaims(w, change)) }, { headers })
      expect([status, body.error]).toEqual([400, 'redirect_uri' in change ? 'invalid_redirect_uri' : 'invalid_request_object'])
    }
  })

  it('is owed by clients and issuers that say so', async () => {
    for (const w of [
      await jarWorld({ clients: [await portal({ jwks: [keys.jwk], requireSignedRequest: true })] }),
      await jarWorld({ config: { requireSignedRequest: true } }),
    ]) {
      expect((await w.post('/par', good, { headers })).body.error).toBe('invalid_request')
      expect(queryOf(await authorize(w, good)).get('error')).toBe('invalid_request')
      const nbf = Math.floor(w.now() / 1000)
      expect((await w.post('/par', { request: await keys.sign(goodClaims(w, { nbf })) }, { headers })).status).toBe(201)
    }
  })
})

it('is announced where it is read, and only there', async () => {
  const w = await jarWorld({ config: { requireSignedRequest: true } })
  const at = async (some: World) =>
    (await some.nodes[0]!.wellKnown(new Request(`${ISSUER}/.well-known/openid-configuration`)))!.json()
  expect(await at(w)).toMatchObject({
    request_parameter_supported: true,
    request_uri_parameter_supported: false,
    require_signed_request_object: true,
    request_object_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519'],
  })
  expect(await at(await world())).toMatchObject({ request_parameter_supported: false })
})
