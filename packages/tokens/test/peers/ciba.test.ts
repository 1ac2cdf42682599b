import { createHash } from 'node:crypto'
import { backchannelAuthentication, CIBA_GRANT, type CibaAsk, decideCiba } from '@postern/tokens/ciba'
import { ciba } from '@postern/tokens/grants/ciba'
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Receiver, receiver } from '../receiver.js'
import { cibaClients, granted, NOTIFICATION } from '../waiting.js'
import { SECRET } from '../world.js'
import { type Live, listen } from './server.js'

const insecure = { [oauth.allowInsecureRequests]: true } as const
const keys = await generateKeyPair('ES256', { extractable: true })
const jwk = { ...(await exportJWK(keys.publicKey)), alg: 'ES256' } as JsonWebKey

describe('backchannel authentication over HTTP', () => {
  let live: Live
  let to: Receiver
  const asked: CibaAsk[] = []
  beforeAll(async () => {
    to = await receiver()
    live = await listen({
      clients: [
        ...cibaClients(to.url).filter(({ id }) => id !== 'signed'),
        {
          id: 'signed',
          auth: { method: 'private_key_jwt' },
          jwks: [jwk],
          grantTypes: [CIBA_GRANT, 'refresh_token'],
          scope: ['openid', 'accounts'],
          requireSignedRequest: true,
        },
      ],
      grants: [ciba],
      endpoints: [backchannelAuthentication],
      context: ({ runtime }) => ({
        runtime: { ...runtime, clock: Date.now, fetch },
        ciba: {
          intervalSec: 1,
          async begin(ask) {
            asked.push(ask)
            return { subject: 'value' in ask.hint ? ask.hint.value : ask.hint.subject }
          },
        },
      }),
    })
  })
  afterAll(async () => {
    await live.close()
    await to.close()
  })

  const decide = (yes: boolean, subject: string): Promise<unknown> =>
    decideCiba(asked.at(-1)!.id, yes ? granted({ subject }) : { outcome: 'denied', subject }, live.w.contexts[0]!)
  const configure = (id: string): Promise<client.Configuration> =>
    client.discovery(new URL(live.issuer), id, undefined, client.ClientSecretPost(SECRET), {
      execute: [client.allowInsecureRequests],
    })

  it('F35 openid-client polls until the user says yes', async () => {
    const configuration = await configure('polls')
    const begun = await client.initiateBackchannelAuthentication(configuration, {
      scope: 'openid accounts',
      login_hint: 'user-1',
      binding_message: 'W4SCT',
      requested_expiry: '120',
    })
    expect(begun).toMatchObject({ expires_in: 120, interval: 1 })
    expect(asked.at(-1)).toMatchObject({ bindingMessage: 'W4SCT' })
    const polling = client.pollBackchannelAuthenticationGrant(configuration, begun)
    await new Promise((done) => setTimeout(done, 1500))
    await decide(true, 'user-1')
    const tokens = await polling
    expect(tokens.claims()).toMatchObject({ sub: 'user-1', aud: 'polls', acr: 'level2' })
    const again = await client.initiateBackchannelAuthentication(configuration, {
      scope: 'openid',
      id_token_hint: tokens.id_token!,
    })
    expect(asked.at(-1)!.hint).toEqual({ kind: 'id_token_hint', subject: 'user-1' })
    await decide(false, 'user-1')
    await expect(client.pollBackchannelAuthenticationGrant(configuration, again)).rejects.toMatchObject({
      error: 'access_denied',
    })
  })

  it('openid-client is told how a request is wrong', async () => {
    const configuration = await configure('polls')
    const ask = (more: Record<string, string>): Promise<unknown> =>
      client.initiateBackchannelAuthentication(configuration, { scope: 'openid', login_hint: 'user-1', ...more })
    await expect(ask({ binding_message: 'x'.repeat(129) })).rejects.toMatchObject({ error: 'invalid_binding_message' })
    await expect(ask({ scope: 'accounts' })).rejects.toMatchObject({ error: 'invalid_scope' })
    await expect(ask({ login_hint_token: 'x' })).rejects.toMatchObject({ error: 'invalid_request' })
  })

  it('oauth4webapi signs its request, polls, and reads every answer', async () => {
    const url = new URL(live.issuer)
    const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure))
    expect(as).toMatchObject({
      backchannel_authentication_endpoint: `${live.issuer}/bc-authorize`,
      backchannel_token_delivery_modes_supported: ['poll', 'ping', 'push'],
    })
    const signed: oauth.Client = { client_id: 'signed' }
    const auth = oauth.PrivateKeyJwt(keys.privateKey)
    const parameters = { scope: 'openid accounts', login_hint: 'user-2', binding_message: 'signed', requested_expiry: '60' }
    const request = await oauth.issueRequestObject(as, signed, parameters, keys.privateKey)
    const begun = await oauth.processBackchannelAuthenticationResponse(
      as,
      signed,
      await oauth.backchannelAuthenticationRequest(as, signed, auth, { request }, insecure),
    )
    expect(begun.expires_in).toBe(60)
    expect(asked.at(-1)).toMatchObject({ bindingMessage: 'signed', hint: { value: 'user-2' } })
    const poll = async (): Promise<oauth.TokenEndpointResponse> =>
      oauth.processBackchannelAuthenticationGrantResponse(
        as,
        signed,
        await oauth.backchannelAuthenticationGrantRequest(as, signed, auth, begun.auth_req_id, insecure),
      )
    await expect(poll()).rejects.toMatchObject({ error: 'authorization_pending' })
    await expect(poll()).rejects.toMatchObject({ error: 'slow_down' })
    await decide(true, 'user-2')
    await new Promise((done) => setTimeout(done, 1100))
    expect(oauth.getValidatedIdTokenClaims(await poll())).toMatchObject({ sub: 'user-2', aud: 'signed' })
    const unsigned = await oauth.backchannelAuthenticationRequest(as, signed, auth, parameters, insecure)
    await expect(oauth.processBackchannelAuthenticationResponse(as, signed, unsigned)).rejects.toMatchObject({
      error: 'invalid_request',
    })
  })

  it('F35 openid-client, pinged, fetches its tokens', async () => {
    const configuration = await configure('pinged')
    const begun = await client.initiateBackchannelAuthentication(configuration, {
      scope: 'openid accounts',
      login_hint: 'user-3',
      client_notification_token: NOTIFICATION,
    })
    await decide(true, 'user-3')
    expect(await live.w.nodes[0]!.sweep(live.w.contexts[0]!)).toBe(1)
    const { headers, body } = to.received.at(-1)!
    expect([headers.authorization, JSON.parse(body)]).toEqual([`Bearer ${NOTIFICATION}`, { auth_req_id: begun.auth_req_id }])
    expect((await client.pollBackchannelAuthenticationGrant(configuration, begun)).claims()).toMatchObject({ sub: 'user-3' })
  })

  it('F35 what is pushed is verified by jose, against the keys that are published', async () => {
    const configuration = await configure('pushed')
    const begun = await client.initiateBackchannelAuthentication(configuration, {
      scope: 'openid accounts',
      login_hint: 'user-4',
      client_notification_token: NOTIFICATION,
    })
    await decide(true, 'user-4')
    await live.w.nodes[0]!.sweep(live.w.contexts[0]!)
    const sent = JSON.parse(to.received.at(-1)!.body)
    expect(sent.auth_req_id).toBe(begun.auth_req_id)
    const jwks = createRemoteJWKSet(new URL(`${live.issuer}/jwks`))
    const { payload } = await jwtVerify(sent.id_token, jwks, { issuer: live.issuer, audience: 'pushed', subject: 'user-4' })
    const half = (text: string): string => createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url')
    expect(payload).toMatchObject({
      at_hash: half(sent.access_token),
      'urn:openid:params:jwt:claim:rt_hash': half(sent.refresh_token),
      'urn:openid:params:jwt:claim:auth_req_id': begun.auth_req_id,
    })
    await jwtVerify(sent.access_token, jwks, { issuer: live.issuer, typ: 'at+jwt', audience: 'https://api.example.com' })
    const refreshed = await client.refreshTokenGrant(configuration, sent.refresh_token)
    expect(refreshed.scope).toBe('openid accounts')
  })
})
