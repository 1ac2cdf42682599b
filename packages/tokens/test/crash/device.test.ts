import { expect, it } from 'vitest'
import { deviceWorld, granted } from '../waiting.js'
import { type Kill, onEachEngine, skipDraws } from './engines.js'

const denied = { outcome: 'denied', subject: 'user-1' } as const

onEachEngine(new URL('./deviceHolder.ts', import.meta.url), (kill) => {
  it('kill -9 between a claim and its reply: the same user goes on, another cannot', async () => {
    const { w, user_code } = await restarted(kill, 'claim')
    await expect(w.claim(user_code, { subject: 'user-2' })).rejects.toMatchObject({ code: 'user_code.invalid' })
    const { id } = await w.claim(user_code)
    expect(await w.decide(id, granted())).toMatchObject({ status: 'approved', first: true })
  })

  it('kill -9 between a decision and its reply: it stands, is told to whoever decides again, and redeemed once', async () => {
    const { w, id, device_code } = await restarted(kill, 'decision')
    expect(await w.decide(id, denied)).toMatchObject({ status: 'approved', first: false })
    expect((await w.poll(device_code)).status).toBe(200)
    w.advance(60_000)
    expect((await w.poll(device_code)).body.error).toBe('invalid_grant')
  })

  it('T02 kill -9 between the commit of a redemption and its reply: nothing is issued twice', async () => {
    const { w, device_code } = await restarted(kill, 'redemption')
    w.advance(60_000)
    expect((await w.poll(device_code)).body.error).toBe('invalid_grant')
    expect(w.events.map(({ reason }) => reason)).toContain('device.replayed')
  })
})

/** The same issuer after the restart, and the request that its dead predecessor had at hand. */
async function restarted(kill: Kill, what: 'claim' | 'decision' | 'redemption') {
  const { known, wrap } = await kill<Record<'device_code' | 'user_code' | 'id', string>>(what)
  const w = await deviceWorld({ nodes: 1, wrap })
  skipDraws(w)
  return { w, ...known }
}
