/// <reference types="node" />
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createCrypto } from '@postern/core/crypto/node'
import { nodeNonces } from '@postern/tokens/dpop'
import { remoteKeys } from '@postern/tokens/remoteKeys'
import { challengeResponse, createVerifier, introspecting, type VerifierOptions } from '@postern/tokens/resource'
// @ts-expect-error it comes without types
import Provider from 'oidc-provider'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const API = 'https://api.example.com'
const OPAQUE = 'https://opaque.example.com'
const crypto = createCrypto()
const random = (n: number): Uint8Array => globalThis.crypto.getRandomValues(new Uint8Array(n))

/** oidc-provider as it is, on a port of its own: JWTs for one resource, opaque tokens for another. */
async function foreign() {
  const server = createServer((incoming, outgoing) => handle(incoming, outgoing))
  await new Promise<void>((done) => server.listen(0, 'localhost', done))
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`
  const jwk = {
    ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    use: 'sig',
    alg: 'ES256',
    kid: 'k1',
  }
  const one = (client_id: string) => ({
    client_id,
    client_secret: 'a-secret-that-is-long-enough-for-this-test',
    grant_types: ['client_credentials'],
    id_token_signed_response_alg: 'ES256',
    redirect_uris: [],
    response_types: [],
  })
  const provider = new Provider(issuer, {
    jwks: { keys: [jwk] } as never,
    clients: [one('caller'), one('server')],
    scopes: ['openid', 'accounts', 'payments'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 1), requireNonce: () => false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx: unknown, resource: string) => ({
          scope: 'accounts payments',
          audience: resource,
          accessTokenTTL: 300,
          accessTokenFormat: resource === API ? 'jwt' : 'opaque',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  } as never)
  const handle = provider.callback()
  return { issuer, close: () => new Promise<void>((done) => server.close(() => done())) }
}

describe('tokens of oidc-provider at a resource server of ours', () => {
  let as: Awaited<ReturnType<typeof foreign>>
  let configuration: client.Configuration
  let options: (audience: string) => VerifierOptions
  beforeAll(async () => {
    as = await foreign()
    const secret = 'a-secret-that-is-long-enough-for-this-test'
    configuration = await client.discovery(new URL(as.issuer), 'caller', {}, client.ClientSecretBasic(secret), {
      execute: [client.allowInsecureRequests],
    })
    const keys = remoteKeys({ url: configuration.serverMetadata().jwks_uri!, fetch, crypto, clock: Date.now })
    await keys.refresh()
    options = (audience) => ({
      issuer: as.issuer,
      audience,
      origin: audience,
      keys,
      clock: Date.now,
      crypto,
      nonces: nodeNonces({ random, crypto, clock: Date.now }),
      replay: { mode: 'node' },
      // Its tokens have no kind: a client's own are those that name no one else.
      kindOf: ({ sub, client_id }) => (sub === client_id ? 'device' : 'user'),
      introspect: introspecting({
        url: configuration.serverMetadata().introspection_endpoint!,
        credentials: { clientId: 'server', clientSecret: secret },
        fetch,
      }),
    })
  })
  afterAll(() => as.close())

  const ask = (resource: string, scope = 'accounts') => client.clientCredentialsGrant(configuration, { resource, scope })
  const call = (verify: ReturnType<typeof createVerifier>, token: string, headers: Record<string, string> = {}) =>
    verify(new Request(`${API}/accounts`, { headers: { authorization: `Bearer ${token}`, ...headers } }), {
      kind: ['device'],
      scope: ['accounts'],
    })

  it('a JWT is verified offline with its JWKS, and nothing of it passes elsewhere', async () => {
    const { access_token } = await ask(API)
    expect(await call(createVerifier(options(API)), access_token)).toMatchObject({
      subject: 'caller',
      clientId: 'caller',
      kind: 'device',
      scope: ['accounts'],
    })
    await expect(call(createVerifier(options(OPAQUE)), access_token)).rejects.toMatchObject({ reason: 'token.audience' })
    await expect(call(createVerifier({ ...options(API), issuer: `${as.issuer}/` }), access_token)).rejects.toMatchObject({
      reason: 'token.issuer',
    })
    const { kindOf: _, ...kindless } = options(API)
    await expect(call(createVerifier(kindless), access_token)).rejects.toMatchObject({ reason: 'token.kind' })
    await expect(call(createVerifier(options(API)), (await ask(API, 'payments')).access_token)).rejects.toMatchObject({
      code: 'token.scope',
    })
  })

  it('an opaque token is introspected at its issuer', async () => {
    const { access_token } = await ask(OPAQUE)
    expect(access_token).not.toContain('.')
    expect(await call(createVerifier(options(OPAQUE)), access_token)).toMatchObject({ clientId: 'caller', scope: ['accounts'] })
    await expect(call(createVerifier(options(OPAQUE)), `${access_token}x`)).rejects.toMatchObject({ reason: 'token.inactive' })
  })

  it('a DPoP-bound token needs a proof with our nonce, which openid-client learns from the challenge', async () => {
    const DPoP = client.getDPoPHandle(configuration, await client.randomDPoPKeyPair('ES256'))
    const { access_token, token_type } = await client.clientCredentialsGrant(
      configuration,
      { resource: API, scope: 'accounts' },
      { DPoP },
    )
    expect(token_type).toBe('dpop')
    const verifier = options(API)
    const verify = createVerifier(verifier)
    let answers = 0
    const api = createServer(async (incoming, outgoing) => {
      const headers = new Headers(incoming.headers as Record<string, string>)
      const url = `http://localhost:${(api.address() as AddressInfo).port}/accounts`
      const need = { kind: ['device'], url } as const
      try {
        const { clientId } = await verify(new Request(url, { headers }), need)
        outgoing.end(clientId)
      } catch (error) {
        answers++
        const reply = (await challengeResponse(error, verifier, need))!
        outgoing.writeHead(reply.status, Object.fromEntries(reply.headers)).end()
      }
    })
    await new Promise<void>((done) => api.listen(0, 'localhost', done))
    const url = new URL(`http://localhost:${(api.address() as AddressInfo).port}/accounts`)
    const fetched = await client.fetchProtectedResource(configuration, access_token, url, 'GET', null, undefined, { DPoP })
    expect([await fetched.text(), answers]).toEqual(['caller', 1])
    const plain = await fetch(url, { headers: { authorization: `Bearer ${access_token}` } })
    expect(plain.status).toBe(401)
    api.close()
  })
})
