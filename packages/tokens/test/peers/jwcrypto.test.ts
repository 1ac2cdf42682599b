import { encodeBase64url } from '@postern/core/base64url'
import { createCrypto } from '@postern/core/crypto/node'
import type { SignAlg } from '@postern/core/cryptoPort'
import type { JsonObject } from '@postern/core/json'
import { thumbprint } from '@postern/core/jwk'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { requestObjects } from '@postern/tokens/jar'
import { signedResponses } from '@postern/tokens/jarm'
import { DEFAULT_ALGS } from '@postern/tokens/jose'
import { type JweAlg, type JweEnc, jwe } from '@postern/tokens/jwe'
import { logOut } from '@postern/tokens/logout'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authorize, finish, good, granted, queryOf } from '../authorization.js'
import { callbackOf, type LoggingOut, loggingOut } from '../loggingOut.js'
import { type Answer, API, ISSUER, REDIRECT, VERIFIER } from '../world.js'
import { type Jwcrypto, jwcrypto, noJwcrypto } from './jwcrypto.js'

const crypto = createCrypto()
const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ALGS: readonly SignAlg[] = [...DEFAULT_ALGS, 'ES384', 'PS256', 'RS256']
type Pair = Awaited<ReturnType<Jwcrypto['key']>>

describe.skipIf(noJwcrypto())('python3-jwcrypto', () => {
  let python: Jwcrypto
  beforeAll(() => {
    python = jwcrypto()
  })
  afterAll(() => python.stop())

  /** An issuer that signs with a key that Python made, and a portal that is Python. */
  async function issuer(alg: SignAlg, o: { encrypted?: { to: Pair; as: { alg: JweAlg; enc: JweEnc } }; opens?: Pair } = {}) {
    const [own, client, proving] = await Promise.all([python.key(alg, 'own'), python.key(alg, 'c1'), python.key('ES256', 'p1')])
    const { encrypted, opens } = o
    const w = await loggingOut({
      start: Date.now(),
      config: { algs: ALGS },
      clients: [
        {
          id: 'portal',
          auth: { method: 'private_key_jwt' },
          jwks: [client.public, ...(encrypted === undefined ? [] : [{ ...encrypted.to.public, use: 'enc' }])],
          redirectUris: [REDIRECT],
          scope: ['openid', 'accounts'],
          introspects: [API],
          dpopBound: true,
          backchannelLogoutUri: callbackOf('portal'),
          ...(encrypted && {
            encryption: { response: encrypted.as, idToken: encrypted.as, introspection: encrypted.as },
          }),
        },
      ],
      context: () => ({ jar: requestObjects(), jarm: signedResponses(), jwe: jwe(opens && { keys: [opens.private] }) }),
    })
    const remote = await crypto.signer(alg, own.private)
    const ports = { clock: w.now, random: w.contexts[0]!.runtime.random, crypto }
    const ring = await createKeyRingDocument({ ...ports, remote })
    Object.assign(w.contexts[0]!, {
      keys: await openKeyRing(ring, crypto, { remote: new Map([[await thumbprint(crypto, own.public), remote]]) }),
    })
    const { keys } = (await (await w.browse('/jwks')).json()) as { keys: JsonWebKey[] }
    return { w, alg, client, proving, keys, reads: reader(alg, keys) }
  }
  type Issuer = Awaited<ReturnType<typeof issuer>>

  /** Verified against the published keys, nothing else: its type, and the claims that must be there. */
  const reader = (alg: string, keys: readonly JsonWebKey[]) => async (token: string, typ: string, claims: JsonObject) => {
    const read = await python.verify(token, keys, alg, { iss: ISSUER, ...claims })
    expect([read.header.alg, read.header.typ]).toEqual([alg, typ])
    return read.claims
  }

  let serial = 0
  const seconds = (w: LoggingOut): number => Math.floor(w.now() / 1000)
  async function ask({ w, alg, client, proving }: Issuer, path: string, form: Record<string, string>, accept = '*/*') {
    const url = `${ISSUER}${path}`
    const send = async (nonce?: string): Promise<Answer> => {
      const iat = seconds(w)
      const about = { iss: 'portal', sub: 'portal', aud: ISSUER, exp: iat + 60, jti: `a${serial++}` }
      const client_assertion = await python.sign(client.private, { alg, kid: 'c1', typ: 'JWT' }, about)
      const header = { alg: 'ES256', typ: 'dpop+jwt', jwk: bare(proving.public) }
      const claims = { htm: 'POST', htu: url, iat, jti: `p${serial++}`, ...(nonce !== undefined && { nonce }) }
      const dpop = await python.sign(proving.private, header, claims)
      return w.post(path, { ...form, client_assertion, client_assertion_type: TYPE }, { headers: { dpop, accept } })
    }
    const first = await send()
    return first.body.error === 'use_dpop_nonce' ? send(first.headers.get('dpop-nonce')!) : first
  }
  const bare = ({ kty, crv, x, y }: JsonWebKey): JsonObject => ({ kty: kty!, crv: crv!, x: x!, y: y! })

  const requestOf = ({ w, alg, client }: Issuer, more: JsonObject = {}) => {
    const claims = { ...good, iss: 'portal', aud: ISSUER, exp: seconds(w) + 60, response_mode: 'jwt', ...more }
    return python.sign(client.private, { alg, kid: 'c1', typ: 'oauth-authz-req+jwt' }, claims)
  }
  /** From a request object by PAR to the encrypted or plain response. */
  async function answered(at: Issuer, request: string): Promise<string> {
    const pushed = await ask(at, '/par', { request })
    expect(pushed.status, JSON.stringify(pushed.body)).toBe(201)
    const page = await authorize(at.w, { client_id: 'portal', request_uri: pushed.body.request_uri })
    const login = { subject: 'user-1', authTime: at.w.now(), acr: 'level2', amr: ['pin'], sid: 'session1' }
    return queryOf(await finish(at.w, page, granted(at.w, { login }))).get('response')!
  }
  const redeem = (at: Issuer, code: unknown) =>
    ask(at, '/token', {
      grant_type: 'authorization_code',
      code: String(code),
      code_verifier: VERIFIER,
      redirect_uri: REDIRECT,
    })

  it.each(['ES256', 'EdDSA', 'ES384', 'PS256', 'RS256'] as const)(
    '%s: we read its assertion, request object and proof; it reads our response, ID token, access token, introspection and logout token',
    async (alg) => {
      const at = await issuer(alg)
      const { w, reads, proving } = at
      const { code, state } = await reads(await answered(at, await requestOf(at)), 'JWT', { aud: 'portal', exp: null })
      expect(state).toBe('s1')
      const tokens = await redeem(at, code)
      expect([tokens.status, tokens.body.token_type]).toEqual([200, 'DPoP'])
      const about = { exp: null, iat: null, sub: 'user-1' }
      expect(await reads(tokens.body.id_token, 'JWT', { aud: 'portal', ...about })).toMatchObject({
        acr: 'level2',
        sid: 'session1',
      })
      const access = await reads(tokens.body.access_token, 'at+jwt', { aud: API, client_id: 'portal', ...about })
      expect(access.cnf).toEqual({ jkt: await python.thumbprint(proving.public) })
      const told = await ask(at, '/introspect', { token: tokens.body.access_token }, 'application/token-introspection+jwt')
      const signed = await reads(told.body, 'token-introspection+jwt', { aud: 'portal', iat: null })
      expect(signed.token_introspection).toMatchObject({ active: true, sub: 'user-1', jti: access.jti! })
      await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[0]!)
      await w.nodes[0]!.sweep(w.contexts[0]!)
      expect(w.posted.map(({ url }) => url)).toEqual([callbackOf('portal')])
      const ended = await reads(w.posted[0]!.token, 'logout+jwt', {
        aud: 'portal',
        sid: 'session1',
        jti: null,
        ...about,
      })
      expect(ended.events).toEqual({ 'http://schemas.openid.net/event/backchannel-logout': {} })
      // What is changed it does not read, nor do we.
      const [head, body, signature] = (tokens.body.id_token as string).split('.') as [string, string, string]
      const other = encodeBase64url(Buffer.from(JSON.stringify({ iss: ISSUER, sub: 'user-2' })))
      await expect(reads([head, other, signature].join('.'), 'JWT', {})).rejects.toThrow(/JWS|signature/i)
      const forged = await ask(at, '/par', { request: (await requestOf(at)).replace(/\.[^.]+\./, `.${body}.`) })
      expect(forged.body.error).toBe('invalid_request_object')
    },
  )

  it.each([
    ['ECDH-ES', 'ECDH-ES', 'A256GCM'],
    ['ECDH-ES+A256KW', 'X25519', 'A128GCM'],
    ['RSA-OAEP-256', 'RSA-OAEP-256', 'A256GCM'],
  ] as const)('%s, %s, %s: we open what it encrypts, and it opens what we do', async (alg, kind, enc) => {
    const [opens, to] = [await python.key(kind, 'e1'), await python.key(kind, 'e2')]
    const at = await issuer('ES256', { opens, encrypted: { to, as: { alg, enc } } })
    const published = at.keys.find(({ use }) => use === 'enc')!
    expect([await python.thumbprint(published), 'd' in published]).toEqual([await python.thumbprint(opens.public), false])
    const request = await python.encrypt(published, { alg, enc, kid: 'e1', cty: 'JWT' }, await requestOf(at))
    const read = async (text: string, typ: string) => at.reads(await python.decrypt(to.private, text), typ, { aud: 'portal' })
    const { code, state } = await read(await answered(at, request), 'JWT')
    expect(state).toBe('s1')
    const { body } = await redeem(at, code)
    expect(await read(body.id_token, 'JWT')).toMatchObject({ sub: 'user-1' })
    const told = await ask(at, '/introspect', { token: body.access_token })
    expect((await read(told.body, 'token-introspection+jwt')).token_introspection).toMatchObject({ active: true })
    await expect(python.decrypt(opens.private, body.id_token)).rejects.toThrow(/InvalidJWE/)
  })
})
