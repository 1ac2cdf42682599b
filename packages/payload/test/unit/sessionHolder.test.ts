import { createCrypto } from '@postern/core/crypto/node'
import { describe, expect, it } from 'vitest'
import { beginOpening } from '../../src/internal/openSession.js'
import { readShare } from '../../src/internal/sessionField.js'
import { sessionHolder } from '../../src/internal/sessionHolder.js'
import { beginSessionCall } from '../../src/internal/sessionWire.js'
import { acceptSession, SESSION_LIMITS } from '../../src/session.js'
import { random } from '../world.js'

const NOW = 1_772_000_000_000
const crypto = createCrypto()
const ports = { crypto, random }

async function opened() {
  const secret = random(32)
  const call = { context: { export: async () => secret }, enc: random(32), keyConfig: random(41) }
  const opening = await beginOpening(ports, { kem: 0x0020, aeads: [2] }, beginSessionCall)
  const accepted = await acceptSession(ports, {
    ...{ share: readShare(opening.field)!, call, id: random(16), binding: null, limits: SESSION_LIMITS, now: NOW },
  })
  const session = (await opening.finish(call, accepted!.field, null))!
  return { session, offset: 0, authorization: null }
}

describe('the session of a sealed fetch', () => {
  it('is in use once it is there, and its secret is gone when the fetch is closed', async () => {
    const holder = sessionHolder({ clock: () => NOW, random })
    const one = await opened()
    holder.ride()!.done(one)
    expect(holder.current()?.session).toBe(one.session)
    expect(await one.session.begin(ports)).not.toBeNull()
    holder.close()
    expect([holder.current(), one.session.begin(ports)]).toEqual([null, null])
  })

  it('that is there only when the fetch was closed is not kept', async () => {
    const holder = sessionHolder({ clock: () => NOW, random })
    const [late, offer] = [await opened(), holder.ride()!]
    holder.close()
    offer.done(late)
    expect([holder.current(), late.session.begin(ports)]).toEqual([null, null])
  })
})
