import { OutcomeUnknown, type Runtime } from '@postern/store'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SealedFetch } from '../../src/client.js'
import { createKemRing } from '../../src/keys.js'
import { createRing, type RingStore, readRing, ringInStore, rotateRing, tendRing } from '../../src/ringStore.js'
import { codeOf } from '../codeOf.js'
import { random, world } from '../world.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

async function setting(): Promise<{ keys: RingStore; w: Awaited<ReturnType<typeof world>> }> {
  const w = await world()
  return { w, keys: { runtime: w.runtime, tenant: 'bank', masterKeys: [random(32)] } }
}

describe('a KEM ring in the store', () => {
  it('opens as it was made, is made once, and is not there before', async () => {
    const { keys, w } = await setting()
    expect(await codeOf(() => ringInStore(keys).current())).toBe('keys.none_active')
    await createRing(keys, { kem: 0x0010 })
    const [offered] = (await ringInStore(keys).current()).offered(w.now)
    expect(offered?.config).toMatchObject({ keyId: 1, kem: 0x0010 })
    expect(await codeOf(() => createRing(keys))).toBe('keys.conflict')
  })

  it('is sealed for its tenant: no secret in the store, no other master key, no other tenant', async () => {
    const { keys, w } = await setting()
    const document = await createKemRing(w.runtime)
    await createRing(keys, { document })
    const [rec] = await w.store.read({ tenant: 'bank', id: 'keys:payload' }, ['ring'], { now: w.now })
    expect(Buffer.from(rec!.value).includes(document.keys[0]!.secret)).toBe(false)
    const other = { ...keys, masterKeys: [random(32)] } as const
    expect(await codeOf(() => readRing(other))).toBe('keys.invalid')
    expect((await readRing({ ...keys, masterKeys: [random(32), keys.masterKeys[0]] })).document).toEqual(document)
    const part = { tenant: 'other', id: 'keys:payload' }
    await w.store.commit(part, [{ op: 'put', key: 'ring', value: rec!.value }], { now: w.now, rev: 'a'.repeat(16) })
    expect(await codeOf(() => readRing({ ...keys, tenant: 'other' }))).toBe('keys.invalid')
    expect(await codeOf(() => createRing({ ...keys, tenant: 'third', masterKeys: [random(16)] }))).toBe('keys.invalid')
  })

  it('two operators who rotate at once make one rotation, and both can tell', async () => {
    const { keys, w } = await setting()
    await createRing(keys)
    const { rev } = await readRing(keys)
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => codeOf(() => rotateRing(keys, { rev }))))
    expect(outcomes.filter((code) => code === null)).toHaveLength(1)
    expect(outcomes.filter((code) => code === 'keys.conflict')).toHaveLength(7)
    expect((await readRing(keys)).document.keys.map(({ keyId }) => keyId)).toEqual([1, 2])
    const told = await w.store.list({ tenant: 'bank', id: 'keys:payload' }, 'e/', { now: w.now, limit: 10 })
    expect(told).toHaveLength(1)
    expect(new TextDecoder().decode(told[0]!.value)).toContain('"keys.rotated"')
  })

  it('a rotation whose outcome is not known is settled: it happened once', async () => {
    const { keys, w } = await setting()
    await createRing(keys)
    let lost = 1
    const store: Runtime['store'] = {
      ...w.store,
      async commit(part, ops, o) {
        const answer = await w.store.commit(part, ops, o)
        if (lost-- > 0) throw new OutcomeUnknown(o.rev)
        return answer
      },
    }
    await rotateRing({ ...keys, runtime: { ...w.runtime, store } })
    expect((await readRing(keys)).document.keys).toHaveLength(2)
  })

  it('is turned once a day, by whichever node comes first, and what is gone is destroyed', async () => {
    const { keys, w } = await setting()
    await createRing(keys)
    const gone = (await readRing(keys)).document.keys[0]!
    expect(await tendRing(keys)).toBeNull()
    w.now += 24 * HOUR
    const turned = await Promise.all([tendRing(keys), tendRing(keys), tendRing(keys)])
    expect(turned.filter((rotated) => rotated !== null)).toHaveLength(1)
    for (let day = 0; day < 3; day++) {
      w.now += 24 * HOUR
      await tendRing(keys)
    }
    const { document } = await readRing(keys)
    expect(document.keys.some(({ keyId }) => keyId === gone.keyId)).toBe(false)
    expect(JSON.stringify(document)).not.toContain(gone.secret)
  })

  it('serves on while the store cannot be read, for as long as a rotation leads and no longer', async () => {
    const { keys, w } = await setting()
    await createRing(keys)
    let down = false
    const store: Runtime['store'] = {
      ...w.store,
      read: async (...args) => {
        if (down) throw new Error('down')
        return w.store.read(...args)
      },
    }
    const source = ringInStore({ ...keys, runtime: { ...w.runtime, store } })
    const ring = await source.current()
    down = true
    w.now += 4 * MINUTE
    expect(await source.current()).toBe(ring)
    w.now += 2 * MINUTE
    await expect(source.current()).rejects.toThrow('down')
    down = false
    w.now += MINUTE
    expect(await source.current()).toBe(ring)
  })
})

describe('F83 whatever the rotations', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('call' as const), client: fc.nat({ max: 3 }), node: fc.nat({ max: 1 }) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 30 * HOUR }) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('rotate' as const), leadMs: fc.integer({ min: 5 * MINUTE, max: 2 * HOUR }) }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'tend' as const }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), client: fc.nat({ max: 3 }) }) },
  )

  it('no call of any client is lost, however old the document that it holds', () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const { keys, w } = await setting()
        await createRing(keys)
        const nodes = [0, 1].map(() => {
          const source = ringInStore(keys)
          return w.server({ ring: () => source.current() })
        })
        const node = { at: 0 }
        const seen = [0, 1, 2, 3].map(() => ({ value: 0 }))
        const clientOf = (i: number): SealedFetch =>
          w.client(nodes[0]!, {
            seen: { get: async () => seen[i]!.value, set: async (seq) => void (seen[i]!.value = seq) },
            wire: () => (input, init) => nodes[node.at]!.fetch(new Request(input, init), (inner, call) => w.next(inner, call)),
          })
        const clients = [0, 1, 2, 3].map(clientOf)
        let ran = 0
        for (const s of steps) {
          if (s.do === 'wait') w.now += s.ms
          else if (s.do === 'rotate') await rotateRing(keys, { leadMs: s.leadMs })
          else if (s.do === 'tend') await tendRing(keys)
          else if (s.do === 'forget') clients[s.client] = clientOf(s.client)
          else {
            node.at = s.node
            const answer = await clients[s.client]!('https://api.bank.example/x', { method: 'POST', body: 'a' })
            expect(answer.status).toBe(200)
            expect(w.seen.length).toBe(++ran)
          }
        }
      }),
      { numRuns: Math.ceil(Number(process.env['POSTERN_RUNS'] ?? 100) / 2) },
    ))
})
