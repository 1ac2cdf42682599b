import { deliver } from '@postern/tokens/ciba'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Receiver, receiver } from '../receiver.js'
import { type CibaWorld, cibaWorld, granted } from '../waiting.js'
import { SECRET } from '../world.js'
import { type Kill, onEachEngine, skipDraws } from './engines.js'

let to: Receiver
beforeEach(async () => {
  to = await receiver()
})
afterEach(() => to.close())

onEachEngine(new URL('./cibaHolder.ts', import.meta.url), (kill) => {
  it('kill -9 between a decision and its reply: it stands, is told to whoever decides again, and redeemed once', async () => {
    const { w, id, auth_req_id } = await restarted(kill, 'decided')
    expect(await w.decide({ outcome: 'denied', subject: 'user-1' }, { id })).toEqual({ status: 'approved', first: false })
    expect((await w.poll(auth_req_id)).status).toBe(200)
    w.advance(60_000)
    expect((await w.poll(auth_req_id)).body.error).toBe('invalid_grant')
  })

  it('T02 kill -9 between the commit of a redemption and its reply: nothing is issued twice', async () => {
    const { w, auth_req_id } = await restarted(kill, 'poll')
    w.advance(60_000)
    expect((await w.poll(auth_req_id)).body.error).toBe('invalid_grant')
    expect(w.events.map(({ reason }) => reason)).toContain('ciba.replayed')
  })

  it('kill -9 between a decision and its push: the decision stands, and a sweep after the restart pushes once', async () => {
    const { w, id } = await restarted(kill, 'decision')
    expect(await w.decide({ outcome: 'denied', subject: 'user-1' }, { id })).toEqual({ status: 'approved', first: false })
    expect(await w.decide(granted(), { id })).toEqual({ status: 'approved', first: false })
    expect(to.received).toEqual([])
    expect(await deliver(w.contexts[0]!)).toBe(1)
    expect(await deliver(w.contexts[0]!)).toBe(0)
    expect(to.received).toHaveLength(1)
    expect(await renew(w)).toBe(200)
  })

  it('kill -9 within a delivery: the try is spent, and the next one is made when its lease is over', async () => {
    const { w } = await restarted(kill, 'delivery')
    expect(await deliver(w.contexts[0]!)).toBe(0)
    w.advance(10_000)
    expect(await deliver(w.contexts[0]!)).toBe(1)
    expect(to.received).toHaveLength(1)
    expect(await renew(w)).toBe(200)
  })
})

/** The same issuer after the restart, and the request that its dead predecessor had at hand. */
async function restarted(kill: Kill, what: 'decided' | 'poll' | 'decision' | 'delivery') {
  const { known, wrap } = await kill<{ id: string; auth_req_id: string }>(what)
  const context = ({ runtime }: CibaWorld['contexts'][number]) => ({ runtime: { ...runtime, fetch } })
  const w = await cibaWorld({ nodes: 1, callbackUrl: to.url, wrap, context })
  skipDraws(w)
  return { w, ...known }
}

async function renew(w: CibaWorld): Promise<number> {
  const { refresh_token } = JSON.parse(to.received[0]!.body)
  const form = { client_id: 'pushed', client_secret: SECRET, grant_type: 'refresh_token', refresh_token }
  return (await w.post('/token', form)).status
}
