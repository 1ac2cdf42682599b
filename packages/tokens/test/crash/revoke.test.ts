import { expect, it } from 'vitest'
import { callbackOf, loggingOut, refreshAt } from '../loggingOut.js'
import { type Kill, onEachEngine, skipDraws } from './engines.js'

onEachEngine(new URL('./revoker.ts', import.meta.url), (kill) => {
  it.each(['token', 'instance'] as const)(
    'T17 kill -9 between the commit that revokes one %s and its reply: what it ended is ended, and nothing else',
    async (what) => {
      const { w, tokens } = await restarted(kill, what)
      const active = await Promise.all(tokens.map(async ({ access_token }) => (await w.introspect(access_token!)).body.active))
      expect(active).toEqual([false, true])
      const [first, second] = [await w.device(), await w.device()]
      skipDraws(w)
      expect((await w.refresh(first, tokens[0]!.refresh_token!)).body.error).toBe('invalid_grant')
      expect((await w.refresh(second, tokens[1]!.refresh_token!)).status).toBe(200)
    },
  )

  it('kill -9 between the commits of a subject revoked everywhere: the sweep of the next process finishes it', async () => {
    const { w, left, tokens } = await restarted(kill, 'everywhere')
    skipDraws(w)
    const active = () => Promise.all(tokens.map(async ({ access_token }) => (await w.introspect(access_token!)).body.active))
    expect(await active()).toEqual([true, true])
    expect(await left()).toBe(1)
    expect(await w.nodes[0]!.sweep(w.contexts[0]!)).toBe(1)
    expect(await active()).toEqual([false, false])
    expect(await left()).toBe(0)
  })

  it('kill -9 between the commits of a logout: the session is over, and the sweep of the next process tells every client', async () => {
    const { w, left, tokens } = await restarted(kill, 'logout')
    skipDraws(w)
    expect((await refreshAt(w, 'portal', tokens[0]!.refresh_token!)).body.error).toBe('invalid_grant')
    expect((await refreshAt(w, 'shop', tokens[1]!.refresh_token!)).body.error).toBe('invalid_grant')
    expect([await left(), w.posted]).toEqual([1, []])
    await w.nodes[0]!.sweep(w.contexts[0]!)
    expect(w.posted.map(({ url }) => url).sort()).toEqual([callbackOf('portal'), callbackOf('shop')])
    expect(await left()).toBe(0)
  })
})

/** The same issuer after the restart, and the tokens that its dead predecessor had issued. */
async function restarted(kill: Kill, what: 'token' | 'instance' | 'everywhere' | 'logout') {
  const { known, wrap } = await kill<Record<string, string>[]>(what)
  const w = await loggingOut({ nodes: 1, wrap })
  const { store } = w.contexts[0]!.runtime
  const left = async (): Promise<number> => (await store.outbox!({ now: w.now(), after: 'e/~', limit: 100 })).length
  return { w, left, tokens: known }
}
