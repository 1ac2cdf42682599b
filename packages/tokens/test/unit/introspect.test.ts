import { type Counting, countingStore } from '@postern/testkit/counting'
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { API, basic, ISSUER, REDIRECT, SECRET, VERIFIER, type World, world } from '../world.js'

const portal = { authorization: basic('portal', SECRET) }
const SIGNED = 'application/token-introspection+jwt'

async function login(w: World, scope: readonly string[] = ['openid', 'accounts']) {
  const code = await w.code('portal', { redirectUri: REDIRECT, scope })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
  return (await w.post('/token', form, { headers: portal })).body as Record<string, string>
}

describe('introspection', () => {
  it('names every member, with the facts of the app', async () => {
    const w = await world({
      context: (context) => ({
        clients: {
          ...context.clients,
          find: async (id) => {
            const client = await context.clients.find(id)
            return client && { ...client, app: { id: 'bank', platform: 'ios', version: '4.2.0' } }
          },
        },
      }),
    })
    const device = await w.device()
    const { access_token } = (await w.redeem(device, await w.code(device.id))).body
    const { body } = await w.introspect(access_token)
    const now = Math.floor(w.now() / 1000)
    expect(body).toEqual({
      active: true,
      scope: 'openid accounts',
      client_id: device.id,
      token_type: 'DPoP',
      exp: now + 300,
      iat: now,
      nbf: now,
      sub: 'user-1',
      aud: API,
      iss: ISSUER,
      jti: body.jti,
      cnf: { jkt: device.jkt },
      acr: 'level2',
      amr: ['pin'],
      auth_time: now,
      kind: 'user',
      app_id: 'bank',
      app_platform: 'ios',
      app_version: '4.2.0',
    })
  })

  it('is one read of the store and nothing else, whatever the token', async () => {
    const counters: Counting[] = []
    const w = await world({
      config: { limitedUse: { accounts: 3 } },
      wrap: (store) => counters[counters.push(countingStore(store)) - 1]!.store,
    })
    const { access_token } = await login(w)
    const service = { grant_type: 'client_credentials', client_id: 'service', client_secret: SECRET, scope: 'accounts' }
    const own = (await w.post('/token', service)).body.access_token
    for (const token of [access_token!, own]) {
      counters[0]!.reset()
      expect((await w.introspect(token)).body.active).toBe(true)
      expect(counters[0]!.counts()).toEqual({ read: 1, commit: 0, list: 0 })
    }
    counters[0]!.reset()
    await w.introspect('x')
    expect(counters[0]!.counts()).toEqual({ read: 0, commit: 0, list: 0 })
  })

  it.each(['jwt', 'opaque'] as const)('T46 T47 a token that was read before is judged anew each time: %s', async (format) => {
    let gone = false
    const w = await world({
      config: { resources: { [API]: { format } } },
      context: ({ keys }) => ({
        keys: { ...keys, signing: { ...keys.signing, find: (kid, now) => (gone ? null : keys.signing.find(kid, now)) } },
      }),
    })
    const active = async (token: string) => (await w.introspect(token)).body.active
    const tokens = await Promise.all([login(w), login(w), login(w)])
    const [one, two, three] = tokens.map(({ access_token }) => access_token!) as [string, string, string]
    for (const token of [one, two, three]) expect(await active(token)).toBe(true)
    gone = true
    expect(await active(one)).toBe(format === 'opaque')
    gone = false
    await w.post('/revoke', { token: one }, { headers: portal })
    await w.post('/revoke', { token: tokens[1]!.refresh_token! }, { headers: portal })
    expect([await active(one), await active(two), await active(three)]).toEqual([false, false, true])
    w.advance(300_000)
    expect(await active(three)).toBe(false)
  })

  it('RFC 9701 answers with a JWT for the caller where it is asked for, inactive tokens too', async () => {
    const w = await world()
    const { access_token } = await login(w)
    const keys = await (await w.nodes[0]!.fetch(new Request(`${ISSUER}/jwks`))).json()
    const ask = async (token: string) => {
      const answer = await w.post(
        '/introspect',
        { token },
        { headers: { ...portal, accept: `application/json;q=0.1, ${SIGNED}` } },
      )
      expect(answer.headers.get('content-type')).toBe(SIGNED)
      expect(decodeProtectedHeader(answer.body).typ).toBe('token-introspection+jwt')
      const { payload } = await jwtVerify(answer.body, createLocalJWKSet(keys as never), { issuer: ISSUER, audience: 'portal' })
      expect([payload.sub, payload.exp]).toEqual([undefined, undefined])
      return payload.token_introspection
    }
    expect(await ask(access_token!)).toEqual((await w.introspect(access_token!)).body)
    expect(await ask('x')).toEqual({ active: false })
  })

  it('T26 its JWT passes for no access token', async () => {
    const w = await world()
    const { access_token } = await login(w)
    const { body } = await w.post('/introspect', { token: access_token! }, { headers: { ...portal, accept: SIGNED } })
    expect((await w.introspect(body)).body).toEqual({ active: false })
  })

  it('T42 a client sees its own tokens and those of its audiences, never another’s', async () => {
    const w = await world()
    const { access_token } = await login(w)
    const other = { token: access_token!, client_id: 'other', client_secret: SECRET }
    expect((await w.post('/introspect', other)).body).toEqual({ active: false })
    const signed = await w.post('/introspect', other, { headers: { accept: SIGNED } })
    expect(JSON.parse(Buffer.from(signed.body.split('.')[1], 'base64url').toString()).token_introspection).toEqual({
      active: false,
    })
  })

  it('F68 shows how often a limited permission was used', async () => {
    const w = await world({ config: { limitedUse: { accounts: 2 } } })
    const { access_token } = await login(w)
    expect((await w.introspect(access_token!)).body).toMatchObject({ usage_count: 0, usage_limit: 2 })
    expect((await w.introspect((await login(w, ['openid'])).access_token!)).body.usage_limit).toBeUndefined()
  })
})
