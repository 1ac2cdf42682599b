import { exportJWK, generateKeyPair } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Live, listen } from './server.js'

describe('openid-client over HTTP', () => {
  let live: Live
  let configuration: client.Configuration
  beforeAll(async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256' } as JsonWebKey
    live = await listen({
      clients: [
        {
          id: 'signed',
          auth: { method: 'private_key_jwt', keys: [jwk] },
          redirectUris: ['http://localhost/cb'],
          scope: ['openid', 'accounts'],
          introspects: ['https://api.example.com'],
        },
      ],
      decide: () => ({
        outcome: 'granted',
        login: { subject: 'user-2', authTime: Date.now(), acr: 'level1', amr: ['pwd'] },
        scope: ['openid', 'accounts'],
      }),
    })
    configuration = await client.discovery(new URL(live.issuer), 'signed', undefined, client.PrivateKeyJwt(privateKey), {
      execute: [client.allowInsecureRequests],
    })
  })
  afterAll(() => live.close())

  it('walks PAR, code, DPoP, refresh, introspection and revocation with private_key_jwt', async () => {
    const DPoP = client.getDPoPHandle(configuration, await client.randomDPoPKeyPair())
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const expectedState = client.randomState()
    const url = await client.buildAuthorizationUrlWithPAR(
      configuration,
      {
        redirect_uri: 'http://localhost/cb',
        scope: 'openid accounts',
        code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
        state: expectedState,
      },
      { DPoP },
    )
    const login = await fetch(url, { redirect: 'manual' })
    const tokens = await client.authorizationCodeGrant(
      configuration,
      new URL(login.headers.get('location')!),
      { pkceCodeVerifier, expectedState },
      undefined,
      { DPoP },
    )
    expect(tokens.claims()).toMatchObject({ sub: 'user-2', aud: 'signed' })
    const refreshed = await client.refreshTokenGrant(configuration, tokens.refresh_token!, undefined, { DPoP })
    expect(await client.tokenIntrospection(configuration, refreshed.access_token)).toMatchObject({
      active: true,
      client_id: 'signed',
    })
    await client.tokenRevocation(configuration, refreshed.access_token)
    expect(await client.tokenIntrospection(configuration, refreshed.access_token)).toEqual({ active: false })
    await client.tokenRevocation(configuration, refreshed.refresh_token!)
    await expect(client.refreshTokenGrant(configuration, refreshed.refresh_token!, undefined, { DPoP })).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })
})
