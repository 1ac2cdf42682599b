import { createHash } from 'node:crypto'
import { parseCertificate, publicKeyOf } from '@postern/core/x509'
import { selfSigned } from '@postern/tokens/auth/mtls'
import { allowBearerPublicClients, fapi2, parseConfig } from '@postern/tokens/config'
import { requestObjects } from '@postern/tokens/jar'
import { signedResponses } from '@postern/tokens/jarm'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { authorize, clientKeyPair, finish, good, goodClaims, granted, portal, queryOf } from '../authorization.js'
import { authority, CLIENT, noOpenssl } from '../certificates.js'
import { API, basic, ISSUER, REDIRECT, SECRET, VERIFIER, type World, world } from '../world.js'

const keys = await clientKeyPair()
const CLIENT_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

async function fapi({ messageSigning = false } = {}): Promise<World> {
  const { defaultResource: _same, ...config } = fapi2({ defaultResource: API }, { messageSigning })
  return world({
    config,
    clients: [
      await portal({ auth: { method: 'private_key_jwt', keys: [keys.jwk] } }),
      { ...(await portal()), id: 'secret' },
      { id: 'spa', auth: { method: 'none' }, dpopBound: true, redirectUris: ['https://spa.example.com/cb'], scope: ['openid'] },
    ],
    context: () => (messageSigning ? { jar: requestObjects(), jarm: signedResponses() } : {}),
  })
}
let serial = 0
const assertion = (w: World) =>
  keys.sign(
    { iss: 'portal', sub: 'portal', aud: ISSUER, jti: `a${serial++}`, exp: Math.floor(w.now() / 1000) + 60 },
    { typ: 'JWT' },
  )
const proved = async (w: World) => ({ client_assertion_type: CLIENT_ASSERTION, client_assertion: await assertion(w) })
const discovered = async (w: World) =>
  (await w.nodes[0]!.wellKnown(new Request(`${ISSUER}/.well-known/openid-configuration`)))!.json()

describe('the fapi2 settings', () => {
  it('walk: a pushed request, PKCE, private_key_jwt, a DPoP-bound token', async () => {
    const w = await fapi()
    const device = await w.device({ register: false })
    const { body: pushed } = await w.post('/par', { ...good, ...(await proved(w)) })
    const done = await finish(w, await authorize(w, { client_id: 'portal', request_uri: pushed.request_uri }), granted(w))
    const form = {
      grant_type: 'authorization_code',
      code: queryOf(done).get('code')!,
      code_verifier: VERIFIER,
      redirect_uri: REDIRECT,
    }
    const unbound = await w.post('/token', { ...form, ...(await proved(w)) })
    expect([unbound.status, unbound.body.error]).toEqual([400, 'invalid_dpop_proof'])
    const dpop = await device.proof(`${ISSUER}/token`)
    const { body } = await w.post('/token', { ...form, ...(await proved(w)) }, { headers: { dpop } })
    expect(body.token_type).toBe('DPoP')
  })

  it('refuse a request that was not pushed', async () => {
    const w = await fapi()
    expect(queryOf(await authorize(w, good)).get('error')).toBe('invalid_request')
  })

  it('refuse secrets and public clients, whatever the client’s record says', async () => {
    const w = await fapi()
    const device = await w.device({ register: false })
    const headers = { authorization: basic('secret', SECRET) }
    expect((await w.post('/par', { ...good, client_id: 'secret' }, { headers })).body.error).toBe('invalid_client')
    const dpop = await device.proof(`${ISSUER}/par`)
    expect((await w.post('/par', { ...good, client_id: 'spa' }, { headers: { dpop } })).body.error).toBe('invalid_client')
  })

  it('are announced', async () => {
    expect(await discovered(await fapi())).toMatchObject({
      require_pushed_authorization_requests: true,
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
      introspection_endpoint_auth_methods_supported: ['private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['ES256', 'PS256', 'EdDSA', 'Ed25519'],
      dpop_signing_alg_values_supported: ['ES256', 'PS256', 'EdDSA', 'Ed25519'],
    })
  })

  it('stand for nothing that contradicts them', () => {
    const defaultResource = API
    expect(() => fapi2({ defaultResource, algs: ['RS256'] })).toThrow()
    expect(() => fapi2({ defaultResource, lifetimes: { parSec: 600 } })).toThrow()
    expect(() => fapi2({ defaultResource, [allowBearerPublicClients]: true })).toThrow()
    const config = parseConfig(
      fapi2({ defaultResource, algs: ['PS256'], requirePar: false, authMethods: ['none'], scopes: ['a'] }),
    )
    expect(config).toMatchObject({
      algs: ['PS256'],
      requirePar: true,
      requireBoundTokens: true,
      requireSignedRequest: false,
      scopes: ['a'],
    })
    expect(config.authMethods).not.toContain('none')
  })
})

it.skipIf(noOpenssl())('the fapi2 settings bind a token to the certificate of a client that proves itself by it', async () => {
  const ca = authority()
  const { der } = ca.issue('own', 'own', CLIENT)
  ca.close()
  const { defaultResource: _same, ...config } = fapi2({ defaultResource: API })
  const jwk = publicKeyOf(parseCertificate(der).spki)!
  const auth = { method: 'self_signed_tls_client_auth' } as const
  const clients = [
    await portal({ auth, jwks: [jwk], certificateBound: true }),
    { ...(await portal({ auth, jwks: [jwk] })), id: 'unbound' },
  ]
  const w = await world({ config, clients, start: Date.now(), context: () => ({ auth: [selfSigned] }) })
  const post = async (path: string, form: Record<string, string>) => {
    const request = new Request(`${ISSUER}${path}`, { method: 'POST', body: new URLSearchParams(form) })
    return (await w.nodes[0]!.fetch(request, { clientCertificate: der })).json() as Promise<Record<string, string>>
  }
  const pushed = await post('/par', good)
  const done = await finish(w, await authorize(w, { client_id: 'portal', request_uri: pushed.request_uri! }), granted(w))
  const form = {
    client_id: 'portal',
    grant_type: 'authorization_code',
    code: queryOf(done).get('code')!,
    code_verifier: VERIFIER,
    redirect_uri: REDIRECT,
  }
  const { access_token } = await post('/token', form)
  const { cnf } = JSON.parse(Buffer.from(access_token!.split('.')[1]!, 'base64url').toString())
  expect(cnf).toEqual({ 'x5t#S256': createHash('sha256').update(der).digest('base64url') })
  // A client that proves itself by a certificate, but whose tokens are bound to nothing, owes a proof.
  expect((await post('/token', { ...form, client_id: 'unbound' })).error).toBe('invalid_dpop_proof')
})

describe('with message signing', () => {
  it('walk: a signed request that was pushed, a signed response, signed introspection', async () => {
    const w = await fapi({ messageSigning: true })
    const device = await w.device({ register: false })
    const nbf = Math.floor(w.now() / 1000)
    const { body: pushed } = await w.post('/par', { request: await keys.sign(goodClaims(w, { nbf })), ...(await proved(w)) })
    const done = await finish(w, await authorize(w, { client_id: 'portal', request_uri: pushed.request_uri }), granted(w))
    const set = createLocalJWKSet((await (await w.nodes[0]!.fetch(new Request(`${ISSUER}/jwks`))).json()) as never)
    const o = { issuer: ISSUER, audience: 'portal', currentDate: new Date(w.now()) }
    const { payload } = await jwtVerify(queryOf(done).get('response')!, set, o)
    const form = {
      grant_type: 'authorization_code',
      code: payload.code as string,
      code_verifier: VERIFIER,
      redirect_uri: REDIRECT,
    }
    const dpop = await device.proof(`${ISSUER}/token`)
    const { body } = await w.post('/token', { ...form, ...(await proved(w)) }, { headers: { dpop } })
    const told = await w.post('/introspect', { token: body.access_token, ...(await proved(w)) })
    const { payload: introspected } = await jwtVerify(told.body, set, { ...o, typ: 'token-introspection+jwt' })
    expect(introspected.token_introspection).toMatchObject({ active: true, client_id: 'portal' })
  })

  it('refuse a request that is not signed, or without nbf, and a response that would not be', async () => {
    const w = await fapi({ messageSigning: true })
    const nbf = Math.floor(w.now() / 1000)
    const push = async (form: Record<string, string>) => (await w.post('/par', { ...form, ...(await proved(w)) })).body.error
    expect(await push(good)).toBe('invalid_request')
    expect(await push({ request: await keys.sign(goodClaims(w)) })).toBe('invalid_request_object')
    expect(await push({ request: await keys.sign(goodClaims(w, { nbf, response_mode: 'query' })) })).toBe('invalid_request')
    expect(await push({ request: await keys.sign(goodClaims(w, { nbf, response_mode: 'jwt' })) })).toBeUndefined()
  })

  it('are announced', async () => {
    expect(await discovered(await fapi({ messageSigning: true }))).toMatchObject({
      require_signed_request_object: true,
      response_modes_supported: ['jwt', 'query.jwt', 'form_post.jwt'],
    })
  })
})
