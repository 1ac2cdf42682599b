import { expect, it } from 'vitest'
import { world } from '../world.js'
import { type Kill, onEachEngine, skipDraws } from './engines.js'

onEachEngine(new URL('./grantHolder.ts', import.meta.url), (kill) => {
  it('kill -9 between the commit of a redemption and its reply: the code is not redeemable twice', async () => {
    const { w, device, handle } = await restarted(kill, 'code')
    const again = await w.redeem(device, handle)
    expect([again.status, again.body.error]).toEqual([400, 'invalid_grant'])
    expect(w.events.map(({ reason }) => reason)).toContain('code.replayed')
  })

  it('kill -9 between the commit of a refresh and its reply: every retry yields the same successor, and it works', async () => {
    const { w, device, handle } = await restarted(kill, 'refresh')
    const [first, second] = [await w.refresh(device, handle), await w.refresh(device, handle)]
    expect([first.status, second.status]).toEqual([200, 200])
    expect(second.body.refresh_token).toBe(first.body.refresh_token)
    expect(first.body.refresh_token).not.toBe(handle)
    expect((await w.refresh(device, first.body.refresh_token)).status).toBe(200)
  })
})

/** The same issuer and the same instance after the restart. */
async function restarted(kill: Kill, what: 'code' | 'refresh') {
  const { known, wrap } = await kill<string>(what)
  const w = await world({ nodes: 1, wrap })
  const device = await w.device()
  skipDraws(w)
  return { w, device, handle: known }
}
