/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { type JwsRules, readJws } from '@postern/core/jws'
import { assertion } from '@postern/tokens/auth/assertion'
import { clientAttestation } from '@postern/tokens/auth/attestation'
import { hashSecret, secret } from '@postern/tokens/auth/secret'
import { backchannelAuthentication } from '@postern/tokens/ciba'
import { clientsInStore } from '@postern/tokens/clientStore'
import { exchange } from '@postern/tokens/grants/exchange'
import { jwtBearer } from '@postern/tokens/grants/jwtBearer'
import { nativeSso } from '@postern/tokens/grants/nativeSso'
import { requestObjects } from '@postern/tokens/jar'
import { accessTokenRules, assertionRules, idTokenRules, proofRules, requestObjectRules } from '@postern/tokens/jose'
import { endSession } from '@postern/tokens/logout'
import { createVerifier } from '@postern/tokens/resource'
import { describe, expect, it } from 'vitest'
import { authorize, good } from '../authorization.js'
import { ACCESS_TOKEN, EXCHANGE } from '../exchanging.js'
import { API, basic, ISSUER, REDIRECT, SECRET, type World, world } from '../world.js'

const folder = process.env.POSTERN_VECTORS ?? resolve(fileURLToPath(new URL('../../../../../shared/vectors', import.meta.url)))
const file = resolve(folder, 'auth/mds3/mds3-blob.jwt')
const BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const ALL = ['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'RS256', 'PS256'] as const

describe.skipIf(!existsSync(file) && process.env.POSTERN_REQUIRE !== 'all')(
  'T24 the metadata blob of FIDO, which brings its own x5c',
  () => {
    const blob = () => readFileSync(file, 'utf8').trim()
    /** The same, so short that size alone refuses it nowhere, with a certificate that is none. */
    function cut(more: object = {}): string {
      const [head, , signature] = blob().split('.') as [string, string, string]
      const header = { ...JSON.parse(Buffer.from(head, 'base64url').toString()), x5c: ['MIIB'], ...more }
      return [encodeBase64url(utf8(JSON.stringify(header))), encodeBase64url(utf8('{"no":1}')), signature].join('.')
    }

    it.each([
      ['access tokens', accessTokenRules(ALL)],
      ['proofs', proofRules(ALL)],
      ['assertions', assertionRules(ALL)],
      ['request objects', requestObjectRules(ALL)],
      ['ID tokens', idTokenRules(ALL)],
    ])('is refused by the rules of %s, however large they let a text be, and for its certificates', (_use, rules: JwsRules) => {
      const why = (text: string): string | undefined => {
        try {
          readJws(text, { ...rules, maxBytes: 2 ** 30 })
          return undefined
        } catch (error) {
          return `${(error as { code: string }).code} ${(error as { reason: string }).reason}`
        }
      }
      expect(why(blob())).toMatch(/^jws.refused/)
      const typ = rules.typ[0]
      const named = cut({ typ, alg: 'RS256', ...(rules.jwk === true && { jwk: { kty: 'RSA', n: 'AQAB', e: 'AQAB' } }) })
      expect(why(named)).toMatch(/^jws.refused .*(x5c|member)/)
    })

    it('is refused wherever a client may send a signed object, and nothing is fetched', async () => {
      const fetched: unknown[] = []
      const keys = { find: async () => null }
      const client = {
        id: 'portal',
        auth: { method: 'client_secret_basic', secretHashes: [await hashSecret(createCrypto(), SECRET)] },
        redirectUris: [REDIRECT],
        grantTypes: ['authorization_code', EXCHANGE, BEARER, 'urn:openid:params:grant-type:ciba'],
        scope: ['openid', 'accounts'],
        introspects: [API],
      } as const
      const w: World = await world({
        clients: [
          client,
          { ...client, id: 'attested', auth: { method: 'attest_jwt_client_auth', attesters: ['a'] } },
          { ...client, id: 'signed', auth: { method: 'private_key_jwt' }, jwksUri: 'https://rp.example.com/jwks' },
        ],
        grants: [exchange, nativeSso, jwtBearer],
        endpoints: [backchannelAuthentication, endSession],
        context: ({ runtime }) => ({
          auth: [secret, assertion, clientAttestation({ attesters: { a: { keys } } })],
          jar: requestObjects(),
          exchange: async () => ({ ok: true }),
          trustedIssuers: [{ issuer: 'https://partner.example', keys, scope: ['accounts'], subject: async () => 'user-1' }],
          ciba: { begin: async () => ({ subject: 'user-1' }) },
          logout: {
            session: async () => ({ subject: 'user-1', sid: 's1' }),
            confirm: async () => new Response('confirm'),
            ended: async () => new Response('ended'),
            error: async ({ code }) => new Response(code, { status: 400 }),
          },
          runtime: {
            ...runtime,
            fetch: async (url) => {
              fetched.push(url)
              throw new TypeError('no network')
            },
          },
        }),
      })
      const headers = { authorization: basic('portal', SECRET) }
      for (const jwt of [blob(), cut(), cut({ typ: 'JWT' })]) {
        const post = async (path: string, form: Record<string, string>, more: Record<string, string> = headers) => {
          const { status, body } = await w.post(path, form, { headers: more })
          return `${status} ${body.error ?? JSON.stringify(body.active ?? body)}`
        }
        const assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
        const tooLarge = jwt.length > 65_536
        const or = (said: string): string => (tooLarge ? '413 invalid_request' : said)
        expect(await post('/introspect', { token: jwt })).toBe(or('200 false'))
        expect(await post('/revoke', { token: jwt })).toBe(or('200 ""'))
        expect(
          await post(
            '/token',
            {
              grant_type: 'client_credentials',
              client_assertion: jwt,
              client_assertion_type: assertion_type,
              client_id: 'signed',
            },
            {},
          ),
        ).toBe(or('401 invalid_client'))
        expect(
          await post(
            '/token',
            { grant_type: 'client_credentials', client_id: 'attested' },
            { 'oauth-client-attestation': jwt, 'oauth-client-attestation-pop': jwt },
          ),
        ).toBe('401 invalid_client_attestation')
        expect(await post('/token', { grant_type: 'authorization_code', code: jwt, code_verifier: 'x'.repeat(43) })).toBe(
          or('400 invalid_grant'),
        )
        expect(await post('/token', { grant_type: BEARER, assertion: jwt })).toBe(or('400 invalid_grant'))
        expect(await post('/token', { grant_type: EXCHANGE, subject_token: jwt, subject_token_type: ACCESS_TOKEN })).toBe(
          or('400 invalid_request'),
        )
        expect(await post('/token', { grant_type: 'client_credentials' }, { ...headers, dpop: jwt })).toBe(
          '400 invalid_dpop_proof',
        )
        expect(await post('/par', { request: jwt })).toBe(or('400 invalid_request_object'))
        expect(await post('/bc-authorize', { request: jwt })).toBe(or('400 invalid_request_object'))
        expect(await post('/bc-authorize', { id_token_hint: jwt, scope: 'openid' })).toBe(or('400 invalid_request'))
        const told = await w.post('/userinfo', '', { headers: { authorization: `Bearer ${jwt}` } })
        expect([told.status, told.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('invalid_token')])
        const ended = await w.post('/logout', { id_token_hint: jwt })
        expect(ended.status).toBe(400)
        if (tooLarge) continue
        expect((await authorize(w, { ...good, id_token_hint: jwt })).headers.get('location')).toContain('error=invalid_request')
        expect((await authorize(w, { ...good, request: jwt })).headers.get('location') ?? 'error page').toMatch(
          /invalid_request_object|error page/,
        )
      }
      const { crypto, clock } = w.contexts[0]!.runtime
      const statements = clientsInStore({
        ...w.contexts[0]!,
        admit: async () => ({ scope: ['openid'] }),
        statements: [{ issuer: 'https://partner.example', keys }],
      })
      Object.assign(w.contexts[0]!, { clients: statements })
      for (const software_statement of [blob(), cut({ typ: 'JWT' })]) {
        const body = JSON.stringify({ redirect_uris: [REDIRECT], software_statement })
        const reply = await w.nodes[0]!.fetch(
          new Request(`${ISSUER}/register`, { method: 'POST', body, headers: { 'content-type': 'application/json' } }),
        )
        expect([400, 413]).toContain(reply.status)
        if (body.length < 32_768) expect(await reply.json()).toMatchObject({ error: 'invalid_software_statement' })
      }
      const verify = createVerifier({
        issuer: ISSUER,
        audience: API,
        origin: API,
        keys,
        clock,
        crypto,
        nonces: { issue: async () => '', good: async () => false, lifeMs: 1 },
        replay: { mode: 'node' },
      })
      for (const jwt of [blob(), cut({ typ: 'at+jwt' })])
        await expect(verify(new Request(API, { headers: { authorization: `Bearer ${jwt}` } }))).rejects.toMatchObject({
          code: 'token.invalid',
        })
      expect(fetched).toEqual([])
    })
  },
)
