import { slowStore } from '@postern/testkit/latency'
import { usePermission } from '@postern/tokens/permission'
import { revoke } from '@postern/tokens/revoke'
import { describe, expect, it } from 'vitest'
import { basic, REDIRECT, SECRET, VERIFIER, type World, type WorldOptions, world } from '../world.js'

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
})
