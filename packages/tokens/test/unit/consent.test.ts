import { readConsent, recordConsent } from '@postern/tokens/consent'
import { revoke } from '@postern/tokens/revoke'
import { describe, expect, it } from 'vitest'
import { kitOf } from '../../src/internal/kit.js'
import { type World, world } from '../world.js'

const of = { subject: 'user-1', clientId: 'portal' }
const at = (w: World) => w.contexts[0]!

describe('consent', () => {
  it('is what was agreed to so far, of this user, for this client, in this tenant', async () => {
    const w = await world()
    expect(await readConsent(of, at(w))).toBeNull()
    await recordConsent(of, ['openid', 'accounts'], at(w))
    w.advance(1000)
    await recordConsent(of, ['accounts', 'profile'], at(w))
    expect(await readConsent(of, w.contexts[1]!)).toEqual({ scope: ['openid', 'accounts', 'profile'], at: w.now() })
    for (const other of [
      { ...of, subject: 'user-2' },
      { ...of, clientId: 'other' },
    ])
      expect(await readConsent(other, at(w))).toBeNull()
    expect(await readConsent(of, { ...at(w), tenant: 't2' })).toBeNull()
  })

  it('is kept without end, and not written again for what it holds', async () => {
    const w = await world()
    await recordConsent(of, ['openid'], at(w))
    const before = await readConsent(of, at(w))
    w.advance(10 * 365 * 86_400_000)
    await recordConsent(of, ['openid'], at(w))
    expect(await readConsent(of, at(w))).toEqual(before)
  })

  it('of many pages at once loses nothing', async () => {
    const w = await world()
    await Promise.all(['a', 'b', 'c'].map((token, i) => recordConsent(of, [token], w.contexts[i % 2]!)))
    expect([...(await readConsent(of, at(w)))!.scope].sort()).toEqual(['a', 'b', 'c'])
  })

  it('goes with the client’s access to the user, and with nothing else', async () => {
    const w = await world()
    const owner = await kitOf(at(w)).places.user('user-1')
    await recordConsent(of, ['openid'], at(w))
    await recordConsent({ ...of, clientId: 'other' }, ['openid'], at(w))
    await revoke({ owner, sid: 'session1' }, at(w))
    expect(await readConsent(of, at(w))).not.toBeNull()
    await revoke({ owner, client: 'portal' }, at(w))
    expect(await readConsent(of, at(w))).toBeNull()
    expect(await readConsent({ ...of, clientId: 'other' }, at(w))).not.toBeNull()
  })

  it('names neither user nor client where it is kept', async () => {
    const w = await world()
    await recordConsent(of, ['openid'], at(w))
    const { user, consent } = kitOf(at(w)).places
    expect((await user('user-1')).id + (await consent('portal'))).toMatch(/^usr:[a-z2-7]{26}con\/[a-z2-7]{26}$/)
  })
})
