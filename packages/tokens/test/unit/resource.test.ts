import { createHash } from 'node:crypto'
import type { JsonObject } from '@postern/core/json'
import { signJws } from '@postern/core/jws'
import { nodeNonces } from '@postern/tokens/dpop'
import { ringKeys } from '@postern/tokens/remoteKeys'
import {
  challengeResponse,
  createVerifier,
  introspecting,
  type Need,
  resourceMetadata,
  type Verdict,
  type VerifierOptions,
} from '@postern/tokens/resource'
import { describe, expect, it } from 'vitest'
import { API, basic, changed, ISSUER, REDIRECT, SECRET, VERIFIER, type World, type WorldOptions, world } from '../world.js'

const portal = { authorization: basic('portal', SECRET) }

function optionsOf(w: World, more: Partial<VerifierOptions> = {}): VerifierOptions {
  const { crypto, clock, random } = w.contexts[0]!.runtime
  return {
    issuer: ISSUER,
    audience: API,
    origin: API,
    keys: ringKeys({ keys: w.keys, crypto, clock }),
    clock,
    crypto,
    nonces: nodeNonces({ random, crypto, clock }),
    replay: { mode: 'node' },
    acrOrder: ['level1', 'level2', 'level3'],
    ...more,
  }
}
const call = (verify: ReturnType<typeof createVerifier>, token: string, need?: Need, scheme = 'Bearer') =>
  verify(new Request(`${API}/accounts`, { headers: { authorization: `${scheme} ${token}` } }), need)
const why = (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: { code: string; reason?: string }) => error.reason ?? error.code,
  )

async function login(w: World) {
  const code = await w.code('portal', { redirectUri: REDIRECT })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
  return (await w.post('/token', form, { headers: portal })).body.access_token as string
}

/** A token as the issuer's key would sign it. */
async function minted(w: World, claims: JsonObject, typ = 'at+jwt') {
  const { signer, kid } = w.keys.signing.active(w.now())
  const now = Math.floor(w.now() / 1000)
  const good = {
    iss: ISSUER,
    aud: API,
    sub: 'user-1',
    client_id: 'portal',
    kind: 'user',
    iat: now,
    exp: now + 300,
    jti: 'j',
    scope: 'accounts',
  }
  return signJws(signer, { typ, kid }, { ...good, ...claims })
}

describe('an access token at a resource server', () => {
  it.each([
    ['of another issuer', { iss: `${ISSUER}/` }, 'token.issuer'],
    ['T27 of an issuer array', { iss: [ISSUER] }, 'token.issuer'],
    ['for another audience', { aud: `${API}/` }, 'token.audience'],
    ['T27 for an audience array', { aud: [API] }, 'token.audience'],
    ['without an end', { exp: null }, 'token.claim exp'],
    ['with an end in words', { exp: '4000000000' }, 'token.claim exp'],
    ['without a kind', { kind: null }, 'token.kind'],
    ['of another kind', { kind: 'device' }, 'token.kind'],
    ['bound in a way that nobody here can check', { cnf: { jku: 'x' } }, 'token.cnf'],
    ['without a subject', { sub: '' }, 'token.claim sub'],
  ])('%s is refused', async (_what, claims, reason) => {
    const w = await world()
    const verify = createVerifier(optionsOf(w))
    expect(await why(call(verify, await minted(w, claims as JsonObject)))).toBe(reason)
    expect(await why(call(verify, await minted(w, {})))).toBe('ok')
  })

  it('T26 of another use is refused: an ID token, a logout token, an introspection response', async () => {
    const w = await world()
    const verify = createVerifier(optionsOf(w))
    for (const typ of ['JWT', 'logout+jwt', 'token-introspection+jwt', 'dpop+jwt', 'AT+JWT'])
      expect(await why(call(verify, await minted(w, {}, typ)))).toBe('token.typ')
    expect(await why(call(verify, await minted(w, {}, 'application/at+jwt')))).toBe('ok')
  })

  it.each([
    [-1, 'token.early', 'ok'],
    [0, 'ok', 'ok'],
    [299, 'ok', 'ok'],
    [300, 'token.expired', 'token.expired'],
    [301, 'token.expired', 'token.expired'],
  ])('T46 %i s after its nbf', async (seconds, fresh, plain) => {
    const w = await world()
    const now = Math.floor(w.now() / 1000)
    const [dated, undated] = [await minted(w, { nbf: now + 10, exp: now + 310 }), await minted(w, { exp: now + 310 })]
    w.advance((10 + seconds) * 1000)
    expect(await why(call(createVerifier(optionsOf(w)), dated))).toBe(fresh)
    expect(await why(call(createVerifier(optionsOf(w)), undated))).toBe(plain)
  })

  it('T46 a clock that steps back ten minutes makes nothing valid again, cached or not', async () => {
    const w = await world()
    let back = 0
    const verify = createVerifier(optionsOf(w, { clock: () => w.now() - back }))
    const [seen, unseen] = [await minted(w, {}), await minted(w, { jti: 'k' })]
    expect(await why(call(verify, seen))).toBe('ok')
    w.advance(300_000)
    expect(await why(call(verify, seen))).toBe('token.expired')
    back = 600_000
    expect(await why(call(verify, seen))).toBe('token.expired')
    expect(await why(call(verify, unseen))).toBe('token.expired')
  })

  it('a verdict is cached by the whole token, and the cache is bounded', async () => {
    const w = await world()
    let verified = 0
    const { crypto } = w.contexts[0]!.runtime
    const counting: typeof crypto = {
      ...crypto,
      verify: (...o) => {
        verified++
        return crypto.verify(...o)
      },
    }
    const verify = createVerifier(optionsOf(w, { crypto: counting, cache: 2 }))
    const tokens = await Promise.all(['a', 'b', 'c'].map((jti) => minted(w, { jti })))
    for (const token of [tokens[0]!, tokens[0]!, tokens[1]!, tokens[0]!]) await call(verify, token)
    expect(verified).toBe(2)
    await call(verify, tokens[2]!) // takes the place of the one unused longest
    await call(verify, tokens[0]!)
    expect(verified).toBe(3)
    await call(verify, tokens[1]!)
    expect(verified).toBe(4)
    const altered = changed(tokens[0]!)
    expect(await why(call(verify, altered))).not.toBe('ok')
  })
})

describe('certificate-bound tokens (RFC 8705 §3)', () => {
  const certificate = new Uint8Array([48, 3, 1, 2, 3])
  const x5t = createHash('sha256').update(certificate).digest('base64url')

  it('pass with the certificate of the connection alone, whatever a header says', async () => {
    const w = await world()
    const verify = createVerifier(optionsOf(w))
    const token = await minted(w, { cnf: { 'x5t#S256': x5t } })
    expect(await why(call(verify, token, { certificate }))).toBe('ok')
    for (const need of [{}, { certificate: new Uint8Array([48, 3, 1, 2, 4]) }])
      expect(await why(call(verify, token, need))).toBe('token.certificate')
    const headers = {
      authorization: `Bearer ${token}`,
      'x-client-cert': Buffer.from(certificate).toString('base64'),
      'client-cert': ':MAMBAgM=:',
    }
    expect(await why(verify(new Request(`${API}/accounts`, { headers })))).toBe('token.certificate')
  })

  it('T35 a token bound to key and certificate needs both', async () => {
    const w = await world()
    const options = optionsOf(w)
    const verify = createVerifier(options)
    const device = await w.device()
    const token = await minted(w, { cnf: { jkt: device.jkt, 'x5t#S256': x5t } })
    const ask = async (need?: Need, proved = true) => {
      const dpop = await device.proof(`${API}/accounts`, {
        method: 'GET',
        nonce: await options.nonces.issue(),
        accessToken: token,
      })
      const headers = { authorization: `DPoP ${token}`, ...(proved && { dpop }) }
      return why(verify(new Request(`${API}/accounts`, { headers }), need))
    }
    expect([await ask({ certificate }), await ask(), await ask({ certificate }, false)]).toEqual([
      'ok',
      'token.certificate',
      'dpop.missing',
    ])
  })
})

describe('a feed of revocations', () => {
  it('refuses what was revoked before it ends, cached verdicts too, and shows how late it may be', async () => {
    const w = await world()
    const ended = new Map<string, number>()
    const revocations = {
      revoked: ({ subject, claims }: Verdict) => (claims.iat as number) * 1000 <= (ended.get(subject) ?? -1),
      lagMs: () => 250,
    }
    const verify = createVerifier(optionsOf(w, { revocations }))
    const token = await login(w)
    expect((await call(verify, token)).revocationLagMs).toBe(250)
    ended.set('user-1', w.now())
    expect(await why(call(verify, token))).toBe('token.revoked')
    w.advance(1000)
    expect(await why(call(verify, await login(w)))).toBe('ok')
    expect((await call(createVerifier(optionsOf(w)), token)).revocationLagMs).toBeNull()
  })
})

describe('opaque tokens at a resource server', () => {
  const active = { active: true, aud: API, sub: 'user-1', client_id: 'portal', kind: 'user', exp: 4_000_000_000 }

  async function asking(believeMs = 0, o: WorldOptions = {}) {
    const w = await world({ config: { resources: { [API]: { format: 'opaque' } } }, ...o })
    let asked = 0
    const reply = { with: null as Response | null }
    const introspect = introspecting({
      url: `${ISSUER}/introspect`,
      credentials: { clientId: 'portal', clientSecret: SECRET },
      believeMs,
      fetch: async (url, init) => {
        asked++
        return reply.with ?? w.nodes[0]!.fetch(new Request(url as string, init))
      },
    })
    const options = optionsOf(w, { introspect })
    return { w, options, verify: createVerifier(options), asked: () => asked, reply }
  }

  it('are asked about, each time, and a revoked one is refused at once', async () => {
    const { w, verify, asked } = await asking()
    const token = await login(w)
    const verified = await call(verify, token)
    expect(verified).toMatchObject({
      subject: 'user-1',
      clientId: 'portal',
      kind: 'user',
      acr: 'level2',
      scope: ['openid', 'accounts'],
    })
    await call(verify, token)
    expect(asked()).toBe(2)
    await w.post('/revoke', { token }, { headers: portal })
    expect(await why(call(verify, token))).toBe('token.inactive')
  })

  it('may be believed for seconds, never longer than they live, and never that they are inactive', async () => {
    const { w, verify, asked } = await asking(2_000)
    const token = await login(w)
    await call(verify, token)
    w.advance(1_999)
    await call(verify, token)
    expect(asked()).toBe(1)
    w.advance(1)
    await call(verify, token)
    expect(asked()).toBe(2)
    for (let i = 0; i < 2; i++) expect(await why(call(verify, 'pa_x'))).toBe('token.inactive')
    expect(asked()).toBe(4)
    w.advance(300_000 - 2_001)
    await call(verify, token)
    w.advance(1_000)
    expect(await why(call(verify, token))).toBe('token.inactive')
  })

  it('a JWT is never asked about', async () => {
    const { w, verify, asked } = await asking()
    await call(verify, await minted(w, {}))
    expect(await why(call(verify, `${await minted(w, {})}x`))).not.toBe('ok')
    expect(asked()).toBe(0)
  })

  it.each([
    ['another audience', { active: true, aud: 'https://other.example' }, 'token.audience'],
    ['no audience', { active: true }, 'token.audience'],
    ['another issuer', { active: true, aud: API, iss: 'https://evil.example' }, 'token.issuer'],
    ['no end', { active: true, aud: API }, 'token.claim exp'],
    ['an end that is over', { active: true, aud: API, exp: 1 }, 'token.expired'],
    ['an active that is no true', { active: 'true', aud: API }, 'token.inactive'],
  ])('an answer of %s is refused', async (_what, members, reason) => {
    const { verify, reply } = await asking()
    reply.with = Response.json(members)
    expect(await why(call(verify, 'opaque'))).toBe(reason)
  })

  it.each([
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://evil.example' } })],
    ['an error that looks like one', () => Response.json(active, { status: 500 })],
    ['another success', () => Response.json(active, { status: 203 })],
    ['no JSON', () => new Response('active')],
    ['a duplicate member', () => new Response('{"active":true,"active":true}')],
    ['too much', () => new Response(`{"active":true,"x":"${'y'.repeat(70_000)}"}`)],
    ['nothing of the kind', () => new Response('{"ok":true}')],
  ])('%s instead of an answer is a 503 that may be tried again', async (_what, make) => {
    const { verify, reply, options } = await asking()
    reply.with = make()
    const error = await call(verify, 'opaque').catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'token.unavailable', status: 503, retryable: true })
    const answer = (await challengeResponse(error, options))!
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
  })

  it('T24 its endpoint is configured: https, and believed for five seconds at most', () => {
    const o = { credentials: { clientId: 'a', clientSecret: 'b' }, fetch: () => Promise.reject(new Error('never')) }
    for (const bad of [
      { url: 'http://id.example.com/introspect' },
      { url: 'x' },
      { url: `${ISSUER}/introspect`, believeMs: 5_001 },
    ])
      expect(() => introspecting({ ...o, ...bad })).toThrowError(expect.objectContaining({ code: 'tokens.config' }))
  })

  it('without an introspection endpoint they are refused', async () => {
    const { w } = await asking()
    expect(await why(call(createVerifier(optionsOf(w)), await login(w)))).toBe('token.parts')
  })
})

describe('challenges and metadata', () => {
  it('F19 RFC 9470 a step-up says level and age for both schemes, RFC 9728 where the metadata is', async () => {
    const w = await world()
    const options = optionsOf(w, { resourceMetadata: `${API}/.well-known/oauth-protected-resource` })
    const need = { acr: ['level3'], maxAge: 60 }
    const error = await call(createVerifier(options), await minted(w, { acr: 'level1' }), need).catch((cause: unknown) => cause)
    const header = (await challengeResponse(error, options, need))!.headers.get('www-authenticate')!
    const rest = `acr_values="level3", max_age="60", resource_metadata="${API}/.well-known/oauth-protected-resource"`
    expect(header).toBe(
      `DPoP error="insufficient_user_authentication", algs="ES256 EdDSA Ed25519", ${rest}, Bearer error="insufficient_user_authentication", ${rest}`,
    )
  })

  it('RFC 9728 metadata says what the resource takes', () => {
    expect(
      resourceMetadata({
        resource: API,
        authorizationServers: [ISSUER],
        scopes: ['accounts'],
        name: 'Accounts',
        dpopRequired: false,
        algs: ['ES256'],
        detailTypes: ['payment'],
        certificateBound: true,
      }),
    ).toEqual({
      resource: API,
      authorization_servers: [ISSUER],
      scopes_supported: ['accounts'],
      resource_name: 'Accounts',
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: ['ES256'],
      dpop_bound_access_tokens_required: false,
      authorization_details_types_supported: ['payment'],
      tls_client_certificate_bound_access_tokens: true,
    })
  })
})
