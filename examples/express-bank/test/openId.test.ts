import { exportJWK, generateKeyPair } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillInLoginForm } from '../demo/phone.js'
import { API, REDIRECT, startWorld, type World } from './support/world.js'

describe('libraries that know nothing of Postern', () => {
  let world: World
  let apiKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey']
  beforeAll(async () => {
    const pair = await generateKeyPair('ES256')
    apiKey = pair.privateKey
    world = await startWorld({ apiKey: { ...(await exportJWK(pair.publicKey)), alg: 'ES256' } as JsonWebKey })
  })
  afterAll(() => world.close())

  it.each(['oidc', 'oauth2'] as const)(
    'openid-client runs discovery (%s), PAR, code, DPoP, refresh, introspection and revocation',
    async (algorithm) => {
      const options = { algorithm, execute: [openid.allowInsecureRequests] }
      const issuer = new URL(world.issuer)
      const portal = await openid.discovery(issuer, 'portal', undefined, openid.None(), options)
      const api = await openid.discovery(issuer, 'accounts-api', undefined, openid.PrivateKeyJwt(apiKey), options)
      const keys = await openid.randomDPoPKeyPair('ES256')
      const DPoP = openid.getDPoPHandle(portal, keys)
      const pkceCodeVerifier = openid.randomPKCECodeVerifier()
      const expectedState = openid.randomState()
      const expectedNonce = openid.randomNonce()

      const start = await openid.buildAuthorizationUrlWithPAR(
        portal,
        {
          redirect_uri: REDIRECT,
          scope: 'openid accounts offline_access',
          code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
          code_challenge_method: 'S256',
          state: expectedState,
          nonce: expectedNonce,
        },
        { DPoP },
      )
      expect([...start.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
      const back = new URL(await fillInLoginForm(start.href, { portal: REDIRECT }))
      expect(back.searchParams.get('iss')).toBe(world.issuer)
      const tokens = await openid.authorizationCodeGrant(
        portal,
        back,
        { pkceCodeVerifier, expectedState, expectedNonce },
        undefined,
        { DPoP },
      )
      expect(tokens.token_type).toBe('dpop')
      expect(tokens.claims()).toMatchObject({ sub: 'c-1001', acr: 'basic', amr: ['pwd'] })

      const refreshed = await openid.refreshTokenGrant(portal, tokens.refresh_token!, undefined, { DPoP })
      expect(refreshed.refresh_token).not.toBe(tokens.refresh_token)
      const asked = await openid.tokenIntrospection(api, refreshed.access_token)
      expect(asked).toMatchObject({ active: true, sub: 'c-1001', client_id: 'portal', aud: API, token_type: 'DPoP' })
      expect(asked['cnf']).toHaveProperty('jkt')

      await openid.tokenRevocation(portal, refreshed.refresh_token!)
      expect(await openid.tokenIntrospection(api, refreshed.access_token)).toEqual({ active: false })
      await expect(openid.refreshTokenGrant(portal, refreshed.refresh_token!, undefined, { DPoP })).rejects.toMatchObject({
        error: 'invalid_grant',
      })
      // Whose client only has a name learns nothing.
      await expect(openid.tokenIntrospection(portal, refreshed.access_token)).rejects.toMatchObject({ error: 'invalid_client' })
    },
  )

  it('oauth4webapi pushes, redeems and refreshes with DPoP nonces of its own finding', async () => {
    const insecure = { [oauth.allowInsecureRequests]: true } as const
    const issuer = new URL(world.issuer)
    const as = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
    )
    const client: oauth.Client = { client_id: 'portal' }
    const auth = oauth.None()
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    const { request_uri } = await oauth.processPushedAuthorizationResponse(
      as,
      client,
      await oauth.pushedAuthorizationRequest(
        as,
        client,
        auth,
        {
          response_type: 'code',
          redirect_uri: REDIRECT,
          scope: 'accounts offline_access',
          code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
          state,
        },
        { DPoP, ...insecure },
      ),
    )
    const page = `${as.authorization_endpoint}?${new URLSearchParams({ client_id: 'portal', request_uri })}`
    const answered = oauth.validateAuthResponse(
      as,
      client,
      new URL(await fillInLoginForm(page, { user: 'bob', password: 'battery staple', portal: REDIRECT })),
      state,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(
      as,
      client,
      await oauth.authorizationCodeGrantRequest(as, client, auth, answered, REDIRECT, verifier, { DPoP, ...insecure }),
    )
    const refreshed = await oauth.processRefreshTokenResponse(
      as,
      client,
      await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token!, { DPoP, ...insecure }),
    )
    expect(refreshed.scope).toBe('accounts offline_access')
    // The same token by another key is nothing (RFC 9449 §5).
    const stranger = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
    await expect(
      oauth.processRefreshTokenResponse(
        as,
        client,
        await oauth.refreshTokenGrantRequest(as, client, auth, refreshed.refresh_token!, { DPoP: stranger, ...insecure }),
      ),
    ).rejects.toMatchObject({ error: expect.stringMatching(/invalid_grant|invalid_dpop_proof/) })
  })
})
