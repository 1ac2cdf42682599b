import type { PosternEvent } from '@postern/core/events'
import type { Part, Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { eventOp, shipEvents, shipOutbox, shipPart } from '@postern/store/outbox'
import { countingStore } from '@postern/testkit/counting'
import { describe, expect, it } from 'vitest'

const now = 1_767_225_600_000
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const partOf = (i: number): Part => ({ tenant: i % 2 ? 'bank' : 'clinic', id: `u:${i % 5}` })
const eventOf = (i: number): PosternEvent => ({
  id: `01${String(i).padStart(24, '0')}`,
  at: now + i,
  tenant: partOf(i).tenant,
  type: 'code.redeemed',
  outcome: 'success',
})

async function filled(store: Store, count: number): Promise<Store> {
  for (let i = 0; i < count; i++) await store.commit(partOf(i), [eventOp(eventOf(i))], o())
  return store
}

describe('the outbox', () => {
  it('ships every event of every partition, oldest first, in pages, and leaves none behind', async () => {
    const store = await filled(memoryStore(), 100)
    const pages: (readonly PosternEvent[])[] = []
    expect(await shipOutbox(store, (events) => void pages.push(events), { now, limit: 30 })).toBe(100)
    expect(pages.map(({ length }) => length)).toEqual([30, 30, 30, 10])
    expect(pages.flat()).toEqual(Array.from({ length: 100 }, (_, i) => eventOf(i)))
    expect(await shipOutbox(store, (events) => void pages.push(events), { now })).toBe(0)
    expect(pages).toHaveLength(4)
  })

  it('deletes nothing that the sink has not taken, and ships it again', async () => {
    const store = await filled(memoryStore(), 10)
    const seen = new Map<string, number>()
    let calls = 0
    const sink = async (events: readonly PosternEvent[]) => {
      if (++calls === 2) throw new Error('the bus is down')
      for (const { id } of events) seen.set(id, (seen.get(id) ?? 0) + 1)
    }
    await expect(shipOutbox(store, sink, { now, limit: 4 })).rejects.toThrow('the bus is down')
    expect(seen.size).toBe(4)
    expect(await shipOutbox(store, sink, { now, limit: 4 })).toBe(6)
    expect([...seen.values()]).toEqual(Array(10).fill(1))
  })

  it('two shippers at once lose nothing: each event arrives at least once', async () => {
    const store = await filled(memoryStore(), 60)
    const seen = new Set<string>()
    const sink = async (events: readonly PosternEvent[]) => {
      await null
      for (const { id } of events) seen.add(id)
    }
    await Promise.all([shipOutbox(store, sink, { now, limit: 7 }), shipOutbox(store, sink, { now, limit: 11 })])
    expect(seen.size).toBe(60)
    expect(await store.outbox!({ now, limit: 100 })).toEqual([])
  })

  it('a record under e/ that is no event stays, and stops nothing', async () => {
    const store = memoryStore()
    await store.commit(partOf(1), [{ op: 'put', key: 'e/00', value: new Uint8Array([255]) }], o())
    await filled(store, 5)
    const events: PosternEvent[] = []
    // A page that it fills alone is no end and no loop.
    expect(await shipOutbox(store, (page) => void events.push(...page), { now, limit: 1 })).toBe(5)
    expect((await store.outbox!({ now, limit: 9 })).map(({ key }) => key)).toEqual(['e/00'])
  })

  it('without an outbox in the driver, named partitions are looked into, and none is an error', async () => {
    const { outbox: _, ...store } = memoryStore()
    await filled(store, 10)
    const events: PosternEvent[] = []
    const sink = (page: readonly PosternEvent[]) => void events.push(...page)
    await expect(shipOutbox(store, sink, { now })).rejects.toMatchObject({ code: 'store.list_disabled' })
    expect(await shipOutbox(store, sink, { now, parts: [partOf(1), partOf(2)] })).toBe(2)
  })

  it('a process ships what it committed: by key with a read and a delete, with the events in hand in one trip', async () => {
    const { store, counts, reset } = countingStore(memoryStore())
    const part = partOf(1)
    const events = [eventOf(1), eventOf(2)]
    const sent: PosternEvent[] = []
    const sink = (page: readonly PosternEvent[]) => void sent.push(...page)
    await store.commit(part, events.map(eventOp), o())
    reset()
    expect(await shipPart(store, part, [`e/${eventOf(1).id}`, 'e/none'], sink, { now })).toBe(1)
    expect(counts()).toEqual({ read: 1, commit: 1, list: 0 })
    reset()
    await shipEvents(store, part, [eventOf(2)], sink, { now })
    expect(counts()).toEqual({ read: 0, commit: 1, list: 0 })
    expect(sent).toEqual(events)
    expect(await store.list(part, 'e/', { now, limit: 9 })).toEqual([])
  })
})
