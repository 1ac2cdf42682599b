import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API, REDIRECT, SECRET } from '../world.js'
import { type Live, listen } from './server.js'

const insecure = { [oauth.allowInsecureRequests]: true } as const

describe('oauth4webapi over HTTP', () => {
  let live: Live
  let as: oauth.AuthorizationServer
  beforeAll(async () => {
    live = await listen({
      decide: () => ({
        outcome: 'granted',
        login: { subject: 'user-1', authTime: Date.now(), acr: 'level2', amr: ['pin'], sid: 'session1' },
        scope: ['openid', 'accounts', 'profile'],
      }),
    })
    const url = new URL(live.issuer)
    for (const algorithm of ['oidc', 'oauth2'] as const)
      as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm, ...insecure }))
  })
  afterAll(() => live.close())

  it('walks discovery, PAR, code with PKCE, DPoP with nonce, refresh, userinfo, introspection, revocation', async () => {
    const client: oauth.Client = { client_id: 'portal' }
    const auth = oauth.ClientSecretBasic(SECRET)
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256', { extractable: true }))
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    const nonce = oauth.generateRandomNonce()
    const parameters = {
      response_type: 'code',
      redirect_uri: REDIRECT,
      scope: 'openid accounts profile',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    }
    const pushed = await oauth.processPushedAuthorizationResponse(
      as,
      client,
      await oauth.pushedAuthorizationRequest(as, client, auth, parameters, { DPoP, ...insecure }),
    )
    const target = `${as.authorization_endpoint}?${new URLSearchParams({ client_id: 'portal', request_uri: pushed.request_uri })}`
    const login = await fetch(target, { redirect: 'manual' })
    expect(login.status).toBe(303)
    const back = new URL(login.headers.get('location')!)
    const answered = oauth.validateAuthResponse(as, client, back, state)
    const reply = await oauth.authorizationCodeGrantRequest(as, client, auth, answered, REDIRECT, verifier, { DPoP, ...insecure })
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, reply, { expectedNonce: nonce, requireIdToken: true })
    expect(tokens.token_type).toBe('dpop')
    expect(oauth.getValidatedIdTokenClaims(tokens)).toMatchObject({ sub: 'user-1', acr: 'level2', sid: 'session1', name: 'Ada' })
    // T37: the request_uri has produced its code.
    expect((await fetch(target, { redirect: 'manual' })).status).toBe(400)

    const { payload, protectedHeader } = await jwtVerify(tokens.access_token, createRemoteJWKSet(new URL(as.jwks_uri!)), {
      issuer: live.issuer,
      audience: API,
      typ: 'at+jwt',
    })
    expect(protectedHeader.alg).toBe('ES256')
    expect(payload).toMatchObject({ client_id: 'portal', kind: 'user', acr: 'level2', amr: ['pin'] })
    expect((payload.cnf as { jkt: string }).jkt).toMatch(/^[\w-]{43}$/)

    const info = await oauth.userInfoRequest(as, client, tokens.access_token, { DPoP, ...insecure }).catch(async (error) => {
      // The first call learns the nonce (RFC 9449 §9); the library wants it asked again.
      if (!oauth.isDPoPNonceError(error)) throw error
      return oauth.userInfoRequest(as, client, tokens.access_token, { DPoP, ...insecure })
    })
    expect(await oauth.processUserInfoResponse(as, client, 'user-1', info)).toEqual({ sub: 'user-1', name: 'Ada' })

    const refreshed = await oauth.processRefreshTokenResponse(
      as,
      client,
      await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token!, { DPoP, ...insecure }),
    )
    expect(refreshed.refresh_token).not.toBe(tokens.refresh_token)
    const introspect = async (token: string): Promise<oauth.IntrospectionResponse> =>
      oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, token, insecure))
    expect(await introspect(refreshed.access_token)).toMatchObject({
      active: true,
      sub: 'user-1',
      token_type: 'DPoP',
      scope: 'openid accounts profile',
    })
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, refreshed.refresh_token!, insecure))
    expect(await introspect(refreshed.access_token)).toEqual({ active: false })
    expect(decodeProtectedHeader(refreshed.id_token!).typ).toBe('JWT')
  })

  it('authenticates a service by client_secret_post and gets its own token', async () => {
    const client: oauth.Client = { client_id: 'service' }
    const reply = await oauth.clientCredentialsGrantRequest(
      as,
      client,
      oauth.ClientSecretPost(SECRET),
      { scope: 'accounts' },
      insecure,
    )
    const { access_token } = await oauth.processClientCredentialsResponse(as, client, reply)
    const { payload } = await jwtVerify(access_token, createRemoteJWKSet(new URL(as.jwks_uri!)), { issuer: live.issuer })
    expect(payload).toMatchObject({ sub: 'service', kind: 'device', scope: 'accounts' })
  })
})
