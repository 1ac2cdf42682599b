/// <reference types="node" />
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createCrypto } from '@postern/core/crypto'
import { assertion, secretAssertion } from '@postern/tokens/auth/assertion'
import { hashSecret, secret } from '@postern/tokens/auth/secret'
import { exportJWK, generateKeyPair } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API, SECRET } from '../world.js'
import { type Live, listen } from './server.js'

const insecure = { [oauth.allowInsecureRequests]: true } as const
const MAC_SECRET = 'a secret that both sides hold, and nobody else'

/** Each way to authenticate that both clients offer, but mutual TLS, which has a file of its own. */
interface Method {
  readonly id: string
  readonly oauth4webapi: () => oauth.ClientAuth
  readonly openidClient: () => client.ClientAuth
}

describe('every way to authenticate, over HTTP', () => {
  let live: Live
  let jwks: Server
  let fetches = 0
  const methods: Method[] = []
  beforeAll(async () => {
    const [held, published] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')])
    const set = { keys: [{ ...(await exportJWK(published.publicKey)), kid: 'p1' }] }
    jwks = createServer((_request, reply) => {
      fetches++
      reply.setHeader('content-type', 'application/jwk-set+json')
      reply.end(JSON.stringify(set))
    })
    await new Promise<void>((done) => jwks.listen(0, 'localhost', done))
    const jwksUri = `http://localhost:${(jwks.address() as AddressInfo).port}/jwks`
    const secretHashes = [await hashSecret(createCrypto(), SECRET)]
    const base = { grantTypes: ['client_credentials'], scope: ['accounts'], introspects: [API] }
    const key = { key: published.privateKey, kid: 'p1' }
    methods.push(
      { id: 'basic', oauth4webapi: () => oauth.ClientSecretBasic(SECRET), openidClient: () => client.ClientSecretBasic(SECRET) },
      { id: 'post', oauth4webapi: () => oauth.ClientSecretPost(SECRET), openidClient: () => client.ClientSecretPost(SECRET) },
      {
        id: 'mac',
        oauth4webapi: () => oauth.ClientSecretJwt(MAC_SECRET),
        openidClient: () => client.ClientSecretJwt(MAC_SECRET),
      },
      {
        id: 'held',
        oauth4webapi: () => oauth.PrivateKeyJwt(held.privateKey),
        openidClient: () => client.PrivateKeyJwt(held.privateKey),
      },
      { id: 'published', oauth4webapi: () => oauth.PrivateKeyJwt(key), openidClient: () => client.PrivateKeyJwt(key) },
    )
    live = await listen({
      clients: [
        { id: 'basic', auth: { method: 'client_secret_basic', secretHashes }, ...base },
        { id: 'post', auth: { method: 'client_secret_post', secretHashes }, ...base },
        { id: 'mac', auth: { method: 'client_secret_jwt', secret: () => MAC_SECRET }, ...base },
        { id: 'held', auth: { method: 'private_key_jwt' }, jwks: [(await exportJWK(held.publicKey)) as JsonWebKey], ...base },
        { id: 'published', auth: { method: 'private_key_jwt' }, jwksUri, ...base },
      ],
      context: ({ runtime }) => ({ auth: [secret, assertion, secretAssertion], runtime: { ...runtime, clock: Date.now, fetch } }),
    })
  })
  afterAll(async () => {
    await live.close()
    await new Promise((done) => jwks.close(done))
  })

  it.each([0, 1, 2, 3, 4])('oauth4webapi gets, introspects and revokes a token (method %i)', async (i) => {
    const { id, oauth4webapi } = methods[i]!
    const url = new URL(live.issuer)
    const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure }))
    const own: oauth.Client = { client_id: id }
    const reply = await oauth.clientCredentialsGrantRequest(as, own, oauth4webapi(), { scope: 'accounts' }, insecure)
    const { access_token } = await oauth.processClientCredentialsResponse(as, own, reply)
    const introspect = async () =>
      oauth.processIntrospectionResponse(
        as,
        own,
        await oauth.introspectionRequest(as, own, oauth4webapi(), access_token, insecure),
      )
    expect(await introspect()).toMatchObject({ active: true, client_id: id, sub: id })
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, own, oauth4webapi(), access_token, insecure))
    expect(await introspect()).toEqual({ active: false })
  })

  it.each([0, 1, 2, 3, 4])('openid-client gets, introspects and revokes a token (method %i)', async (i) => {
    const { id, openidClient } = methods[i]!
    const configuration = await client.discovery(new URL(live.issuer), id, undefined, openidClient(), {
      execute: [client.allowInsecureRequests],
    })
    const { access_token } = await client.clientCredentialsGrant(configuration, { scope: 'accounts' })
    expect(await client.tokenIntrospection(configuration, access_token)).toMatchObject({ active: true, client_id: id })
    await client.tokenRevocation(configuration, access_token)
    expect(await client.tokenIntrospection(configuration, access_token)).toEqual({ active: false })
  })

  it('the keys of the client that publishes them were fetched once for all of that', () => expect(fetches).toBe(1))

  it('with another’s secret, or by another method, all are refused alike', async () => {
    const url = new URL(live.issuer)
    const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure }))
    const said = new Set<string>()
    for (const { id } of methods)
      for (const auth of [
        oauth.ClientSecretBasic('x'.repeat(43)),
        oauth.ClientSecretPost(MAC_SECRET),
        oauth.ClientSecretJwt(SECRET),
      ]) {
        const reply = await oauth.clientCredentialsGrantRequest(as, { client_id: id }, auth, {}, insecure)
        said.add(`${reply.status} ${JSON.stringify({ ...(await reply.json()), code: undefined })}`)
      }
    expect([...said]).toEqual(['401 {"error":"invalid_client","error_description":"Client authentication failed."}'])
  })
})
