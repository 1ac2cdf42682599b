import { claimUserCode, DEVICE_GRANT, decideDevice, deviceAuthorization } from '@postern/tokens/device'
import { device } from '@postern/tokens/grants/device'
import { exportJWK, generateKeyPair } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deviceClients, granted, VERIFICATION } from '../waiting.js'
import { SECRET } from '../world.js'
import { type Live, listen } from './server.js'

const insecure = { [oauth.allowInsecureRequests]: true } as const
const keys = await generateKeyPair('ES256', { extractable: true })
const jwk = { ...(await exportJWK(keys.publicKey)), alg: 'ES256' } as JsonWebKey

describe('the device grant over HTTP', () => {
  let live: Live
  beforeAll(async () => {
    live = await listen({
      clients: [
        ...deviceClients,
        {
          id: 'signing',
          auth: { method: 'private_key_jwt', keys: [jwk] },
          grantTypes: [DEVICE_GRANT],
          scope: ['openid', 'accounts'],
        },
      ],
      grants: [device],
      endpoints: [deviceAuthorization],
      context: () => ({
        device: {
          verificationUri: VERIFICATION,
          intervalSec: 1,
          begin: async ({ userCode }) => ({
            members: { verification_uri_complete: `${VERIFICATION}?user_code=${userCode}` },
          }),
        },
      }),
    })
  })
  afterAll(() => live.close())

  /** The user's side, on another machine: he enters what the device shows and decides. */
  const decide = async (userCode: string, subject: string, yes: boolean): Promise<void> => {
    const context = live.w.contexts[0]!
    const { id } = await claimUserCode({ userCode, subject }, context)
    await decideDevice(id, yes ? granted({ subject }) : { outcome: 'denied', subject }, context)
  }
  const configure = (id: string, auth: client.ClientAuth): Promise<client.Configuration> =>
    client.discovery(new URL(live.issuer), id, undefined, auth, { execute: [client.allowInsecureRequests] })

  it('openid-client polls until the user says yes', async () => {
    const configuration = await configure('tv', client.ClientSecretPost(SECRET))
    const begun = await client.initiateDeviceAuthorization(configuration, { scope: 'openid accounts' })
    expect(begun).toMatchObject({ interval: 1, verification_uri_complete: `${VERIFICATION}?user_code=${begun.user_code}` })
    const polling = client.pollDeviceAuthorizationGrant(configuration, begun)
    await new Promise((done) => setTimeout(done, 1500))
    await decide(begun.user_code, 'user-1', true)
    const tokens = await polling
    expect(tokens.claims()).toMatchObject({ sub: 'user-1', aud: 'tv' })
    const refreshed = await client.refreshTokenGrant(configuration, tokens.refresh_token!)
    expect(await client.tokenIntrospection(configuration, refreshed.access_token)).toMatchObject({ active: true, sub: 'user-1' })
  })

  it('openid-client as a public client gets tokens bound to its key', async () => {
    const configuration = await configure('cli', client.None())
    const DPoP = client.getDPoPHandle(configuration, await client.randomDPoPKeyPair())
    const begun = await client.initiateDeviceAuthorization(configuration, { scope: 'openid accounts' })
    const polling = client.pollDeviceAuthorizationGrant(configuration, begun, undefined, { DPoP })
    await decide(begun.user_code, 'user-2', true)
    const tokens = await polling
    expect(tokens.token_type).toBe('dpop')
    expect(tokens.claims()).toMatchObject({ sub: 'user-2', aud: 'cli' })
    const refreshed = await client.refreshTokenGrant(configuration, tokens.refresh_token!, undefined, { DPoP })
    expect(refreshed.token_type).toBe('dpop')
  })

  it('openid-client is told of a no', async () => {
    const configuration = await configure('tv', client.ClientSecretPost(SECRET))
    const begun = await client.initiateDeviceAuthorization(configuration, { scope: 'openid' })
    await decide(begun.user_code, 'user-3', false)
    await expect(client.pollDeviceAuthorizationGrant(configuration, begun)).rejects.toMatchObject({ error: 'access_denied' })
  })

  it('oauth4webapi reads every answer of a poll, with an assertion of its own each time', async () => {
    const url = new URL(live.issuer)
    const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure))
    expect(as).toMatchObject({ device_authorization_endpoint: `${live.issuer}/device_authorization` })
    const signing: oauth.Client = { client_id: 'signing' }
    const auth = oauth.PrivateKeyJwt(keys.privateKey)
    const begun = await oauth.processDeviceAuthorizationResponse(
      as,
      signing,
      await oauth.deviceAuthorizationRequest(as, signing, auth, { scope: 'openid accounts' }, insecure),
    )
    const poll = async (): Promise<oauth.TokenEndpointResponse> =>
      oauth.processDeviceCodeResponse(
        as,
        signing,
        await oauth.deviceCodeGrantRequest(as, signing, auth, begun.device_code, insecure),
      )
    await expect(poll()).rejects.toMatchObject({ error: 'authorization_pending' })
    await expect(poll()).rejects.toMatchObject({ error: 'slow_down' })
    await decide(begun.user_code, 'user-4', true)
    await new Promise((done) => setTimeout(done, 1100))
    const tokens = await poll()
    expect(oauth.getValidatedIdTokenClaims(tokens)).toMatchObject({ sub: 'user-4', aud: 'signing', acr: 'level2' })
    await new Promise((done) => setTimeout(done, 6100))
    await expect(poll()).rejects.toMatchObject({ error: 'invalid_grant' })
  })
})
