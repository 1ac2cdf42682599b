import { createCrypto } from '@postern/core/crypto/node'
import { publicJwk } from '@postern/core/jwk'
import { exchange } from '@postern/tokens/grants/exchange'
import { jwtBearer } from '@postern/tokens/grants/jwtBearer'
import { defaultGrants } from '@postern/tokens/token'
import { importJWK, SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ACCESS_TOKEN, EXCHANGE, exchangingClients, LEDGER, portalTokens } from '../exchanging.js'
import { API, SECRET } from '../world.js'
import { type Live, listen } from './server.js'

const insecure = { [oauth.allowInsecureRequests]: true } as const
const PARTNER = 'https://idp.partner.example'
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const crypto = createCrypto()

describe.each(['jwt', 'opaque'] as const)(
  'introspection, exchange and revocation of %s tokens over HTTP, by clients nobody here wrote',
  (format) => {
    let live: Live
    let partner: JsonWebKey
    let as: oauth.AuthorizationServer
    const asClient = (id: string) =>
      client.discovery(new URL(live.issuer), id, {}, client.ClientSecretBasic(SECRET), {
        execute: [client.allowInsecureRequests],
      })

    beforeAll(async () => {
      partner = await crypto.generateKey('ES256', (n) => new Uint8Array(n).fill(9))
      const key = await crypto.verifyKey('ES256', publicJwk(partner))
      live = await listen({
        clients: (await exchangingClients()).map((one) => ({ ...one, grantTypes: [...(one.grantTypes ?? []), JWT_BEARER] })),
        grants: [...defaultGrants, exchange, jwtBearer],
        config: { resources: { [API]: { format }, [LEDGER]: { format } } },
        context: () => ({
          exchange: async () => ({ ok: true }),
          trustedIssuers: [
            {
              issuer: PARTNER,
              keys: { find: async (kid) => (kid === 'k1' ? key : null) },
              scope: ['accounts'],
              subject: async ({ sub }) => sub as string,
            },
          ],
        }),
      })
      const url = new URL(live.issuer)
      as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure))
    })
    afterAll(() => live.close())

    it('openid-client introspects, exchanges, introspects the exchanged one, and revokes', async () => {
      const [portal, api, ledger] = await Promise.all(['portal', 'api', 'ledger'].map(asClient))
      const { access_token } = await portalTokens(live.w)
      expect(await client.tokenIntrospection(api!, access_token!)).toMatchObject({ active: true, sub: 'user-1', aud: API })
      const form = { subject_token: access_token!, subject_token_type: ACCESS_TOKEN, resource: LEDGER, scope: 'accounts' }
      const exchanged = await client.genericGrantRequest(api!, EXCHANGE, form)
      expect([exchanged.token_type, exchanged.scope, exchanged.expiresIn()]).toEqual(['bearer', 'accounts', expect.any(Number)])
      expect(await client.tokenIntrospection(ledger!, exchanged.access_token)).toMatchObject({
        active: true,
        act: { sub: 'api' },
      })
      await client.tokenRevocation(portal!, access_token!)
      for (const [who, token] of [
        [api, access_token],
        [ledger, exchanged.access_token],
      ] as const)
        expect(await client.tokenIntrospection(who!, token!)).toEqual({ active: false })
      await client.tokenRevocation(portal!, 'of nobody')
    })

    it('openid-client brings an assertion of a trusted issuer, once', async () => {
      const assertion = await new SignJWT({})
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuer(PARTNER)
        .setSubject('user-7')
        .setAudience(live.issuer)
        .setJti(`${format}-1`)
        .setExpirationTime('60s')
        .sign(await importJWK(partner as never, 'ES256'))
      const portal = await asClient('portal')
      const tokens = await client.genericGrantRequest(portal, JWT_BEARER, { assertion, scope: 'accounts' })
      expect(await client.tokenIntrospection(portal, tokens.access_token)).toMatchObject({ active: true, sub: 'user-7' })
      await expect(client.genericGrantRequest(portal, JWT_BEARER, { assertion, scope: 'accounts' })).rejects.toMatchObject({
        error: 'invalid_grant',
      })
    })

    it('RFC 9701 oauth4webapi asks for the signed form and validates it against the JWKS', async () => {
      const api: oauth.Client = { client_id: 'api', introspection_signed_response_alg: 'ES256' }
      const auth = oauth.ClientSecretBasic(SECRET)
      const { access_token } = await portalTokens(live.w)
      for (const [token, active] of [
        [access_token!, true],
        ['none', false],
      ] as const) {
        const reply = await oauth.introspectionRequest(as, api, auth, token, { requestJwtResponse: true, ...insecure })
        expect(reply.headers.get('content-type')).toBe('application/token-introspection+jwt')
        const body = await oauth.processIntrospectionResponse(as, api, reply)
        await oauth.validateApplicationLevelSignature(as, reply, insecure)
        expect(body.active).toBe(active)
        if (active) expect(body).toMatchObject({ sub: 'user-1', client_id: 'portal', acr: 'level2' })
      }
    })

    it('oauth4webapi exchanges and revokes', async () => {
      const api: oauth.Client = { client_id: 'api' }
      const auth = oauth.ClientSecretBasic(SECRET)
      const { access_token } = await portalTokens(live.w)
      const form = { subject_token: access_token!, subject_token_type: ACCESS_TOKEN, resource: LEDGER }
      const reply = await oauth.genericTokenEndpointRequest(as, api, auth, EXCHANGE, form, insecure)
      const exchanged = await oauth.processGenericTokenEndpointResponse(as, api, reply)
      expect(exchanged.issued_token_type).toBe(ACCESS_TOKEN)
      await oauth.processRevocationResponse(await oauth.revocationRequest(as, api, auth, exchanged.access_token, insecure))
      const asked = await oauth.introspectionRequest(as, api, auth, exchanged.access_token, insecure)
      expect(await oauth.processIntrospectionResponse(as, api, asked)).toMatchObject({ active: false })
    })
  },
)
