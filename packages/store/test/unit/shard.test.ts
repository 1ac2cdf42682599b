import type { Guarantees, Part, Rec, Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { MOVING, routed, sharded, shardOf } from '@postern/store/shard'
import { storeConformance } from '@postern/testkit/conformance'
import { describe, expect, it } from 'vitest'

const now = 1_767_225_600_000
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const part: Part = { tenant: 'bank', id: 'u:1' }
const put = (key: string, expiresAt = 0) => ({ op: 'put', key, value: new Uint8Array([1]), expiresAt }) as const
const mapOf = (length: number, stores: number) => Uint16Array.from({ length }, (_, i) => i % stores)
const three = () => [memoryStore(), memoryStore(), memoryStore()] as const
const partOn = (map: Uint16Array, store: number, nth = 0): Part =>
  Array.from({ length: 10_000 }, (_, i) => ({ tenant: 'bank', id: `u:${i}` })).filter(
    (one) => map[shardOf(one, map.length)] === store,
  )[nth]!

describe('a store of three', () => {
  const cases = storeConformance(
    async ({ graceMs }) => {
      const shards = Array.from({ length: 3 }, () => memoryStore({ graceMs }))
      return sharded(shards, mapOf(64, 3))
    },
    { skip: ['outcome', 'exchange', 'crash', 'failover', 'pressure'] },
  )
  for (const { name, run } of cases) it(name, run)
})

describe('the logical shard of a partition', () => {
  it.each<[string, string, number, number]>([
    ['bank', 'u:1', 846, 14],
    ['bank', 'u:2', 200, 8],
    ['a', 'b', 91, 27],
    ['retail-bank-1', 'dev:01J8Z3K4', 432, 48],
    ['-'.repeat(63), '~'.repeat(128), 281, 25],
    ['bank', '0f1e2d3c4b5a69788796a5b4c3d2e1f0', 460, 12],
  ])('never changes, for it says where every record is: %s %s', (tenant, id, of1024, of64) => {
    expect([shardOf({ tenant, id }, 1024), shardOf({ tenant, id }, 64)]).toEqual([of1024, of64])
  })

  it('of twice as many is the same one, or the one as far again: a map that is repeated moves nothing', () => {
    for (let i = 0; i < 5000; i++) {
      const one = { tenant: 'bank', id: `u:${i}` }
      expect(shardOf(one, 512) % 256).toBe(shardOf(one, 256))
    }
  })
})

describe('sharded', () => {
  it('keeps a partition in the store that the map names, and nowhere else', async () => {
    const shards = three()
    const map = mapOf(64, 3)
    const store = sharded(shards, map)
    for (let i = 0; i < 3; i++) await store.commit(partOn(map, i), [put(`k/${i}`)], o())
    for (const [i, shard] of shards.entries()) {
      for (let j = 0; j < 3; j++) {
        const [rec] = await shard.read(partOn(map, j), [`k/${j}`], { now })
        expect(rec !== null, `shard ${i}, record ${j}`).toBe(i === j)
      }
    }
  })

  it('a logical shard that is being moved is unavailable, the others go on, and then it is where the map says', async () => {
    const shards = three()
    const map = mapOf(64, 3)
    const store = sharded(shards, map)
    const moved = partOn(map, 0)
    const entry = shardOf(moved, 64)
    map[entry] = MOVING
    await expect(store.commit(moved, [put('a')], o())).rejects.toMatchObject({ code: 'store.unavailable', retryable: true })
    await expect(store.read(moved, ['a'], { now })).rejects.toMatchObject({ code: 'store.unavailable' })
    expect((await store.commit(partOn(map, 1), [put('a')], o())).ok).toBe(true)
    expect(sharded(shards, map).guarantees).toEqual(store.guarantees)
    map[entry] = 2
    await store.commit(moved, [put('a')], o())
    expect((await shards[2].read(moved, ['a'], { now }))[0]?.key).toBe('a')
  })

  it.each<[string, Uint16Array]>([
    ['an empty map', new Uint16Array(0)],
    ['a map of 32', new Uint16Array(32)],
    ['a map of 65', new Uint16Array(65)],
    ['a map of 96', new Uint16Array(96)],
    ['a map of 2048', new Uint16Array(2048)],
    ['an entry that names no store', new Uint16Array(64).fill(3, 63)],
  ])('%s is refused', (_what, map) => {
    expect(() => sharded(three(), map)).toThrow('store.invalid')
  })

  it.each([64, 128, 256, 512, 1024])('a map of %i is taken', (length) => {
    expect(() => sharded(three(), mapOf(length, 3))).not.toThrow()
  })
})

describe('routed', () => {
  it('asks the very partition that was picked for, whatever its getters say later', async () => {
    const [one, two] = three()
    const store = routed(({ id }) => (id === 'a' ? one : two), [one, two])
    const ids = ['a', 'b']
    const shifty: Part = {
      tenant: 'bank',
      get id() {
        return ids.shift()!
      },
    }
    await store.commit(shifty, [put('k')], o())
    expect((await one.read({ tenant: 'bank', id: 'a' }, ['k'], { now }))[0]?.key).toBe('k')
  })

  it('refuses a store that is none of its members, whose events nobody would ship', async () => {
    const [one, two] = three()
    await expect(routed(() => two, [one]).commit(part, [put('k')], o())).rejects.toMatchObject({ code: 'store.invalid' })
    expect(() => routed(() => one, [])).toThrow('store.invalid')
  })

  const promising = (guarantees: Guarantees): Store => ({ ...memoryStore(), guarantees })
  it.each<[Guarantees, Guarantees, Guarantees]>([
    [
      { durable: 'power', failover: 'lossless' },
      { durable: 'power', failover: 'lossless' },
      { durable: 'power', failover: 'lossless' },
    ],
    [
      { durable: 'power', failover: 'lossless' },
      { durable: 'process', failover: 'none' },
      { durable: 'process', failover: 'none' },
    ],
    [
      { durable: 'none', failover: 'lossless' },
      { durable: 'power', failover: 'may-lose' },
      { durable: 'none', failover: 'may-lose' },
    ],
    [
      { durable: 'power', failover: 'may-lose' },
      { durable: 'power', failover: 'none' },
      { durable: 'power', failover: 'may-lose' },
    ],
  ])('promises what the weakest member does: %j and %j', (a, b, both) => {
    const [one, two] = [promising(a), promising(b)]
    for (const all of [
      [one, two],
      [two, one],
    ])
      expect(routed(() => one, all).guarantees).toEqual(both)
  })

  it('merges the outboxes in their order, page by page, and has none when a member has none', async () => {
    const shards = three()
    const map = mapOf(64, 3)
    const store = sharded(shards, map)
    const written: string[] = []
    for (let i = 0; i < 60; i++) {
      const at = partOn(map, (i * 7) % 3, i % 5)
      const key = `e/${String(Math.floor((i * 37) % 60)).padStart(3, '0')}`
      await store.commit(at, [put(key)], o())
      written.push(`${key} ${at.tenant}:${at.id}`)
    }
    const name = ({ key, part: at }: Rec & { readonly part: Part }) => `${key} ${at.tenant}:${at.id}`
    expect((await store.outbox!({ now, limit: 1000 })).map(name)).toEqual(written.toSorted())
    const paged: string[] = []
    for (let after = ''; ; ) {
      const page = await store.outbox!({ now, limit: 7, after })
      paged.push(...page.map(name))
      if (page.length < 7) break
      after = page.at(-1)!.key
    }
    expect(paged).toEqual(written.toSorted())
    const { outbox: _outbox, ...without } = shards[2]
    expect(routed(() => without, [shards[0], without]).outbox).toBeUndefined()
    await expect(store.outbox!({ now, limit: 0 })).rejects.toMatchObject({ code: 'store.invalid' })
  })

  it('shows the events of a logical shard that has moved from its new store alone, and none while it moves', async () => {
    const shards = three()
    const map = mapOf(64, 3)
    const store = sharded(shards, map)
    const moved = partOn(map, 0)
    const logical = shardOf(moved, 64)
    for (let i = 0; i < 9; i++) await store.commit(moved, [put(`e/a${i}`)], o())
    await store.commit(partOn(map, 0, 1), [put('e/b')], o())
    // What replication does; nobody removes what it leaves behind.
    for (let i = 0; i < 9; i++) await shards[1].commit(moved, [put(`e/a${i}`)], o())
    const shown = async () => (await store.outbox!({ now, limit: 4 })).map(({ key }) => key)
    map[logical] = MOVING
    expect(await shown()).toEqual(['e/b'])
    map[logical] = 1
    expect(await shown()).toEqual(['e/a0', 'e/a1', 'e/a2', 'e/a3'])
    for (let i = 0; i < 9; i++) await store.commit(moved, [{ op: 'del', key: `e/a${i}` }], o())
    expect(await shown()).toEqual(['e/b'])
  })

  it('splits the budget of a sweep, and one that fails keeps no other from it', async () => {
    const budgets: number[] = []
    const failing: Store = { ...memoryStore(), sweep: () => Promise.reject(new Error('gone')) }
    const watched = (): Store => {
      const store = memoryStore({ graceMs: 0 })
      const sweep = async (at: number, budgetMs: number) => {
        budgets.push(budgetMs)
        return store.sweep!(at, budgetMs)
      }
      return { ...store, sweep }
    }
    const { sweep: _sweep, ...without } = memoryStore()
    const members = [watched(), without, watched(), watched()]
    for (const member of members) await member.commit(part, [put('k', now + 1)], o())
    expect(await routed(() => members[0]!, members).sweep!(now + 2, 30)).toBe(3)
    expect(budgets).toEqual([10, 10, 10])

    budgets.length = 0
    const some = [failing, watched()]
    await expect(routed(() => some[1]!, some).sweep!(now, 30)).rejects.toThrow('gone')
    expect(budgets).toEqual([15])
    expect(routed(() => without, [without]).sweep).toBeUndefined()
  })

  it("tells the member's time that is the furthest from the host's clock, and without a clock none", async () => {
    const at = (ms: number): Store => ({ ...memoryStore(), time: async () => ms })
    const clock = () => 1000
    const time = (...members: Store[]) => routed(() => members[0]!, members, { clock }).time!()
    expect(await time(at(1001), at(900), at(1050))).toBe(900)
    expect(await time(at(1001), at(990), at(1050), memoryStore())).toBe(1050)
    expect(routed(() => memoryStore(), [at(1)]).time).toBeUndefined()
    expect(routed(() => memoryStore(), [memoryStore()], { clock }).time).toBeUndefined()
  })

  it('closes every member once, although one fails', async () => {
    const closed: string[] = []
    const closing = (name: string, fails = false): Store => ({
      ...memoryStore(),
      close: async () => {
        closed.push(name)
        if (fails) throw new Error('it would not')
      },
    })
    const members = [closing('a', true), closing('b')]
    const store = routed(() => members[0]!, [...members, ...members])
    await expect(store.close()).rejects.toThrow('it would not')
    await expect(store.close()).rejects.toThrow('it would not')
    expect(closed).toEqual(['a', 'b'])
  })
})
