import { publicJwk } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { assertion, secretAssertion } from '@postern/tokens/auth/assertion'
import { allowTokenEndpointAudience } from '@postern/tokens/config'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { ISSUER, type World, world } from '../world.js'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

async function setup() {
  const w = await world()
  const key = await w.device({ register: false })
  const { x, y, crv, kty } = key.jwk
  const client = {
    id: 'signed',
    kind: 'shared',
    auth: { method: 'private_key_jwt', keys: [{ x, y, crv, kty }] },
    redirectUris: [],
    grantTypes: ['client_credentials'],
    scope: ['accounts'],
  } as const
  for (const context of w.contexts) {
    const { find } = context.clients
    Object.assign(context.clients, { find: async (id: string) => (id === 'signed' ? client : find(id)) })
  }
  let serial = 0
  const assertion = (claims: object = {}, header: { typ: string; kid?: string } = { typ: 'JWT' }, signer = key.signer) => {
    const now = Math.floor(w.now() / 1000)
    return signJws(signer, header, { iss: 'signed', sub: 'signed', aud: ISSUER, exp: now + 60, jti: `j${serial++}`, ...claims })
  }
  return { w, key, assertion, ask: (client_assertion: string, node = 0) => ask(w, client_assertion, node) }
}
const ask = async (w: World, client_assertion: string, node: number) => {
  const form = { grant_type: 'client_credentials', scope: 'accounts', client_assertion, client_assertion_type: TYPE }
  const { status, body } = await w.post('/token', form, { node })
  return status === 200 ? 'ok' : `${status} ${body.error}`
}

describe('private_key_jwt', () => {
  it('T28 one assertion, 50 parallel over two nodes: one success', async () => {
    const { assertion, ask } = await setup()
    const text = await assertion()
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(text, i % 2)))
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(1)
  })

  it('T28 an end with a fraction of a second, which RFC 7519 allows, counts once like any other', async () => {
    const { w, assertion, ask } = await setup()
    for (let i = 1; i < 20; i++) {
      const text = await assertion({ exp: w.now() / 1000 + 60 - i / 7 })
      expect([await ask(text), await ask(text)]).toEqual(['ok', '401 invalid_client'])
    }
  })

  it.each([
    ['another issuer', 'https://evil.example'],
    ['the token endpoint', `${ISSUER}/token`],
    ['a trailing slash', `${ISSUER}/`],
    ['an array', [ISSUER]],
    ['nothing', null],
  ])('T27 with %s as audience it is refused', async (_what, aud) => {
    const { assertion, ask } = await setup()
    expect(await ask(await assertion({ aud }))).toBe('401 invalid_client')
  })

  it.each([
    ['T28 exp too far', { exp: 2_000_000_000 }],
    ['T46 exp now', { exp: 1_767_225_600 }],
    ['H18 exp as text', { exp: '1767225660' }],
    ['H18 exp 1e308', { exp: 1e308 }],
    ['no jti', { jti: null }],
    ['a long jti', { jti: 'x'.repeat(129) }],
    ['another sub', { sub: 'portal' }],
    ['another iss', { iss: 'portal' }],
    ['nbf ahead', { nbf: 1_767_225_700 }],
  ])('%s is refused', async (_what, claims) => {
    const { assertion, ask } = await setup()
    expect(await ask(await assertion(claims))).toBe('401 invalid_client')
  })

  it('T26 T29 another key, an unknown kid, another typ, a zero signature are refused; the right one is taken', async () => {
    const { w, assertion, ask } = await setup()
    const other = await w.device({ register: false })
    expect(await ask(await assertion({}, { typ: 'JWT' }, other.signer))).toBe('401 invalid_client')
    expect(await ask(await assertion({}, { typ: 'JWT', kid: 'x' }))).toBe('401 invalid_client')
    expect(await ask(await assertion({}, { typ: 'dpop+jwt' }))).toBe('401 invalid_client')
    const text = await assertion()
    expect(await ask(`${text.slice(0, text.lastIndexOf('.'))}.${'A'.repeat(86)}`)).toBe('401 invalid_client')
    expect(await ask(text)).toBe('ok')
  })
})

describe('the keys of a client', () => {
  const form = (w: World, client_assertion: string) =>
    w.post('/token', { grant_type: 'client_credentials', scope: 'accounts', client_assertion, client_assertion_type: TYPE })
  const KEYS = 'https://client.example.com/jwks'

  /** A client whose keys are at a URL, and the replies that it gives there. */
  async function remote(o: { waitUntil?: boolean } = {}) {
    const calls: { url: string; init: RequestInit | undefined }[] = []
    const work: Promise<unknown>[] = []
    let reply: () => Response | Promise<Response> = () => new Response(null, { status: 500 })
    const w = await world({
      nodes: 1,
      clients: [
        { id: 'c', auth: { method: 'private_key_jwt' }, jwksUri: KEYS, grantTypes: ['client_credentials'], scope: ['accounts'] },
      ],
      context: ({ runtime }) => ({
        host: o.waitUntil === false ? {} : { waitUntil: (one) => void work.push(one) },
        runtime: {
          ...runtime,
          fetch: async (url, init) => {
            calls.push({ url: String(url), init })
            return reply()
          },
        },
      }),
    })
    const keys = await Promise.all(['a', 'b'].map(() => w.device({ register: false })))
    const jwks = (...ids: readonly string[]) => {
      const set = ids.map((kid, i) => ({ ...publicJwk(keys[i]!.jwk), kid }))
      reply = () => Response.json({ keys: set })
    }
    let serial = 0
    const ask = async (by: number, kid?: string): Promise<string> => {
      const now = Math.floor(w.now() / 1000)
      const claims = { iss: 'c', sub: 'c', aud: ISSUER, exp: now + 60, jti: `k${serial++}` }
      const { status, body } = await form(
        w,
        await signJws(keys[by]!.signer, { typ: 'JWT', ...(kid !== undefined && { kid }) }, claims),
      )
      return status === 200 ? 'ok' : body.error
    }
    return {
      w,
      calls,
      jwks,
      keys: () => keys.map(({ jwk }) => publicJwk(jwk)),
      ask,
      answer: (next: typeof reply) => void (reply = next),
      settled: () => Promise.all(work),
    }
  }

  it('are fetched once from where the client publishes them, over its URL alone and without following anything', async () => {
    const { calls, jwks, ask } = await remote()
    jwks('k1')
    expect([await ask(0, 'k1'), await ask(0, 'k1'), await ask(0)]).toEqual(['ok', 'ok', 'ok'])
    expect(calls.map(({ url }) => url)).toEqual([KEYS])
    expect(calls[0]!.init).toMatchObject({ redirect: 'manual' })
    expect(calls[0]!.init!.signal).toBeInstanceOf(AbortSignal)
  })

  it('T23 an unknown kid is refused without a fetch that it waits for, and asks for one a minute', async () => {
    const { w, calls, jwks, ask, answer, settled } = await remote()
    jwks('k1')
    expect(await ask(0, 'k1')).toBe('ok')
    jwks('k1', 'k2')
    for (let i = 0; i < 20; i++) expect(await ask(1, `x${i}`)).toBe('invalid_client')
    expect(calls).toHaveLength(1)
    w.advance(60_000)
    // A reply that never comes keeps nobody waiting.
    let open: (() => void) | undefined
    answer(async () => {
      await new Promise<void>((done) => (open = done))
      return Response.json({ keys: [] })
    })
    expect(await ask(1, 'k2')).toBe('invalid_client')
    expect(await ask(0, 'k1')).toBe('ok')
    expect(calls).toHaveLength(2)
    jwks('k1', 'k2')
    open!()
    await settled()
  })

  it('a key that a client adds is known a minute after it was first asked for', async () => {
    const { w, jwks, ask, settled } = await remote()
    jwks('k1')
    expect(await ask(0, 'k1')).toBe('ok')
    jwks('k1', 'k2')
    w.advance(60_000)
    expect(await ask(1, 'k2')).toBe('invalid_client')
    await settled()
    expect(await ask(1, 'k2')).toBe('ok')
  })

  it('after ten minutes they are renewed behind an answer, after an hour before one', async () => {
    const { w, calls, jwks, ask, settled } = await remote()
    jwks('k1')
    expect(await ask(0, 'k1')).toBe('ok')
    w.advance(599_999)
    expect(await ask(0, 'k1')).toBe('ok')
    expect(calls).toHaveLength(1)
    w.advance(1)
    jwks('k2')
    expect(await ask(0, 'k1')).toBe('ok')
    await settled()
    expect(calls).toHaveLength(2)
    expect(await ask(0, 'k1')).toBe('invalid_client')
    jwks('k1')
    w.advance(3_600_000)
    expect(await ask(0, 'k1')).toBe('ok')
    jwks('k2')
    w.advance(3_600_000)
    // What the client has taken out of its set in the meantime is not accepted once more.
    expect(await ask(0, 'k1')).toBe('invalid_client')
    expect(await ask(0, 'k2')).toBe('ok')
  })

  it('a set that cannot be had leaves the old one for an hour, and then nothing', async () => {
    const { w, calls, jwks, ask, answer, settled } = await remote()
    jwks('k1')
    expect(await ask(0, 'k1')).toBe('ok')
    answer(() => Promise.reject(new Error('down')))
    for (let minute = 0; minute < 59; minute++) {
      w.advance(60_000)
      expect(await ask(0, 'k1')).toBe('ok')
      await settled()
    }
    expect(calls.length).toBeLessThan(60)
    w.advance(60_000)
    expect(await ask(0, 'k1')).toBe('invalid_client')
    const tries = calls.length
    for (let i = 0; i < 10; i++) expect(await ask(0, 'k1')).toBe('invalid_client')
    expect(calls).toHaveLength(tries)
  })

  it.each<[string, () => Response | Promise<Response>]>([
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://169.254.169.254/' } })],
    ['more than 64 KiB', () => new Response(`{"keys":[]${' '.repeat(65_536)}}`)],
    ['no JSON', () => new Response('<html>')],
    ['no set', () => Response.json([])],
    ['a failure', () => Promise.reject(new TypeError('fetch failed'))],
    ['an error status', () => new Response('{}', { status: 404 })],
  ])('T24 %s instead of a set is no key, and one fetch', async (_what, reply) => {
    const { calls, ask, answer } = await remote({ waitUntil: false })
    answer(reply)
    expect([await ask(0, 'k1'), await ask(0, 'k1')]).toEqual(['invalid_client', 'invalid_client'])
    expect(calls).toHaveLength(1)
  })

  it('T21 T23 T24 T25 forged headers are refused by the gate, and nothing that they name is fetched', async () => {
    const { w, calls, answer } = await remote()
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1' }
    answer(() => Response.json({ keys: [jwk] }))
    const write = (header: object) => {
      const claims = {
        iss: 'c',
        sub: 'c',
        aud: ISSUER,
        exp: Math.floor(w.now() / 1000) + 60,
        jti: JSON.stringify(header).slice(0, 100),
      }
      return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header }).sign(privateKey)
    }
    expect((await form(w, await write({}))).status).toBe(200)
    for (const header of [
      { jku: 'https://evil.example/jwks' },
      { x5u: 'https://evil.example/cert' },
      { x5c: ['MIIB'] },
      { jwk },
      { zip: 'DEF' },
      { cty: 'JWT' },
      { kid: '../../etc/passwd' },
      { kid: 'x'.repeat(129) },
      { typ: 'at+jwt' },
    ])
      expect((await form(w, await write(header))).body.error, JSON.stringify(header)).toBe('invalid_client')
    const [, payload] = (await write({ jti: 'none' })).split('.')
    const none = `${Buffer.from('{"alg":"none","kid":"k1"}').toString('base64url')}.${payload}.`
    expect((await form(w, none)).body.error).toBe('invalid_client')
    expect(calls.map(({ url }) => url)).toEqual([KEYS])
  })

  it('no more than 32 of them count', async () => {
    const { w, ask, answer } = await remote()
    const others = await Promise.all(Array.from({ length: 32 }, () => w.device({ register: false })))
    const set = others.map(({ jwk }, i) => ({ ...publicJwk(jwk), kid: `o${i}` }))
    answer(() => Response.json({ keys: [...set, { ...set[0], kid: 'k1' }] }))
    expect(await ask(0, 'k1')).toBe('invalid_client')
  })

  it('of two that fit, the assertion names one (OpenID Connect Core §10.1); a key for encryption, or another algorithm, is none', async () => {
    const { w, jwks, ask, answer, keys } = await remote()
    jwks('k1', 'k2')
    expect([await ask(0), await ask(0, 'k1'), await ask(1, 'k2'), await ask(1, 'k1')]).toEqual([
      'invalid_client',
      'ok',
      'ok',
      'invalid_client',
    ])
    const own = keys()[0]!
    const set = [
      { ...own, kid: 'k1' },
      { ...own, use: 'enc', kid: 'k2' },
      { ...own, alg: 'ES384', kid: 'k3' },
      { kty: 'RSA', kid: 'k4' },
      null,
      1,
    ]
    answer(() => Response.json({ keys: set }))
    w.advance(3_600_000)
    for (const [kid, said] of Object.entries({ k1: 'ok', k2: 'invalid_client', k3: 'invalid_client', k4: 'invalid_client' }))
      expect(await ask(0, kid), kid).toBe(said)
  })

  it('a key set over plain http is refused in configuration', async () => {
    const clients = [
      { id: 'c', auth: { method: 'private_key_jwt' }, jwksUri: 'http://client.example.com/jwks', scope: [] },
    ] as const
    await expect(world({ clients })).rejects.toMatchObject({ code: 'metadata.refused' })
  })
})

describe('client_secret_jwt', () => {
  const KEY = 'a secret that both sides hold, and nobody else'
  async function setup(secret: (own: JsonWebKey) => string = () => KEY) {
    const key = await generateKeyPair('ES256', { extractable: true })
    const jwk = (await exportJWK(key.publicKey)) as JsonWebKey
    const w = await world({
      clients: [
        {
          id: 'mac',
          auth: { method: 'client_secret_jwt', secret: () => secret(jwk) },
          jwks: [jwk],
          grantTypes: ['client_credentials'],
          scope: ['accounts'],
        },
        {
          id: 'signed',
          auth: { method: 'private_key_jwt' },
          jwks: [jwk],
          grantTypes: ['client_credentials'],
          scope: ['accounts'],
        },
      ],
      context: () => ({ auth: [assertion, secretAssertion] }),
    })
    let serial = 0
    const write = (claims: object = {}, by: string | Uint8Array = KEY, header: object = {}) => {
      const now = Math.floor(w.now() / 1000)
      return new SignJWT({ iss: 'mac', sub: 'mac', aud: ISSUER, exp: now + 60, jti: `m${serial++}`, ...claims })
        .setProtectedHeader({ alg: 'HS256', ...header })
        .sign(typeof by === 'string' ? new TextEncoder().encode(by) : by)
    }
    return { w, write, jwk, key, ask: (text: string, node = 0) => ask(w, text, node) }
  }

  it('T28 one assertion, 50 parallel over two nodes: one success', async () => {
    const { write, ask } = await setup()
    const text = await write()
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(text, i % 2)))
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(1)
  })

  it.each<[string, object]>([
    ['T27 another audience', { aud: `${ISSUER}/token` }],
    ['T28 exp too far', { exp: 2_000_000_000 }],
    ['T46 exp now', { exp: 1_767_225_600 }],
    ['another sub', { sub: 'signed' }],
  ])('%s is refused', async (_what, claims) => {
    const { write, ask } = await setup()
    expect(await ask(await write(claims))).toBe('401 invalid_client')
  })

  it('T21 T22 another secret, another MAC, no MAC, and the public key as secret are refused', async () => {
    const { write, ask, jwk, key, w } = await setup()
    expect(await ask(await write({}, 'another secret, thirty-two characters'))).toBe('401 invalid_client')
    expect(await ask(await write({}, KEY, { alg: 'HS512' }))).toBe('401 invalid_client')
    const none = (await write()).split('.')
    expect(await ask(`${Buffer.from('{"alg":"none"}').toString('base64url')}.${none[1]}.`)).toBe('401 invalid_client')
    const pem = await exportSPKI(key.publicKey)
    const der = Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64')
    for (const by of [pem, JSON.stringify(jwk), jwk.x!, new Uint8Array(der)]) {
      expect(await ask(await write({ iss: 'signed', sub: 'signed' }, by))).toBe('401 invalid_client')
      expect(await ask(await write({}, by))).toBe('401 invalid_client')
    }
    // Each method is its own client's alone.
    const claims = { iss: 'mac', sub: 'mac', aud: ISSUER, exp: Math.floor(w.now() / 1000) + 60, jti: 'x' }
    expect(await ask(await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(key.privateKey))).toBe(
      '401 invalid_client',
    )
  })

  it.each<[string, (jwk: JsonWebKey) => string]>([
    ['short', () => 'thirty-one characters and a bit'.slice(0, 31)],
    ['the client’s own public key as JWK', (jwk) => JSON.stringify(jwk)],
    ['a coordinate of it', (jwk) => jwk.x!],
    ['a public key as PEM', () => '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE'],
    ['a public key in base64', () => 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9'],
  ])('T22 a secret that is %s is none', async (_what, secret) => {
    const { write, ask, jwk } = await setup(secret)
    expect(await ask(await write({}, secret(jwk)))).toBe('401 invalid_client')
  })

  it('is announced with its algorithm where it is passed in, and unread where it is not', async () => {
    const { w, write } = await setup()
    const get = async (one: World) =>
      (await one.nodes[0]!.fetch(new Request(`${ISSUER}/.well-known/oauth-authorization-server`))).json()
    expect(await get(w)).toMatchObject({
      token_endpoint_auth_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519', 'HS256'],
    })
    const plain = await world()
    expect(JSON.stringify(await get(plain))).not.toContain('HS256')
    expect(await ask(plain, await write(), 0)).toBe('401 invalid_client')
  })
})

it('T27 the token endpoint as audience is taken where the host says so, and nothing else beside it', async () => {
  const { w, assertion: write } = await setup()
  const aud = `${ISSUER}/token`
  expect(await ask(w, await write({ aud }), 0)).toBe('401 invalid_client')
  for (const context of w.contexts) Object.assign(context, { config: { ...context.config, [allowTokenEndpointAudience]: true } })
  expect(await ask(w, await write({ aud }), 0)).toBe('ok')
  for (const other of [`${ISSUER}/par`, [aud], `${aud}/`])
    expect(await ask(w, await write({ aud: other }), 0)).toBe('401 invalid_client')
})
