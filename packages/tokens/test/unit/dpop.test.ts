import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { nodeNonces, sharedNonces } from '@postern/tokens/dpop'
import { places } from '@postern/tokens/places'
import { remoteKeys, ringKeys } from '@postern/tokens/remoteKeys'
import { challengeResponse, createVerifier, type Need, resourceMetadata, type VerifierOptions } from '@postern/tokens/resource'
import { describe, expect, it } from 'vitest'
import { API, type Device, ISSUER, type World, world } from '../world.js'

const TOKEN = `${ISSUER}/token`
const form = { grant_type: 'client_credentials', scope: 'accounts' }
const ask = async (w: World, device: Device, dpop: string, node = 0) => {
  const { status, body } = await w.post('/token', { ...form, client_id: device.id }, { node, headers: { dpop } })
  return status === 200 ? '200' : `${status} ${body.error}`
}

describe('proofs at the authorization server', () => {
  it('T31 one proof, 50 parallel over two nodes: one success', async () => {
    const w = await world()
    const device = await w.device()
    const dpop = await device.proof(TOKEN)
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(w, device, dpop, i % 2)))
    expect(answers.filter((answer) => answer === '200')).toHaveLength(1)
    expect(new Set(answers.filter((answer) => answer !== '200'))).toEqual(new Set(['400 invalid_dpop_proof']))
  })

  it.each([
    ['query', `${TOKEN}?a=1`],
    ['fragment', `${TOKEN}#a`],
    ['path case', TOKEN.replace('token', 'Token')],
    ['port', TOKEN.replace('.com', '.com:8443')],
    ['scheme', TOKEN.replace('https', 'http')],
    ['proxy host', TOKEN.replace('id.', 'internal.')],
    ['user', TOKEN.replace('//', '//id@')],
  ])('T32 an htu that differs in %s is refused', async (_what, url) => {
    const w = await world()
    const device = await w.device()
    expect(await ask(w, device, await device.proof(url))).toBe('400 invalid_dpop_proof')
  })

  it('T32 the same URL written otherwise is the same (RFC 3986 §6.2.2), another method is not', async () => {
    const w = await world()
    const device = await w.device()
    expect(await ask(w, device, await device.proof('HTTPS://ID.example.com:443/t1/%74oken'))).toBe('200')
    expect(await ask(w, device, await device.proof(TOKEN, { method: 'GET' }))).toBe('400 invalid_dpop_proof')
  })

  it('T33 another key, a private key in the header, another typ are refused', async () => {
    const w = await world()
    const [device, other] = [await w.device(), await w.device()]
    expect(await ask(w, device, await other.proof(TOKEN))).toBe('400 invalid_dpop_proof')
    expect(await ask(w, device, await device.proof(TOKEN, { header: { typ: 'JWT' } }))).toBe('400 invalid_dpop_proof')
    const [, payload] = (await device.proof(TOKEN)).split('.')
    const header = encodeBase64url(utf8(JSON.stringify({ alg: 'ES256', typ: 'dpop+jwt', jwk: device.jwk })))
    const signature = encodeBase64url(await device.signer.sign(utf8(`${header}.${payload}`)))
    expect(await ask(w, device, `${header}.${payload}.${signature}`)).toBe('400 invalid_dpop_proof')
    const symmetric = encodeBase64url(utf8(JSON.stringify({ alg: 'HS256', typ: 'dpop+jwt', jwk: { kty: 'oct', k: 'AAAA' } })))
    expect(await ask(w, device, `${symmetric}.${payload}.${signature}`)).toBe('400 invalid_dpop_proof')
  })

  it('T34 no nonce or a stale one: use_dpop_nonce with a fresh one; with a good one (F07) a wrong phone clock does not matter', async () => {
    const w = await world()
    const device = await w.device()
    const early = await device.proof(TOKEN)
    expect(await ask(w, device, await device.proof(TOKEN, { nonce: null }))).toBe('400 use_dpop_nonce')
    const reply = await w.post(
      '/token',
      { ...form, client_id: device.id },
      { headers: { dpop: await device.proof(TOKEN, { nonce: 'x' }) } },
    )
    expect(reply.headers.get('dpop-nonce')).toBe(await w.nonce())
    expect(await ask(w, device, await device.proof(TOKEN, { claims: { iat: 1 } }))).toBe('200')
    w.advance(180_000)
    expect(await ask(w, device, early)).toBe('400 use_dpop_nonce')
  })

  it('T34 a shared client without nonce has its iat judged', async () => {
    const w = await world()
    const spa = { ...(await w.device({ register: false })), id: 'spa' }
    const code = () => w.code('spa', { redirectUri: 'https://spa.example.com/cb' })
    const redeem = async (claims: { iat: number }) => {
      const dpop = await spa.proof(TOKEN, { nonce: null, claims })
      const more = {
        code: await code(),
        code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
        redirect_uri: 'https://spa.example.com/cb',
      }
      return (
        (await w.post('/token', { grant_type: 'authorization_code', client_id: 'spa', ...more }, { headers: { dpop } })).body
          .error ?? 'ok'
      )
    }
    const now = w.now() / 1000
    for (const [offset, expected] of [
      [0, 'ok'],
      [60, 'ok'],
      [-60, 'ok'],
      [61, 'invalid_dpop_proof'],
      [-61, 'invalid_dpop_proof'],
    ] as const)
      expect(await redeem({ iat: now + offset }), String(offset)).toBe(expected)
  })

  it.each([
    ['"60"', '60'],
    ['1e308', 1e308],
    ['a negative', -5],
    ['null', null],
  ])('H18 an iat of %s is refused', async (_what, iat) => {
    const w = await world()
    const device = await w.device()
    expect(await ask(w, device, await device.proof(TOKEN, { claims: { iat: iat as number } }))).toBe('400 invalid_dpop_proof')
  })

  it('a public shared client owes a proof', async () => {
    const w = await world()
    const code = await w.code('spa', { redirectUri: 'https://spa.example.com/cb' })
    expect((await w.post('/token', { grant_type: 'authorization_code', client_id: 'spa', code })).body.error).toBe(
      'invalid_dpop_proof',
    )
  })
})

describe('nonces', () => {
  it('are good for the current step and two before, on the other node, never for another issuer, role or process', async () => {
    const w = await world()
    const { crypto, clock, random } = w.contexts[0]!.runtime
    const make = (issuer: string, role: 'as' | 'rs') =>
      sharedNonces({ keys: w.keys, crypto, clock, tenant: 't1', issuer, role, stepMs: 20_000 })
    const [one, two, foreign, rs] = [make(ISSUER, 'as'), make(ISSUER, 'as'), make('https://b', 'as'), make(ISSUER, 'rs')]
    const nonce = await one.issue()
    expect([await two.good(nonce), await foreign.good(nonce), await rs.good(nonce)]).toEqual([true, false, false])
    expect(await nodeNonces({ random, crypto, clock }).good(await nodeNonces({ random, crypto, clock }).issue())).toBe(false)
    w.advance(40_000)
    expect(await two.good(nonce)).toBe(true)
    w.advance(20_000)
    expect(await two.good(nonce)).toBe(false)
  })
})

describe('resource server', () => {
  async function api(mode: 'node' | 'shared', more: Partial<VerifierOptions> = {}) {
    const w = await world()
    const { crypto, clock, random, store } = w.contexts[0]!.runtime
    const at = places({ keys: w.keys, crypto, tenant: 't1' })
    const make = (): VerifierOptions => ({
      issuer: ISSUER,
      audience: API,
      origin: API,
      keys: ringKeys({ keys: w.keys, crypto, clock }),
      clock,
      crypto,
      nonces:
        mode === 'node'
          ? nodeNonces({ random, crypto, clock })
          : sharedNonces({ keys: w.keys, crypto, clock, tenant: 't1', issuer: ISSUER, role: 'rs' }),
      replay: mode === 'node' ? { mode } : { mode, store, places: at, random },
      acrOrder: ['level1', 'level2', 'level3'],
      resourceMetadata: `${API}/.well-known/oauth-protected-resource`,
      ...more,
    })
    const options = make()
    const [one, two] = [createVerifier(options), createVerifier(mode === 'node' ? options : make())]
    const device = await w.device()
    const { access_token, id_token } = (await w.redeem(device, await w.code(device.id))).body
    const call = async (
      o: { token?: string; scheme?: string; proof?: string | null; need?: Need; verifier?: typeof one } = {},
    ) => {
      const { token = access_token, scheme = 'DPoP', need, verifier = one } = o
      const proof =
        o.proof === undefined
          ? await device.proof(`${API}/accounts`, { method: 'GET', nonce: await options.nonces.issue(), accessToken: token })
          : o.proof
      const headers = { authorization: `${scheme} ${token}`, ...(proof === null ? {} : { dpop: proof }) }
      return verifier(new Request(`${API}/accounts?q=1`, { headers }), need).catch(
        async (error) => (await challengeResponse(error, options, need)) ?? Promise.reject(error),
      )
    }
    const header = (reply: unknown) =>
      reply instanceof Response ? `${reply.status} ${reply.headers.get('www-authenticate')}` : 'ok'
    return { w, options, one, two, device, access_token, id_token, call, header }
  }

  it.each(['node', 'shared'] as const)('T31 with replay: %s one proof passes once, 50 parallel', async (mode) => {
    const { device, options, call, access_token, one, two } = await api(mode)
    const proof = await device.proof(`${API}/accounts`, {
      method: 'GET',
      nonce: await options.nonces.issue(),
      accessToken: access_token,
    })
    const verifiers = mode === 'shared' ? [one, two] : [one]
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => call({ proof, verifier: verifiers[i % verifiers.length]! })),
    )
    expect(answers.filter((answer) => !(answer instanceof Response))).toHaveLength(1)
  })

  it('T31 a full set refuses and forgets nothing', async () => {
    const { call } = await api('node', { replay: { mode: 'node', max: 2 } })
    await call()
    await call()
    expect(((await call()) as Response).status).toBe(503)
  })

  it('F59 T33 a proof needs the hash of this token', async () => {
    const { device, options, call, header } = await api('node')
    const nonce = await options.nonces.issue()
    for (const o of [{}, { accessToken: 'x' }]) {
      const proof = await device.proof(`${API}/accounts`, { method: 'GET', nonce, ...o })
      expect(header(await call({ proof }))).toContain('invalid_dpop_proof')
    }
  })

  it('F59 T35 a bound token as Bearer is refused, with a proof or without', async () => {
    const { call, header } = await api('node')
    expect(header(await call({ scheme: 'Bearer', proof: null }))).toMatch(/^401 .*invalid_token/)
    expect(header(await call({ scheme: 'Bearer' }))).toMatch(/^401 .*invalid_token/)
    expect(header(await call({ proof: null }))).toMatch(/^401 .*invalid_dpop_proof/)
  })

  it('T26 an ID token is no access token', async () => {
    const { call, header, id_token } = await api('node')
    expect(header(await call({ token: id_token }))).toContain('invalid_token')
  })

  it('T46 a token passes until one ms before its end, from the cache too', async () => {
    const { w, call, header } = await api('node')
    expect(header(await call())).toBe('ok')
    w.advance(299_999)
    expect(header(await call())).toBe('ok')
    w.advance(1)
    expect(header(await call())).toContain('invalid_token')
  })

  it('says what is missing: scope (RFC 6750), level and age (RFC 9470), metadata (RFC 9728), kind', async () => {
    const { w, call, header } = await api('node')
    expect(header(await call({ need: { scope: ['payments'] } }))).toMatch(
      /^403 .*insufficient_scope.*scope="payments".*resource_metadata=/,
    )
    expect(header(await call({ need: { acr: ['level3'] } }))).toMatch(
      /^401 .*insufficient_user_authentication.*acr_values="level3"/,
    )
    expect(header(await call({ need: { acr: ['level1'] } }))).toBe('ok')
    w.advance(10_001)
    expect(header(await call({ need: { maxAge: 10 } }))).toContain('max_age="10"')
    expect(header(await call({ need: { kind: ['device'] } }))).toContain('invalid_token')
    expect(resourceMetadata({ resource: API, authorizationServers: [ISSUER] })).toMatchObject({ resource: API })
  })

  it('T23 a remote key set is fetched over https alone, read to 64 KiB, and what is no key set drops no key', async () => {
    const w = await world({ nodes: 1 })
    const { crypto, clock } = w.contexts[0]!.runtime
    const set = await (await w.nodes[0]!.fetch(new Request(`${ISSUER}/jwks`))).text()
    const { kid } = JSON.parse(set).keys[0]
    let pulled = 0
    const endless = new ReadableStream<Uint8Array>({
      pull(stream) {
        if (pulled++ > 500) stream.close()
        else stream.enqueue(new Uint8Array(4096).fill(0x20))
      },
    })
    const replies: (BodyInit | null)[] = [
      set,
      '{}',
      'null',
      '{"keys":null}',
      '{"keys":[null,1,"x"]}',
      set,
      endless,
      null,
      '<html>',
    ]
    const fetch = async (_url: unknown) => new Response(replies.shift() ?? null)
    const keys = remoteKeys({ url: `${ISSUER}/jwks`, crypto, clock, fetch, maxAgeMs: 1 })
    const after = async () => {
      const refreshed = await keys.refresh().then(
        () => 'read',
        (error: { code: string }) => error.code,
      )
      w.advance(60_000)
      return [refreshed, (await keys.find(kid)) !== null]
    }
    for (const _ of replies.slice(0, 4)) expect(await after()).toEqual(['read', true])
    expect(await after()).toEqual(['read', false])
    expect(await after()).toEqual(['read', true])
    expect(await after()).toEqual(['json.too_large', true])
    expect(pulled).toBeLessThan(40)
    expect(await after()).toEqual(['json.malformed', true])
    expect(await after()).toEqual(['json.malformed', true])
    for (const url of ['http://id.example.com/jwks', 'file:///jwks', 'jwks'])
      expect(() => remoteKeys({ url, crypto, clock, fetch })).toThrow(expect.objectContaining({ code: 'tokens.config' }))
    expect(() => remoteKeys({ url: 'http://127.0.0.1:8080/jwks', crypto, clock, fetch })).not.toThrow()
  })

  it('T21 T22 T23 T24 T25 forged headers are refused by the gate, and nothing is fetched', async () => {
    let fetched = 0
    const base = await api('node')
    const { crypto, clock } = base.w.contexts[0]!.runtime
    const keys = remoteKeys({
      url: 'https://x/jwks',
      crypto,
      clock,
      fetch: async () => {
        fetched++
        return new Response('{"keys":[]}')
      },
    })
    const verify = createVerifier({ ...base.options, keys })
    const [head, payload, signature] = base.access_token.split('.') as [string, string, string]
    const header = JSON.parse(Buffer.from(head, 'base64url').toString())
    const forged = (changes: object, sig = signature) =>
      `${encodeBase64url(utf8(JSON.stringify({ ...header, ...changes })))}.${payload}.${sig}`
    const bad = [
      forged({ alg: 'none' }, ''),
      forged({ alg: 'nOnE' }, ''),
      forged({ alg: 'HS256' }),
      forged({ kid: '../../key' }),
      forged({ kid: "' OR 1=1" }),
      forged({ kid: 'a\u0000' }),
      forged({ kid: 'k'.repeat(10_000) }),
      forged({ jku: 'https://evil' }),
      forged({ x5u: 'https://evil' }),
      forged({ x5c: ['AA'] }),
      forged({ jwk: base.device.jwk }),
      forged({ crit: ['b64'], b64: false }),
      forged({ cty: 'JWT' }),
      forged({ zip: 'DEF' }),
      `${encodeBase64url(utf8(`{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"${header.kid}"}`))}.${payload}.${signature}`,
      `${head}.${payload}=.${signature}`,
      `${head}.${payload}`,
      `${head}.${payload}.${signature}.x`,
      forged({ kid: 'unknown' }),
    ]
    for (const token of bad)
      await expect(
        verify(new Request(`${API}/a`, { headers: { authorization: `DPoP ${token}` } })),
        token.slice(0, 60),
      ).rejects.toMatchObject({ code: expect.stringMatching(/^token\.(invalid|missing)$/) })
    expect(fetched).toBe(0)
  })
})
