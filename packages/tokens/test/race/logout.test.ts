import { slowStore } from '@postern/testkit/latency'
import { logOut } from '@postern/tokens/logout'
import { describe, expect, it } from 'vitest'
import { callbackOf, loggingOut, loginAt, refreshAt } from '../loggingOut.js'
import { type Answer, basic, SECRET, VERIFIER } from '../world.js'

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

describe.each([0, 2, 10])('with %i ms a store call, two nodes', (ms) => {
  it('T49 50 redemptions against the logout: whoever got tokens is told, and without offline_access has lost them', async () => {
    const w = await loggingOut({ more: 50, wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })
    const ids = Array.from({ length: 50 }, (_, i) => `rp${i}`)
    const prepared = await Promise.all(
      ids.map(async (id, i) => {
        const redirect_uri = `https://${id}.example.com/cb`
        const scope = i % 2 === 0 ? ['openid'] : ['openid', 'offline_access']
        const code = await w.code(id, { redirectUri: redirect_uri, scope, login: { sid: 'session1' } })
        return {
          id,
          offline: i % 2 === 1,
          form: { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri },
        }
      }),
    )
    const redeem = async ({ id, form }: (typeof prepared)[number], i: number): Promise<Answer> => {
      await sleep((i * (ms + 1)) / 10)
      return w.post('/token', form, { node: i % 2, headers: { authorization: basic(id, SECRET) } })
    }
    const racing = prepared.map(redeem)
    await sleep(2 * ms)
    await Promise.all([
      logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[0]!),
      logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[1]!),
    ])
    const answers = await Promise.all(racing)
    await w.nodes[0]!.sweep(w.contexts[0]!)
    await w.nodes[0]!.sweep(w.contexts[0]!)
    const won = prepared.filter((_, i) => answers[i]!.status === 200)
    const told = w.posted.map(({ url }) => url)
    expect(told.sort()).toEqual(won.map(({ id }) => callbackOf(id)).sort())
    for (const [i, { id, offline }] of prepared.entries()) {
      if (answers[i]!.status !== 200) continue
      const again = await refreshAt(w, id, answers[i]!.body.refresh_token)
      expect(again.status === 200, id).toBe(offline)
    }
  })

  it('T49 50 refreshes of the session against its end: nothing issued after it is active', async () => {
    const w = await loggingOut({ wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })
    const { refresh_token } = await loginAt(w, 'portal')
    const racing = Array.from({ length: 50 }, async (_, i) => {
      await sleep((i * (ms + 1)) / 10)
      return refreshAt(w, 'portal', refresh_token!)
    })
    await sleep(ms)
    await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[1]!)
    for (const { status, body } of await Promise.all(racing)) {
      if (status !== 200) expect(body.error).toBe('invalid_grant')
      else expect((await w.introspect(body.access_token)).body.active).toBe(false)
    }
  })
})
