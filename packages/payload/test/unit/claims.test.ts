import { createCrypto } from '@postern/core/crypto/node'
import { describe, expect, it } from 'vitest'
import { claimsOf } from '../../src/internal/claims.js'
import type { Opened } from '../../src/internal/inbound.js'
import { beginSessionRequest, localSessions, openSessionRequest, type SessionKeeper } from '../../src/session.js'
import { random } from '../world.js'

const NOW = 1_772_000_000_000
const crypto = createCrypto()

describe('calls of a session in a store that are dated far ahead', () => {
  it.each([
    ['of a stranger are bounded a minute', null, 60],
    ['of a caller who is known are not', { jkt: 'j', ath: null, expiresAt: NOW + 3_600_000 }, 70],
  ])('%s', async (_, binding, claimed) => {
    const clock = () => NOW
    const keeper: SessionKeeper = { ...localSessions({ clock, random, crypto }), windowMs: 120_000 }
    const id = keeper.newId()
    await keeper.keep({ id, secret: random(32), aead: 2, max: 100, chunkBytes: 1000, expiresAt: NOW + 3_600_000, binding })
    const session = (await keeper.find(id))!
    const { claim } = claimsOf({ clock, crypto, origin: 'https://api.bank.example', guard: null, sessions: keeper })
    const verdicts: string[] = []
    for (let counter = 0; counter < 70; counter++) {
      const sealed = await (await beginSessionRequest({ crypto, random }, session, counter)).seal(random(9))
      const opened: Opened = { format: 'session', ...(await openSessionRequest(crypto, keeper.find, sealed)) }
      verdicts.push(await claim(opened, NOW + 1_800_000))
    }
    expect(verdicts.filter((verdict) => verdict === 'first')).toHaveLength(claimed)
    expect(new Set(verdicts.slice(claimed))).toEqual(new Set(claimed < 70 ? ['unknown'] : []))
  })
})
