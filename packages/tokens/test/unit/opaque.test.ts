import { type Counting, countingStore } from '@postern/testkit/counting'
import type { IssuerConfig } from '@postern/tokens/config'
import { describe, expect, it } from 'vitest'
import { API, basic, REDIRECT, SECRET, VERIFIER, type World, world } from '../world.js'

const portal = { authorization: basic('portal', SECRET) }
const opaque = { resources: { [API]: { format: 'opaque' } } } as const

/** Tokens of the portal's user, by a code. */
async function login(w: World, scope: readonly string[] = ['openid', 'accounts']) {
  const code = await w.code('portal', { redirectUri: REDIRECT, scope, login: { sid: 'session1' } })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
  return (await w.post('/token', form, { headers: portal })).body as Record<string, string>
}

describe('opaque access tokens', () => {
  it('F65 say at introspection what a JWT says, but for their name', async () => {
    const [sealed, signed] = [await world({ config: opaque }), await world()]
    const views = await Promise.all([sealed, signed].map(async (w) => (await w.introspect((await login(w)).access_token!)).body))
    const [a, b] = views.map(({ jti, ...rest }) => rest)
    expect(a).toEqual(b)
    expect(a).toMatchObject({
      active: true,
      client_id: 'portal',
      sub: 'user-1',
      aud: API,
      acr: 'level2',
      amr: ['pin'],
      kind: 'user',
    })
    expect(views[0].jti).toMatch(/^[a-z2-7]{16}$/)
  })

  it('show nothing of what they say, and store nothing', async () => {
    let counter: Counting | null = null
    const w = await world({ config: opaque, wrap: (store) => (counter = countingStore(store)).store })
    const { access_token } = await login(w)
    expect(access_token).toMatch(/^pa_[A-Za-z0-9_-]+$/)
    expect(Buffer.from(access_token!.slice(3), 'base64url').toString('latin1')).not.toContain('user-1')
    const service = { grant_type: 'client_credentials', client_id: 'service', client_secret: SECRET, scope: 'accounts' }
    counter!.reset()
    const { body } = await w.post('/token', service)
    expect(body.access_token).toMatch(/^pa_/)
    expect(counter!.counts()).toEqual({ read: 0, commit: 0, list: 0 })
    expect((await w.introspect(body.access_token)).body).toMatchObject({ active: true, kind: 'device' })
  })

  it('F66 switching the format ends no token', async () => {
    const settings = { format: 'jwt' as 'jwt' | 'opaque' }
    const w = await world({
      context: ({ config }) => ({
        get config(): IssuerConfig {
          return { ...config, resources: { [API]: { ...settings } } }
        },
      }),
    })
    const before = (await login(w)).access_token!
    settings.format = 'opaque'
    const { access_token: after, refresh_token } = await login(w)
    settings.format = 'jwt'
    for (const token of [before, after!]) expect((await w.introspect(token)).body.active).toBe(true)
    const refreshed = await w.post('/token', { grant_type: 'refresh_token', refresh_token: refresh_token! }, { headers: portal })
    expect(refreshed.body.access_token).toMatch(/^ey/)
  })

  it('end with their family, their session and by themselves', async () => {
    const w = await world({ config: opaque })
    for (const target of ['access_token', 'refresh_token'] as const) {
      const tokens = await login(w)
      expect((await w.post('/revoke', { token: tokens[target]! }, { headers: portal })).status).toBe(200)
      expect((await w.introspect(tokens.access_token!)).body).toEqual({ active: false })
    }
    const { access_token } = await login(w)
    w.advance(300_000)
    expect((await w.introspect(access_token!)).body).toEqual({ active: false })
  })

  it('T20 no other handle passes for one, nor one for another, nor one of another tenant or altered', async () => {
    const w = await world({ config: opaque })
    const { access_token, refresh_token } = await login(w)
    const code = await w.code('portal')
    const jti = (await login(await world())).access_token!.split('.')[1]!
    const handle = (JSON.parse(Buffer.from(jti, 'base64url').toString()) as { jti: string }).jti
    const token = access_token!
    const flipped = token.slice(0, 60) + (token[60] === 'A' ? 'B' : 'A') + token.slice(61)
    for (const bad of [
      refresh_token!.replace('pr_', 'pa_'),
      code.replace('pc_', 'pa_'),
      `pa_${handle}`,
      flipped,
      `${token}A`,
      'pa_',
    ])
      expect((await w.introspect(bad)).body, bad).toEqual({ active: false })
    const stranger = await world({ config: opaque, issuer: 'https://id.example.com/t2', seed: 2 })
    expect((await stranger.introspect(token)).body).toEqual({ active: false })
    const form = { grant_type: 'authorization_code', code: token.replace('pa_', 'pc_'), code_verifier: VERIFIER }
    expect((await w.post('/token', form, { headers: portal })).body.error).toBe('invalid_grant')
  })

  it('userinfo takes one', async () => {
    const w = await world({ config: opaque })
    const { access_token } = await login(w, ['openid', 'profile'])
    const headers = { authorization: `Bearer ${access_token}` }
    const reply = await w.nodes[0]!.fetch(new Request('https://id.example.com/t1/userinfo', { headers }))
    expect(await reply.json()).toEqual({ sub: 'user-1', name: 'Ada' })
  })
})
