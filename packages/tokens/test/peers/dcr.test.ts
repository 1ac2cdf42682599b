import { PosternError } from '@postern/core/errors'
import { assertion, secretAssertion } from '@postern/tokens/auth/assertion'
import { secret } from '@postern/tokens/auth/secret'
import { besideInstances, clientsInStore } from '@postern/tokens/clientStore'
import { clientsInConfig } from '@postern/tokens/clients'
import { exportJWK, generateKeyPair } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API, instancesIn } from '../world.js'
import { type Live, listen } from './server.js'

const insecure = { [oauth.allowInsecureRequests]: true } as const
const INITIAL = 'the-initial-access-token'
const CALLBACK = 'http://localhost/cb'

describe('dynamic registration over HTTP', () => {
  let live: Live
  let as: oauth.AuthorizationServer
  beforeAll(async () => {
    live = await listen({
      decide: () => ({
        outcome: 'granted',
        login: { subject: 'user-3', authTime: Date.now(), acr: 'level1', amr: ['pwd'] },
        scope: ['openid', 'accounts'],
      }),
      context: ({ runtime, tenant, keys }) => {
        const timed = { ...runtime, clock: Date.now }
        return {
          auth: [secret, assertion, secretAssertion],
          clients: besideInstances(
            instancesIn(runtime.store, tenant, Date.now, clientsInConfig([])),
            clientsInStore({
              runtime: timed,
              tenant,
              keys,
              async admit({ scope }, { request, before }) {
                const initial = request.headers.get('authorization') === `Bearer ${INITIAL}`
                if (before === null && !initial) throw new PosternError('tokens.denied')
                return { scope: scope ?? ['openid'], introspects: [API] }
              },
            }),
            ({ app_id }) => app_id !== undefined,
          ),
        }
      },
    })
    const url = new URL(live.issuer)
    as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure }))
  })
  afterAll(() => live.close())

  const register = async (metadata: Partial<oauth.Client>, initialAccessToken = INITIAL) =>
    oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(as, metadata, { initialAccessToken, ...insecure }),
    )

  it.each(['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'])(
    'oauth4webapi registers a service with %s, which then gets its token',
    async (token_endpoint_auth_method) => {
      const { privateKey, publicKey } = await generateKeyPair('ES256')
      const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] }
      const registered = await register({
        token_endpoint_auth_method,
        grant_types: ['client_credentials'],
        scope: 'accounts',
        ...(token_endpoint_auth_method === 'private_key_jwt' && { jwks: jwks as unknown as oauth.JsonObject }),
      })
      const shared = registered.client_secret as string
      const auth = {
        client_secret_basic: () => oauth.ClientSecretBasic(shared),
        client_secret_post: () => oauth.ClientSecretPost(shared),
        client_secret_jwt: () => oauth.ClientSecretJwt(shared),
        private_key_jwt: () => oauth.PrivateKeyJwt({ key: privateKey, kid: 'k1' }),
      }[token_endpoint_auth_method]!
      const reply = await oauth.clientCredentialsGrantRequest(as, registered, auth(), { scope: 'accounts' }, insecure)
      const { access_token } = await oauth.processClientCredentialsResponse(as, registered, reply)
      const answer = await oauth.introspectionRequest(as, registered, auth(), access_token, insecure)
      expect(await oauth.processIntrospectionResponse(as, registered, answer)).toMatchObject({ client_id: registered.client_id })
    },
  )

  it('openid-client registers a portal and walks PAR, code, refresh; it reads, changes and ends its registration', async () => {
    const configuration = await client.dynamicClientRegistration(
      new URL(live.issuer),
      {
        redirect_uris: [CALLBACK],
        grant_types: ['authorization_code', 'refresh_token'],
        scope: 'openid accounts',
        client_name: 'Portal',
      },
      client.ClientSecretBasic(),
      { initialAccessToken: INITIAL, execute: [client.allowInsecureRequests] },
    )
    const own = configuration.clientMetadata()
    expect(own).toMatchObject({ token_endpoint_auth_method: 'client_secret_basic', client_name: 'Portal' })
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const expectedState = client.randomState()
    const url = await client.buildAuthorizationUrlWithPAR(configuration, {
      redirect_uri: CALLBACK,
      scope: 'openid accounts',
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
    })
    const login = await fetch(url, { redirect: 'manual' })
    const back = new URL(login.headers.get('location')!)
    const tokens = await client.authorizationCodeGrant(configuration, back, { pkceCodeVerifier, expectedState })
    expect(tokens.claims()).toMatchObject({ sub: 'user-3', aud: own.client_id })
    const refreshed = await client.refreshTokenGrant(configuration, tokens.refresh_token!)
    const registration = async (method: string, token: string, body?: object) => {
      const reply = await fetch(own.registration_client_uri as string, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      return { status: reply.status, body: reply.status === 204 ? null : ((await reply.json()) as Record<string, unknown>) }
    }
    const token = own.registration_access_token as string
    expect((await registration('GET', token)).body).toMatchObject({ client_id: own.client_id, client_name: 'Portal' })
    const { client_id, client_secret } = own
    const put = await registration('PUT', token, {
      client_id,
      client_secret,
      redirect_uris: [CALLBACK],
      grant_types: own.grant_types,
      client_name: 'Renamed',
    })
    expect([put.status, put.body!.client_name]).toEqual([200, 'Renamed'])
    expect((await registration('DELETE', put.body!.registration_access_token as string)).status).toBe(204)
    await expect(client.refreshTokenGrant(configuration, refreshed.refresh_token!)).rejects.toMatchObject({ status: 401 })
  })

  it('a public client registers and proves itself by DPoP', async () => {
    const configuration = await client.dynamicClientRegistration(
      new URL(live.issuer),
      { redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none', dpop_bound_access_tokens: true, scope: 'openid accounts' },
      client.None(),
      { initialAccessToken: INITIAL, execute: [client.allowInsecureRequests] },
    )
    expect(configuration.clientMetadata()).not.toHaveProperty('client_secret')
    const DPoP = client.getDPoPHandle(configuration, await client.randomDPoPKeyPair())
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: CALLBACK,
      scope: 'openid accounts',
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    })
    const login = await fetch(url, { redirect: 'manual' })
    const tokens = await client.authorizationCodeGrant(
      configuration,
      new URL(login.headers.get('location')!),
      { pkceCodeVerifier },
      undefined,
      { DPoP },
    )
    expect(tokens.token_type).toBe('dpop')
  })

  it('T44 who may not register is told so in words that both clients understand', async () => {
    await expect(register({ redirect_uris: [CALLBACK] }, 'wrong')).rejects.toMatchObject({ status: 403 })
    await expect(register({ redirect_uris: ['javascript:alert(1)'] })).rejects.toMatchObject({ error: 'invalid_redirect_uri' })
    await expect(register({ redirect_uris: [CALLBACK], logo_uri: 'https://127.0.0.1/' })).rejects.toMatchObject({
      error: 'invalid_client_metadata',
    })
  })
})
