import { slowStore } from '@postern/testkit/latency'
import { hashSecret } from '@postern/tokens/auth/secret'
import { exchange } from '@postern/tokens/grants/exchange'
import { usePermission } from '@postern/tokens/permission'
import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import { describe, expect, it } from 'vitest'
import { crypto } from '../authorization.js'
import { EXCHANGE, exchangeAs, LEDGER } from '../exchanging.js'
import { API, basic, REDIRECT, SECRET, VERIFIER, type World, type WorldOptions, world } from '../world.js'

const portal = { authorization: basic('portal', SECRET) }
const limited = (uses: number, o: WorldOptions = {}) => world({ config: { limitedUse: { accounts: uses } }, ...o })

async function login(w: World) {
  const code = await w.code('portal', { redirectUri: REDIRECT, scope: ['openid', 'accounts'] })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
  return (await w.post('/token', form, { headers: portal })).body as Record<string, string>
}
const use = (w: World, token: string, permission = 'accounts', node = 0) =>
  usePermission({ token, permission }, w.contexts[node]!)
const codeOf = (error: unknown) => (error as { code: string }).code

describe('a permission of limited use', () => {
  it('F68 is refused when it is spent, and introspection shows both numbers', async () => {
    const w = await limited(2)
    const { access_token: token } = await login(w)
    expect(await use(w, token!)).toEqual({ used: 1, limit: 2 })
    expect(await use(w, token!)).toEqual({ used: 2, limit: 2 })
    await expect(use(w, token!)).rejects.toMatchObject({ code: 'permission.spent', status: 403 })
    expect((await w.introspect(token!)).body).toMatchObject({ usage_count: 2, usage_limit: 2 })
  })

  it.each([0, 2, 10])('F68 one-shot: one of 50 parallel uses wins, at %i ms a store call and two nodes', async (ms) => {
    const sleep = (time: number): Promise<void> => new Promise((done) => setTimeout(done, time))
    const w = await limited(1, { wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })
    const { access_token: token } = await login(w)
    const all = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => use(w, token!, 'accounts', i % 2)))
    const lost = all.flatMap((one) => (one.status === 'rejected' ? [codeOf(one.reason)] : []))
    expect([all.length - lost.length, new Set(lost)]).toEqual([1, new Set(['permission.spent'])])
  })

  it('F68 a refreshed token goes on with the count of its grant', async () => {
    const w = await limited(1)
    const { access_token, refresh_token } = await login(w)
    await use(w, access_token!)
    const { body } = await w.post('/token', { grant_type: 'refresh_token', refresh_token: refresh_token! }, { headers: portal })
    await expect(use(w, body.access_token)).rejects.toMatchObject({ code: 'permission.spent' })
    expect((await use(w, (await login(w)).access_token!)).used).toBe(1)
  })

  it('is not there for a token without it, nor when it is not limited, nor for a token that is none', async () => {
    const w = await limited(1)
    const { access_token } = await login(w)
    await expect(use(w, access_token!, 'payments')).rejects.toMatchObject({ code: 'token.scope' })
    await expect(use(w, 'x')).rejects.toMatchObject({ code: 'token.invalid' })
    await expect(use(await world(), (await login(await world())).access_token!)).rejects.toMatchObject({ code: 'token.scope' })
  })

  it('T17 is gone with what revokes the token', async () => {
    const w = await limited(5)
    const [context] = w.contexts
    const { access_token: one } = await login(w)
    await w.post('/revoke', { token: one! }, { headers: portal })
    await expect(use(w, one!)).rejects.toMatchObject({ code: 'token.invalid' })
    const { access_token: two } = await login(w)
    await revoke({ subject: 'user-1', devices: [] }, context!)
    await expect(use(w, two!)).rejects.toMatchObject({ code: 'token.invalid' })
    expect(w.events.filter(({ type }) => type === 'permission.used')).toHaveLength(0)
  })

  it('T17 T46 revoked, or ended, between the read and the commit is as if before it: with a family and without', async () => {
    for (const [what, client] of [
      ['ended', 'service'],
      ['revoked', 'service'],
      ['ended', 'portal'],
      ['revoked', 'portal'],
    ] as const) {
      let between: (() => unknown) | null = null
      const w = await limited(5, {
        wrap: (store) => ({
          ...store,
          async commit(part, ops, o) {
            const act = ops.some(({ key }) => key.startsWith('use/')) ? between : null
            between = act === null ? between : null
            await act?.()
            return store.commit(part, ops, act === null ? o : { ...o, now: w.now() })
          },
          async read(part, keys, o) {
            const recs = await store.read(part, keys, o)
            if (what === 'ended' && between !== null) between()
            return recs
          },
        }),
      })
      const { crypto } = w.contexts[0]!.runtime
      const { user } = places({ keys: w.keys, crypto, tenant: 't1' })
      const form = { grant_type: 'client_credentials', client_id: 'service', client_secret: SECRET, scope: 'accounts' }
      const token = client === 'portal' ? (await login(w)).access_token! : (await w.post('/token', form)).body.access_token
      const target = client === 'portal' ? { owner: await user('user-1') } : { client }
      between = what === 'ended' ? () => w.advance(300_000) : () => revoke(target, w.contexts[0]!)
      await expect(use(w, token), `${what} ${client}`).rejects.toMatchObject({ code: 'token.invalid' })
    }
  })

  it('F68 a short token exchanged for a longer one leaves the count as long as the longer one lives', async () => {
    const auth = { method: 'client_secret_basic', secretHashes: [await hashSecret(crypto, SECRET)] } as const
    const grantTypes = ['client_credentials', EXCHANGE]
    const w = await limited(1, {
      clients: [{ id: 'service', auth, grantTypes, scope: ['accounts'], resources: [API, LEDGER] }],
      grants: [exchange],
      config: { limitedUse: { accounts: 1 }, resources: { [API]: {}, [LEDGER]: { accessSec: 10 } } },
      context: () => ({ exchange: async () => ({ ok: true }) }),
    })
    const headers = { authorization: basic('service', SECRET) }
    const { access_token: long } = (await w.post('/token', { grant_type: 'client_credentials', scope: 'accounts' }, { headers }))
      .body
    const { access_token: short } = (await exchangeAs(w, 'service', long, { resource: LEDGER })).body
    expect(await use(w, short)).toEqual({ used: 1, limit: 1 })
    w.advance(20_000)
    await expect(use(w, long)).rejects.toMatchObject({ code: 'permission.spent' })
  })
})
