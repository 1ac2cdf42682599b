import { createCrypto } from '@postern/core/crypto/node'
import type { JsonObject } from '@postern/core/json'
import { publicJwk } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { slowStore } from '@postern/testkit/latency'
import { hashSecret } from '@postern/tokens/auth/secret'
import { jwtBearer, type TrustedIssuer } from '@postern/tokens/grants/jwtBearer'
import { revoke } from '@postern/tokens/revoke'
import { defaultGrants } from '@postern/tokens/token'
import { describe, expect, it } from 'vitest'
import { API, basic, changed, ISSUER, SECRET, type World, type WorldOptions, world } from '../world.js'

const crypto = createCrypto()
const PARTNER = 'https://idp.partner.example'
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

async function setup(o: Partial<TrustedIssuer> = {}, more: WorldOptions = {}) {
  const jwk = await crypto.generateKey('ES256', (n) => new Uint8Array(n).fill(9))
  const signer = await crypto.signer('ES256', jwk)
  const key = await crypto.verifyKey('ES256', publicJwk(jwk))
  const trusted: TrustedIssuer = {
    issuer: PARTNER,
    keys: { find: async (kid) => (kid === 'k1' ? key : null) },
    scope: ['accounts'],
    subject: async ({ sub }) => (sub === 'ada@partner' ? 'user-1' : null),
    ...o,
  }
  const auth = { method: 'client_secret_basic', secretHashes: [await hashSecret(crypto, SECRET)] } as const
  const clients = ['portal', 'other'].map((id) => ({
    id,
    auth,
    grantTypes: [GRANT, 'refresh_token'],
    scope: ['openid', 'accounts', 'payments'],
    introspects: [API],
  }))
  const w = await world({
    clients,
    grants: [...defaultGrants, jwtBearer],
    context: () => ({ trustedIssuers: [trusted] }),
    ...more,
  })
  const now = Math.floor(w.now() / 1000)
  let n = 0
  const claims = { iss: PARTNER, sub: 'ada@partner', aud: ISSUER, exp: now + 60, iat: now }
  const sign = (over: JsonObject = {}, header: { typ?: string; kid?: string } = {}) =>
    signJws(signer, { typ: 'JWT', kid: 'k1', ...header }, { ...claims, jti: `a${n++}`, ...over })
  return { w, sign, now, signer }
}
const ask = (w: World, assertion: string, form: Record<string, string> = {}, id = 'portal', node = 0) =>
  w.post(
    '/token',
    { grant_type: GRANT, assertion, scope: 'accounts', ...form },
    { node, headers: { authorization: basic(id, SECRET) } },
  )

describe('the JWT bearer grant', () => {
  it('gives an access token of the mapped subject, and no refresh token', async () => {
    const { w, sign } = await setup({ acr: 'level1' })
    const { status, body } = await ask(w, await sign({ exp: w.now() / 1000 + 59.123456789 }))
    expect([status, body.refresh_token, body.id_token]).toEqual([200, undefined, undefined])
    expect((await w.introspect(body.access_token)).body).toMatchObject({
      active: true,
      sub: 'user-1',
      scope: 'accounts',
      acr: 'level1',
      kind: 'user',
    })
    await revoke({ subject: 'user-1', devices: [] }, w.contexts[0]!)
    expect((await w.introspect(body.access_token)).body.active).toBe(false)
  })

  it.each([
    ['an audience array', { aud: [ISSUER] }],
    ['the token endpoint as audience', { aud: `${ISSUER}/token` }],
    ['a trailing slash', { aud: `${ISSUER}/` }],
    ['another’s audience', { aud: 'https://other.example' }],
    ['no audience', { aud: null }],
  ])('T27 refuses %s', async (_what, over) => {
    const { w, sign } = await setup()
    expect((await ask(w, await sign(over as JsonObject))).body.error).toBe('invalid_grant')
  })

  it.each([
    ['one that has expired', (now: number) => ({ exp: now })],
    ['one of more than five minutes', (now: number) => ({ exp: now + 301 })],
    ['one without an end', () => ({ exp: null })],
    ['an end in words', () => ({ exp: '60' })],
    ['one for later', (now: number) => ({ nbf: now + 61 })],
    ['one from the future', (now: number) => ({ iat: now + 61 })],
    ['one without a name', () => ({ jti: null })],
    ['one about nobody', () => ({ sub: null })],
    ['one about nobody here', () => ({ sub: 'eve@partner' })],
    ['an issuer that nobody trusts', () => ({ iss: 'https://evil.example' })],
  ])('T28 T46 refuses %s', async (_what, over) => {
    const { w, sign, now } = await setup()
    expect((await ask(w, await sign(over(now) as JsonObject))).body.error).toBe('invalid_grant')
  })

  it('T21 T23 T26 refuses an unknown kid, another use, another key, a changed byte', async () => {
    const { w, sign, now } = await setup()
    const other = await crypto.signer('ES256', await crypto.generateKey('ES256', (n) => new Uint8Array(n).fill(8)))
    const forged = await signJws(
      other,
      { typ: 'JWT', kid: 'k1' },
      { iss: PARTNER, sub: 'ada@partner', aud: ISSUER, exp: now + 60, jti: 'f' },
    )
    const good = await sign()
    for (const bad of [
      await sign({}, { kid: '../k1' }),
      await sign({}, { kid: 'k2' }),
      await sign({}, { typ: 'at+jwt' }),
      forged,
      changed(good),
      'x',
      good.replace(/^[^.]+/, 'eyJhbGciOiJub25lIn0'),
    ])
      expect((await ask(w, bad)).body.error).toBe('invalid_grant')
    expect((await ask(w, good)).status).toBe(200)
  })

  it.each([0, 2, 10])('T28 one of 50 parallel uses of an assertion wins, at %i ms a store call and two nodes', async (ms) => {
    const sleep = (time: number): Promise<void> => new Promise((done) => setTimeout(done, time))
    const { w, sign } = await setup({}, { wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })
    const assertion = await sign()
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(w, assertion, {}, 'portal', i % 2)))
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(new Set(all.map(({ body }) => body.error))).toEqual(new Set([undefined, 'invalid_grant']))
  })

  it('what is refused for another reason spends nothing', async () => {
    const { w, sign } = await setup()
    const assertion = await sign()
    expect((await ask(w, assertion, { scope: 'payments' })).body.error).toBe('invalid_scope')
    expect((await ask(w, assertion, { resource: 'https://nowhere.example' })).body.error).toBe('invalid_target')
    expect((await ask(w, assertion)).status).toBe(200)
  })

  it('an issuer may be trusted for some clients alone', async () => {
    const { w, sign } = await setup({ clients: ['other'] })
    const assertion = await sign()
    expect((await ask(w, assertion)).body.error).toBe('invalid_grant')
    expect((await ask(w, assertion, {}, 'other')).status).toBe(200)
  })

  it('without a trusted issuer there is no such grant', async () => {
    const { w, sign } = await setup({}, { context: () => ({}) })
    expect((await ask(w, await sign())).body.error).toBe('unsupported_grant_type')
    const document = await (await w.nodes[0]!.fetch(new Request(`${ISSUER}/.well-known/openid-configuration`))).json()
    expect((document as { grant_types_supported: string[] }).grant_types_supported).not.toContain(GRANT)
  })
})
