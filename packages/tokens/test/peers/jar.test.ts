import { requestObjects } from '@postern/tokens/jar'
import { jwe } from '@postern/tokens/jwe'
import { CompactEncrypt, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Live, listen } from './server.js'

const REDIRECT = 'http://localhost/cb'
const exported = async (key: CryptoKey, kid: string): Promise<JsonWebKey & { kid: string }> =>
  ({ ...(await exportJWK(key)), kid }) as JsonWebKey & { kid: string }

describe('openid-client over HTTP, with request objects', () => {
  let live: Live
  let configuration: client.Configuration
  let signingKey: client.PrivateKey
  beforeAll(async () => {
    const signing = await generateKeyPair('ES256', { extractable: true })
    const decryption = await generateKeyPair('ECDH-ES', { extractable: true })
    const keys = [await exported(decryption.privateKey, 'enc1')]
    signingKey = { key: signing.privateKey, kid: 'k1' }
    live = await listen({
      clients: [
        {
          id: 'signed',
          auth: { method: 'private_key_jwt' },
          jwks: [{ ...(await exported(signing.publicKey, 'k1')), alg: 'ES256' }],
          redirectUris: [REDIRECT],
          scope: ['openid', 'accounts'],
          requireSignedRequest: true,
        },
      ],
      decide: () => ({
        outcome: 'granted',
        login: { subject: 'user-3', authTime: Date.now(), acr: 'level1', amr: ['pwd'] },
        scope: ['openid', 'accounts'],
      }),
      context: () => ({ jar: requestObjects(), jwe: jwe({ keys }) }),
    })
    configuration = await client.discovery(new URL(live.issuer), 'signed', undefined, client.PrivateKeyJwt(signingKey), {
      execute: [client.allowInsecureRequests],
    })
  })
  afterAll(() => live.close())

  /** A login whose request goes to the server as `send` has it. */
  async function login(send: (parameters: Record<string, string>, DPoP: client.DPoPHandle) => Promise<URL>) {
    const DPoP = client.getDPoPHandle(configuration, await client.randomDPoPKeyPair())
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const expectedState = client.randomState()
    const parameters = {
      redirect_uri: REDIRECT,
      scope: 'openid accounts',
      max_age: '3600',
      claims: JSON.stringify({ id_token: { acr: { essential: true, values: ['level1'] } } }),
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
    }
    const reply = await fetch(await send(parameters, DPoP), { redirect: 'manual' })
    const back = new URL(reply.headers.get('location')!)
    const checks = { pkceCodeVerifier, expectedState, maxAge: 3600 }
    return client.authorizationCodeGrant(configuration, back, checks, undefined, { DPoP })
  }

  it('walks JAR by value', async () => {
    const tokens = await login((parameters) => client.buildAuthorizationUrlWithJAR(configuration, parameters, signingKey))
    expect(tokens.claims()).toMatchObject({ sub: 'user-3', aud: 'signed', acr: 'level1' })
  })

  it('walks JAR through PAR, with DPoP', async () => {
    const tokens = await login(async (parameters, DPoP) => {
      const { searchParams } = await client.buildAuthorizationUrlWithJAR(configuration, parameters, signingKey)
      return client.buildAuthorizationUrlWithPAR(configuration, searchParams, { DPoP })
    })
    expect(tokens.claims()).toMatchObject({ sub: 'user-3', aud: 'signed' })
  })

  it('walks JAR encrypted to the key that the key set has for it', async () => {
    const tokens = await login(async (parameters) => {
      const url = await client.buildAuthorizationUrlWithJAR(configuration, parameters, signingKey)
      const { keys } = (await (await fetch(configuration.serverMetadata().jwks_uri!)).json()) as { keys: JWK[] }
      const jwk = keys.find(({ use }) => use === 'enc')!
      const request = await new CompactEncrypt(new TextEncoder().encode(url.searchParams.get('request')!))
        .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM', cty: 'JWT', kid: jwk.kid! })
        .encrypt(await importJWK(jwk, 'ECDH-ES+A256KW'))
      url.searchParams.set('request', request)
      return url
    })
    expect(tokens.claims()).toMatchObject({ sub: 'user-3' })
  })

  it('T38 is told when it does not sign', async () => {
    const url = client.buildAuthorizationUrl(configuration, { redirect_uri: REDIRECT, scope: 'openid', state: 's' })
    const back = new URL((await fetch(url, { redirect: 'manual' })).headers.get('location')!)
    await expect(client.authorizationCodeGrant(configuration, back, { expectedState: 's' })).rejects.toMatchObject({
      error: 'invalid_request',
    })
  })
})
