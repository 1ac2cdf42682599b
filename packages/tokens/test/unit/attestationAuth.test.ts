import { attestationChallenge, clientAttestation } from '@postern/tokens/auth/attestation'
import { issueCode } from '@postern/tokens/challenge'
import { exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Answer, API, CHALLENGE, type Device, ISSUER, REDIRECT, VERIFIER, type World, world } from '../world.js'

type Key = Awaited<ReturnType<typeof generateKeyPair>>

/** Every word of these is written by jose, none by the package under test. */
let attester: Key
let other: Key
let instance: Key
let thief: Key
beforeAll(async () => {
  ;[attester, other, instance, thief] = (await Promise.all(
    [1, 2, 3, 4].map(() => generateKeyPair('ES256', { extractable: true })),
  )) as [Key, Key, Key, Key]
})

async function setup(o: { maxAgeSec?: number } = {}) {
  const keyOf = async (w: World, { publicKey }: Key) => {
    const { crypto } = w.contexts[0]!.runtime
    return crypto.verifyKey('ES256', (await exportJWK(publicKey)) as JsonWebKey)
  }
  let w: World | null = null
  const found = (kid: string, key: Key) => ({ find: async (named: string) => (named === kid ? keyOf(w!, key) : null) })
  const auth = [
    clientAttestation({ attesters: { backend: { keys: found('a1', attester), ...o }, rival: { keys: found('r1', other) } } }),
  ]
  const base = {
    redirectUris: [REDIRECT],
    scope: ['openid', 'accounts'],
    grantTypes: ['client_credentials', 'authorization_code', 'refresh_token'],
  }
  w = await world({
    clients: [
      { id: 'app', auth: { method: 'attest_jwt_client_auth', attesters: ['backend'] }, ...base },
      { id: 'combined', auth: { method: 'attest_jwt_client_auth_dpop', attesters: ['backend', 'gone'] }, ...base },
    ],
    endpoints: [attestationChallenge],
    context: () => ({ auth }),
  })
  return w
}

const seconds = (w: World): number => Math.floor(w.now() / 1000)
const sign = (key: Key, header: JWTHeaderParameters, claims: JWTPayload) =>
  new SignJWT(claims).setProtectedHeader(header).sign(key.privateKey)
async function attest(
  w: World,
  claims: JWTPayload = {},
  header: Partial<JWTHeaderParameters> = {},
  by = attester,
  key = instance,
) {
  const jwk = await exportJWK(key.publicKey)
  return sign(
    by,
    { alg: 'ES256', typ: 'oauth-client-attestation+jwt', kid: 'a1', ...header },
    {
      sub: 'app',
      iat: seconds(w),
      exp: seconds(w) + 3600,
      cnf: { jwk },
      ...claims,
    },
  )
}
let serial = 0
async function pop(w: World, claims: JWTPayload = {}, header: Partial<JWTHeaderParameters> = {}, by = instance) {
  return sign(
    by,
    { alg: 'ES256', typ: 'oauth-client-attestation-pop+jwt', ...header },
    {
      aud: ISSUER,
      jti: `p${serial++}`,
      iat: seconds(w),
      challenge: await challenge(w),
      ...claims,
    },
  )
}
async function challenge(w: World, node = 0): Promise<string> {
  const reply = await w.nodes[node]!.fetch(new Request(`${ISSUER}/attestation-challenge`, { method: 'POST' }))
  expect([reply.status, reply.headers.get('cache-control')]).toEqual([200, 'no-store'])
  return ((await reply.json()) as { attestation_challenge: string }).attestation_challenge
}
const CREDENTIALS = { grant_type: 'client_credentials', scope: 'accounts' }
const ask = (w: World, attestation: string, proof: string | null, form: Record<string, string> = CREDENTIALS, node = 0) =>
  w.post('/token', form, {
    node,
    headers: { 'oauth-client-attestation': attestation, ...(proof !== null && { 'oauth-client-attestation-pop': proof }) },
  })
const said = ({ status, body }: Answer): string => (status === 200 ? 'ok' : `${status} ${body.error}`)
const NO = '401 invalid_client_attestation'

describe('attest_jwt_client_auth', () => {
  it('an instance that its attester vouches for is let in, with a challenge from either node', async () => {
    const w = await setup()
    expect(said(await ask(w, await attest(w), await pop(w)))).toBe('ok')
    expect(
      said(
        await ask(w, await attest(w), await pop(w, { challenge: await challenge(w, 1) }), { ...CREDENTIALS, client_id: 'app' }),
      ),
    ).toBe('ok')
  })

  it('T28 one proof, 50 parallel over two nodes: one success', async () => {
    const w = await setup()
    const [attestation, proof] = [await attest(w), await pop(w)]
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(w, attestation, proof, CREDENTIALS, i % 2)))
    expect(answers.map(said).filter((one) => one === 'ok')).toHaveLength(1)
    expect(new Set(answers.map(said))).toEqual(new Set(['ok', NO]))
  })

  it('T34 without a challenge, or with a stale or foreign one, it is told a fresh one, and its clock does not matter', async () => {
    const w = await setup()
    const old = await challenge(w)
    const missing = await ask(w, await attest(w), await pop(w, { challenge: undefined as never }))
    expect([missing.status, missing.body.error]).toEqual([400, 'use_attestation_challenge'])
    // An honest client's first call is no event.
    expect(w.events).toEqual([])
    w.advance(180_000)
    // A DPoP nonce is no challenge, though both come from here.
    for (const stale of [old, await w.nonce(), 'x', ''])
      expect((await ask(w, await attest(w), await pop(w, { challenge: stale }))).body.error).toBe('use_attestation_challenge')
    const fresh = missing.headers.get('oauth-client-attestation-challenge')
    expect(fresh).toMatch(/^[\w-]{38}$/)
    const now = (await ask(w, await attest(w), null)).headers.get('oauth-client-attestation-challenge')!
    expect(said(await ask(w, await attest(w), await pop(w, { challenge: now, iat: 0 })))).toBe('ok')
  })

  it.each<[string, JWTPayload, string]>([
    ['another client', { sub: 'portal' }, NO],
    ['no subject', { sub: undefined as never }, NO],
    ['no key', { cnf: {} }, NO],
    ['no confirmation', { cnf: undefined as never }, NO],
    ['no end', { exp: undefined as never }, NO],
    ['H18 an end as text', { exp: '99999999999' as never }, NO],
    ['T46 an end that is now', { exp: 1_767_225_600 }, '400 use_fresh_attestation'],
    ['a later beginning', { nbf: 1_767_226_000 }, NO],
    ['an issue to come', { iat: 1_767_226_000 }, NO],
  ])('T28 an attestation of %s is refused', async (_what, claims, answer) => {
    const w = await setup()
    expect(said(await ask(w, await attest(w, claims), await pop(w)))).toBe(answer)
  })

  it.each<[string, JWTPayload]>([
    ['T27 another issuer', { aud: 'https://evil.example' }],
    ['T27 the token endpoint', { aud: `${ISSUER}/token` }],
    ['T27 an array', { aud: [ISSUER] }],
    ['no audience', { aud: undefined as never }],
    ['no jti', { jti: undefined as never }],
    ['a long jti', { jti: 'x'.repeat(129) }],
    ['no iat', { iat: undefined as never }],
  ])('a proof with %s is refused', async (_what, claims) => {
    const w = await setup()
    expect(said(await ask(w, await attest(w), await pop(w, claims)))).toBe(NO)
  })

  it('T21 T23 T24 T26 another attester, an unknown kid, another typ, another key, one half alone, two of a header: refused', async () => {
    const w = await setup()
    const good = await attest(w)
    for (const attestation of [
      await attest(w, {}, { kid: 'r1' }, other),
      await attest(w, {}, {}, other),
      await attest(w, {}, { kid: 'x' }),
      await attest(w, {}, { kid: undefined as never }),
      await attest(w, {}, { typ: 'JWT' }),
      await attest(w, {}, { jku: 'https://evil.example/jwks' }),
      await attest(w, {}, {}, attester, thief),
      `${good}, ${good}`,
      '',
    ])
      expect(said(await ask(w, attestation, await pop(w)))).toBe(NO)
    for (const proof of [await pop(w, {}, {}, thief), await pop(w, {}, { typ: 'dpop+jwt' }), 'x.y.z', null])
      expect(said(await ask(w, good, proof))).toBe(NO)
    expect(said(await w.post('/token', CREDENTIALS, { headers: { 'oauth-client-attestation-pop': await pop(w) } }))).toBe(NO)
    expect(said(await ask(w, good, await pop(w), { ...CREDENTIALS, client_id: 'portal' }))).toBe(NO)
    expect(said(await ask(w, good, await pop(w), { ...CREDENTIALS, client_secret: 'x' }))).toBe('401 invalid_client')
    expect(said(await ask(w, good, await pop(w)))).toBe('ok')
  })

  it('a private key in the attestation is everybody’s, also where its public half is known', async () => {
    const w = await setup()
    expect(said(await ask(w, await attest(w), await pop(w)))).toBe('ok')
    expect(said(await ask(w, await attest(w, { cnf: { jwk: await exportJWK(instance.privateKey) } }), await pop(w)))).toBe(NO)
  })

  it('an attester may be held to young attestations', async () => {
    const w = await setup({ maxAgeSec: 600 })
    const attestation = await attest(w)
    expect(said(await ask(w, attestation, await pop(w)))).toBe('ok')
    w.advance(600_000)
    expect(said(await ask(w, attestation, await pop(w)))).toBe('400 use_fresh_attestation')
    expect(said(await ask(w, await attest(w, { iat: undefined as never }), await pop(w)))).toBe('400 use_fresh_attestation')
  })

  it('refresh tokens are the instance’s, not the client’s (§10)', async () => {
    const w = await setup()
    const { refresh_token } = (await ask(w, await attest(w), await pop(w), await codeForm(w, 'app'))).body
    const form = { grant_type: 'refresh_token', refresh_token }
    const stolen = await ask(w, await attest(w, {}, {}, attester, thief), await pop(w, {}, {}, thief), form)
    expect(said(stolen)).toBe('400 invalid_grant')
    expect(said(await ask(w, await attest(w), await pop(w), form))).toBe('ok')
  })
})

describe('attest_jwt_client_auth_dpop', () => {
  async function combined(
    w: World,
    device: Device,
    form = CREDENTIALS as Record<string, string>,
    o: { nonce?: string | null } = {},
  ): Promise<Answer> {
    const { kty, crv, x, y } = device.jwk
    const attestation = await attest(w, { sub: 'combined', cnf: { jwk: { kty: kty!, crv: crv!, x: x!, y: y! } } })
    const dpop = await device.proof(`${ISSUER}/token`, o)
    return w.post('/token', form, { headers: { 'oauth-client-attestation': attestation, dpop } })
  }

  it('the DPoP proof proves possession: made with the attested key, over a nonce', async () => {
    const w = await setup()
    const device = await w.device({ register: false })
    const answer = await combined(w, device)
    expect([answer.status, answer.body.token_type]).toEqual([200, 'DPoP'])
    expect((await combined(w, device, CREDENTIALS, { nonce: null })).body.error).toBe('use_dpop_nonce')
    const wrong = { ...device, jwk: (await w.device({ register: false })).jwk }
    expect((await combined(w, wrong)).body.error).toBe('invalid_dpop_proof')
    // Its own method, and no other: neither proof stands for the other’s.
    expect(said(await ask(w, await attest(w, { sub: 'combined' }), await pop(w)))).toBe(NO)
    const dpop = await device.proof(`${ISSUER}/token`)
    expect(said(await w.post('/token', CREDENTIALS, { headers: { 'oauth-client-attestation': await attest(w), dpop } }))).toBe(NO)
  })

  it('T18 refresh tokens are the instance’s', async () => {
    const w = await setup()
    const [device, thief] = [await w.device({ register: false }), await w.device({ register: false })]
    const { refresh_token } = (await combined(w, device, await codeForm(w, 'combined'))).body
    const form = { grant_type: 'refresh_token', refresh_token }
    expect((await combined(w, thief, form)).body.error).toBe('invalid_grant')
    expect((await combined(w, device, form)).status).toBe(200)
  })
})

it('announces methods, algorithms and the challenge endpoint, and nothing of them where nobody is trusted', async () => {
  const get = async (w: World) =>
    (await (await w.nodes[0]!.fetch(new Request(`${ISSUER}/.well-known/oauth-authorization-server`))).json()) as Record<
      string,
      unknown
    >
  expect(await get(await setup())).toMatchObject({
    token_endpoint_auth_methods_supported: ['none', 'attest_jwt_client_auth', 'attest_jwt_client_auth_dpop'],
    client_attestation_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519'],
    client_attestation_pop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519'],
    challenge_endpoint: `${ISSUER}/attestation-challenge`,
  })
  const plain = await world({ endpoints: [attestationChallenge] })
  expect(await get(plain)).not.toHaveProperty('challenge_endpoint')
  expect((await plain.nodes[0]!.fetch(new Request(`${ISSUER}/attestation-challenge`, { method: 'POST' }))).status).toBe(404)
  expect((await plain.post('/token', {})).headers.get('oauth-client-attestation-challenge')).toBeNull()
})

async function codeForm(w: World, id: string): Promise<Record<string, string>> {
  const client = (await w.contexts[0]!.clients.find(id))!
  const login = { subject: 'user-1', authTime: w.now(), acr: 'level1', amr: ['pwd'] }
  const code = await issueCode(
    { client, login, scope: ['accounts'], resource: API, codeChallenge: CHALLENGE, redirectUri: REDIRECT, dpopJkt: null },
    w.contexts[0]!,
  )
  return { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
}
