import type { Signer } from '@postern/core/cryptoPort'
import { thumbprint } from '@postern/core/jwk'
import { LEAD_MS, RETAIN_MS, type RingKind } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import type { Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { simPorts } from '@postern/testkit/simulation'
import { createKeys, type KeyStore, keysInStore, readKeys, rotateKeys, tendKeys } from '@postern/tokens/keys'
import { finishEpoch, raiseEpoch, readEpoch } from '@postern/tokens/restoreEpoch'
import { describe, expect, it } from 'vitest'
import { readOwnToken } from '../../src/internal/accessToken.js'
import { SECRET, world } from '../world.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** A tenant's keys in a store that counts its reads and can be out of reach. */
async function setup(o: Partial<KeyStore> & { create?: boolean } = {}) {
  const sim = simPorts({ seed: 7 })
  const inner = memoryStore()
  const seen = { reads: 0, down: false }
  const store: Store = {
    ...inner,
    read: async (...args) => {
      seen.reads++
      if (seen.down) throw new Error('down')
      return inner.read(...args)
    },
  }
  const { create = true, ...more } = o
  const keyStore: KeyStore = { runtime: { ...sim, store }, tenant: 't1', masterKeys: [sim.random(32)], ...more }
  if (create) await createKeys(keyStore)
  return { sim, inner, seen, keyStore, advance: (ms: number) => sim.time.advance(ms), source: () => keysInStore(keyStore) }
}
const code = (promise: Promise<unknown>): Promise<string | null> =>
  promise.then(
    () => null,
    (error: { code?: string }) => error.code ?? 'unknown',
  )

describe('keys in the store', () => {
  it('are sealed under the master key, for their tenant alone', async () => {
    const { keyStore, inner, sim } = await setup()
    const [rec] = await inner.read({ tenant: 't1', id: 'keys' }, ['ring'], { now: sim.clock() })
    const { document } = await readKeys(keyStore)
    const text = Buffer.from(rec!.value).toString('latin1')
    for (const secret of [document.root, document.signing[0]!.jwk.d!, document.long[0]!.secret])
      expect(text).not.toContain(secret)
    expect(await code(readKeys({ ...keyStore, masterKeys: [sim.random(32)] }))).toBe('keys.invalid')
    // Moved to another tenant it does not open there.
    await inner.commit({ tenant: 't2', id: 'keys' }, [{ op: 'put', key: 'ring', value: rec!.value }], {
      now: sim.clock(),
      rev: 'AAAAAAAAAAAAAAAA',
    })
    expect(await code(keysInStore({ ...keyStore, tenant: 't2' }).current())).toBe('keys.invalid')
  })

  it('a new master key takes over with the next write, while the old one still opens', async () => {
    const { keyStore, sim } = await setup()
    const fresh = sim.random(32)
    const both: KeyStore = { ...keyStore, masterKeys: [fresh, ...keyStore.masterKeys] }
    await rotateKeys(both, 'short')
    expect(await code(readKeys(keyStore))).toBe('keys.invalid')
    expect(await code(readKeys({ ...keyStore, masterKeys: [fresh] }))).toBeNull()
  })

  it('are made once; without any nobody is served', async () => {
    const { keyStore, source } = await setup({ create: false })
    expect(await code(source().current())).toBe('keys.none_active')
    expect(await code(rotateKeys(keyStore, 'signing'))).toBe('keys.none_active')
    const made = await Promise.all([code(createKeys(keyStore)), code(createKeys(keyStore))])
    expect(made.sort()).toEqual(['keys.conflict', null].sort())
    expect(await code(source().current())).toBeNull()
  })

  it.each<RingKind>(['signing', 'long', 'short'])(
    'two operators who turn the %s ring at once make one rotation, and one is told',
    async (ring) => {
      const { keyStore } = await setup()
      const both = await Promise.all(Array.from({ length: 2 }, () => code(rotateKeys(keyStore, ring))))
      expect(both.sort()).toEqual(['keys.conflict', null].sort())
      expect((await readKeys(keyStore)).document[ring]).toHaveLength(2)
      const { rev } = await readKeys(keyStore)
      await rotateKeys(keyStore, ring, { rev })
      expect(await code(rotateKeys(keyStore, ring, { rev }))).toBe('keys.conflict')
    },
  )

  it('a rotation is told of with what it turned, in the same commit', async () => {
    const { keyStore, inner, sim } = await setup()
    const { kid, activateAt } = await rotateKeys(keyStore, 'signing')
    expect(activateAt).toBe(sim.clock() + LEAD_MS)
    const [event] = await inner.list({ tenant: 't1', id: 'keys' }, 'e/', { now: sim.clock(), limit: 10 })
    expect(JSON.parse(Buffer.from(event!.value).toString())).toMatchObject({
      type: 'keys.rotated',
      detail: { ring: 'signing', kid, activateAt },
    })
  })
})

describe('a node', () => {
  it('reads once a minute at most, however many ask, and keeps one object while nothing changes', async () => {
    const { seen, advance, source } = await setup()
    const node = source()
    const before = seen.reads
    const all = await Promise.all(Array.from({ length: 50 }, () => node.current()))
    expect(seen.reads - before).toBe(1)
    expect(new Set(all.map(({ keys }) => keys)).size).toBe(1)
    advance(59_999)
    await node.current()
    expect(seen.reads - before).toBe(1)
    advance(1)
    expect((await node.current()).keys).toBe(all[0]!.keys)
    expect(seen.reads - before).toBe(2)
  })

  it('switches by the clock, not when it happens to read', async () => {
    const { keyStore, sim, advance, source } = await setup()
    const [early, late] = [source(), source()]
    const { keys: held } = await early.current()
    const first = held.signing.active(sim.clock()).kid
    const { kid } = await rotateKeys(keyStore, 'signing')
    advance(30_000)
    await late.current()
    for (let at = 30_000; at < LEAD_MS; at += 30_000) {
      for (const node of [early, late]) {
        const { keys } = await node.current()
        expect(keys.signing.active(sim.clock()).kid).toBe(first)
        if (at >= 60_000) expect(keys.signing.published(sim.clock()).map((key) => key.kid)).toEqual([first, kid])
      }
      advance(30_000)
    }
    for (const node of [early, late]) expect((await node.current()).keys.signing.active(sim.clock()).kid).toBe(kid)
    // A request that began before holds its snapshot to the end.
    expect(held.signing.active(sim.clock()).kid).toBe(first)
  })

  it('serves on with the last keys while the store is out of reach, but not longer than a rotation leads', async () => {
    const { seen, advance, source } = await setup()
    const node = source()
    const { keys } = await node.current()
    seen.down = true
    advance(LEAD_MS - 1)
    expect((await node.current()).keys).toBe(keys)
    const tries = seen.reads
    for (let i = 0; i < 10; i++) await node.current()
    expect(seen.reads).toBe(tries)
    advance(1)
    expect(await code(node.current())).toBe('unknown')
    seen.down = false
    expect((await node.current()).keys).toBe(keys)
  })
})

describe('tending', () => {
  it('turns the short ring daily, and an hour later nothing holds the old key', async () => {
    const { keyStore, advance } = await setup()
    const [first] = (await readKeys(keyStore)).document.short
    const turned: string[] = []
    let lastSeen = 0
    for (let hour = 0; hour < 60; hour++) {
      for (const { ring } of await tendKeys(keyStore)) turned.push(`${hour} ${ring}`)
      if ((await readKeys(keyStore)).document.short.some(({ kid }) => kid === first!.kid)) lastSeen = hour
      advance(HOUR)
    }
    expect(turned).toEqual(['24 short', '48 short'])
    // Retired at 24:07, good for an hour, and gone with the next tending.
    expect(lastSeen).toBe(25)
    expect((await readKeys(keyStore)).document.short.length).toBeLessThanOrEqual(2)
  })

  it('any number of nodes at once do it once', async () => {
    const { keyStore, advance } = await setup()
    advance(DAY)
    const all = await Promise.all(Array.from({ length: 8 }, () => tendKeys(keyStore, { signing: DAY })))
    expect(all.flat().map(({ ring }) => ring)).toEqual(['signing', 'short'])
    const { document } = await readKeys(keyStore)
    expect([document.signing.length, document.long.length, document.short.length]).toEqual([2, 1, 2])
  })
})

describe('keys held elsewhere', () => {
  async function kms() {
    const made = await setup()
    const { crypto, random } = made.sim
    const signers = new Map<string, Signer>()
    const hold = async (): Promise<Signer> => {
      const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
      signers.set(await thumbprint(crypto, signer.publicJwk), signer)
      return signer
    }
    const keyStore: KeyStore = { ...made.keyStore, remote: async ({ kid }) => signers.get(kid) ?? null }
    return { ...made, keyStore, signers, hold }
  }

  it('sign by their handle, and nothing of them is stored', async () => {
    const { keyStore, hold, sim, advance } = await kms()
    await rotateKeys(keyStore, 'signing', { remote: await hold() })
    expect((await readKeys(keyStore)).document.signing[1]!.jwk).not.toHaveProperty('d')
    advance(LEAD_MS)
    const { keys } = await keysInStore(keyStore).current()
    const { signer } = keys.signing.active(sim.clock())
    const data = new Uint8Array(3)
    expect(await sim.crypto.verify(await sim.crypto.verifyKey('ES256', signer.publicJwk), data, await signer.sign(data))).toBe(
      true,
    )
  })

  it('a node without the handle of a key to come serves on with what it has; of a retired one it needs none', async () => {
    const { keyStore, hold, signers, sim, advance } = await kms()
    const node = keysInStore(keyStore)
    const before = (await node.current()).keys
    const { kid } = await rotateKeys(keyStore, 'signing', { remote: await hold() })
    const handle = signers.get(kid)!
    signers.delete(kid)
    advance(60_000)
    expect((await node.current()).keys).toBe(before)
    expect(await code(keysInStore(keyStore).current())).toBe('keys.invalid')
    signers.set(kid, handle)
    advance(5000)
    expect((await node.current()).keys.signing.find(kid, sim.clock())).not.toBeNull()
    await rotateKeys(keyStore, 'signing')
    advance(2 * LEAD_MS)
    signers.delete(kid)
    const { keys } = await keysInStore(keyStore).current()
    const retired = keys.signing.find(kid, sim.clock())!
    expect(retired.signer.publicJwk).toEqual(handle.publicJwk)
    expect(() => retired.signer.sign(new Uint8Array(1))).toThrowError(/keys\.none_active/)
  })
})

describe('tokens of keys that come and go', () => {
  it('T47 a token of a retired key verifies through the overlap and not after it, though it has not expired', async () => {
    const { keyStore, advance, source, sim } = await setup()
    const node = source()
    await node.current()
    const lifetimes = { accessSec: 1800 }
    const w = await world({ config: { lifetimes }, context: ({ runtime }) => ({ runtime: { ...runtime, clock: sim.clock } }) })
    const turn = async () => Object.assign(w.contexts[0]!, { keys: (await node.current()).keys })
    await turn()
    const service = { grant_type: 'client_credentials', client_id: 'service', client_secret: SECRET }
    const token: string = (await w.post('/token', service)).body.access_token
    const isOurs = async () => (await readOwnToken(token, w.contexts[0]!)) !== null
    await rotateKeys(keyStore, 'signing', { retainMs: 60_000 })
    for (let minute = 0; minute < 8; minute++) {
      expect(await isOurs()).toBe(true)
      advance(60_000)
      await turn()
    }
    expect(await isOurs()).toBe(false)
  })

  it('handles sealed before a turn open after it, until an hour later', async () => {
    const { keyStore, advance, source } = await setup()
    const node = source()
    const sealer = async () => {
      const { keys } = await node.current()
      const { crypto, random, clock } = keyStore.runtime
      return createSealer({ ring: keys.short, crypto, random, clock })
    }
    const scope = { type: 'code', tenant: 't1', issuer: 'i', purpose: '0' }
    const sealed = await (await sealer()).seal(scope, new Uint8Array(4))
    await tendKeys(keyStore, { short: 1 })
    advance(LEAD_MS + RETAIN_MS.short - 1)
    expect(await (await sealer()).open(scope, sealed)).not.toBeNull()
    advance(1)
    expect(await (await sealer()).open(scope, sealed)).toBeNull()
    expect((await readKeys(keyStore)).document.short).toHaveLength(2)
    advance(60_000)
    await tendKeys(keyStore)
    expect((await readKeys(keyStore)).document.short).toHaveLength(1)
  })
})

describe('the restore epoch', () => {
  it('is raised once by two at a time, pending until it is said to be done, and never the same again', async () => {
    const { keyStore, source, advance } = await setup()
    expect(await source().current()).toMatchObject({ restoreEpoch: '0', restore: 'none' })
    const both = await Promise.all([raiseEpoch(keyStore), raiseEpoch(keyStore)].map(code))
    expect(both.sort()).toEqual(['keys.conflict', null].sort())
    const first = await readEpoch(keyStore)
    expect(first).toMatchObject({ state: 'pending', id: expect.stringMatching(/^[\w-]{16}$/) })
    const node = source()
    expect(await node.current()).toMatchObject({ restoreEpoch: first.id, restore: 'pending' })
    expect(await code(finishEpoch(keyStore, 'another'))).toBe('keys.conflict')
    await finishEpoch(keyStore, first.id)
    await finishEpoch(keyStore, first.id)
    advance(60_000)
    // What was sealed since the raising lives on: the end of the restore is no second epoch.
    expect(await node.current()).toMatchObject({ restoreEpoch: first.id, restore: 'done' })
    expect((await raiseEpoch(keyStore)).id).not.toBe(first.id)
  })

  it('ends every family from before; who logs in again goes on', async () => {
    const w = await world()
    const device = await w.device()
    const { refresh_token } = (await w.redeem(device, await w.code(device.id))).body
    const keyStore: KeyStore = { runtime: w.contexts[0]!.runtime, tenant: 't1', masterKeys: [new Uint8Array(32)] }
    const { id } = await raiseEpoch(keyStore)
    for (const context of w.contexts) Object.assign(context, { restoreEpoch: id })
    expect((await w.refresh(device, refresh_token)).body.error).toBe('invalid_grant')
    const again = (await w.redeem(device, await w.code(device.id))).body
    expect((await w.refresh(device, again.refresh_token)).status).toBe(200)
  })
})
