/// <reference types="node" />
import type { Op, Store } from '@postern/store'
import { fromIoredis, type RedisOptions, type RedisPort, redisStore } from '@postern/store/redis'
import { type RedisServer, startRedis } from '@postern/testkit/servers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { calls, ioredisClient, skipRedis } from '../redisServer.js'

const part = { tenant: 'bank', id: 'u:1' }
const now = 1_767_225_600_000
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const put = (key: string, expiresAt = 0): Op => ({ op: 'put', key, value: new Uint8Array(0), expiresAt })
const names = async (store: Store, limit: number, at = now) =>
  (await store.list(part, '', { now: at, limit })).map(({ key }) => key)

describe.skipIf(skipRedis)('the index of redis', () => {
  let server: RedisServer
  const opened: Store[] = []
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())
  beforeEach(() => server.cli('flushall'))
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close()
  })
  const open = async (options: Partial<RedisOptions> = {}, within = (port: RedisPort) => port): Promise<Store> => {
    const store = await redisStore({ port: within(fromIoredis(ioredisClient(server.port))), ...options })
    opened.push(store)
    return store
  }
  const card = async () => Number(await server.cli('zcard', '{bank:u:1}!'))

  it('holds the keys of the partition and follows every put, add and del', async () => {
    const store = await open()
    const all = () => server.cli('zrange', '{bank:u:1}!', '0', '-1', 'withscores')
    await store.commit(part, [put('b'), put('a'), { op: 'add', key: 'n', by: 1, max: 9 }], o())
    expect(await all()).toBe('a\n0\nb\n0\nn\n0')
    await store.commit(
      part,
      [put('a'), { op: 'del', key: 'b' }, { op: 'del', key: 'never-there' }, { op: 'check', key: 'c', rev: null }],
      o(),
    )
    expect(await all()).toBe('a\n0\nn\n0')
    await store.commit(
      part,
      [
        { op: 'del', key: 'a' },
        { op: 'del', key: 'n' },
      ],
      o(),
    )
    expect(await server.cli('exists', '{bank:u:1}!')).toBe('0')
  })

  it('a record that was written without it is in it once it is written again', async () => {
    const [without, store] = [await open({ index: false }), await open()]
    await without.commit(part, [put('a'), put('b')], o())
    await store.commit(part, [put('b')], o())
    expect(await names(store, 9)).toEqual(['b'])
  })

  it('a refused commit leaves it as it was', async () => {
    const store = await open()
    await store.commit(part, [put('a')], o())
    const refused = await store.commit(
      part,
      [put('b'), { op: 'del', key: 'a' }, { op: 'check', key: 'c', rev: '0'.repeat(16) }],
      o(),
    )
    expect(refused.ok).toBe(false)
    expect(await server.cli('zrange', '{bank:u:1}!', '0', '-1')).toBe('a')
  })

  it('names whose record is gone are not shown, take no place on a page, and are dropped by whoever meets them', async () => {
    const store = await open()
    const keys = Array.from({ length: 60 }, (_, i) => `k/${100 + i}`)
    for (let i = 0; i < keys.length; i += 15)
      await store.commit(
        part,
        keys.slice(i, i + 15).map((key) => put(key)),
        o(),
      )
    await server.cli('del', ...keys.filter((_, i) => i % 10 !== 9).map((key) => `{bank:u:1}${key}`))
    const left = keys.filter((_, i) => i % 10 === 9)
    expect(await names(store, 3)).toEqual(left.slice(0, 3))
    expect(await card()).toBeLessThan(60)
    expect(await names(store, 1000)).toEqual(left)
    expect(await card()).toBe(6)
  })

  it('a page is full although all before it is expired and still kept, and those stay for slower nodes', async () => {
    const store = await open()
    for (let i = 0; i < 25; i++)
      await store.commit(
        part,
        Array.from({ length: 16 }, (_, k) => put(`a/${i * 16 + k}`, now + 10)),
        o(),
      )
    await store.commit(part, [put('b'), put('c')], o())
    expect(await names(store, 2, now + 10)).toEqual(['b', 'c'])
    expect(await names(store, 1, now + 10)).toEqual(['b'])
    expect(await card()).toBe(402)
    expect(await names(store, 1000)).toHaveLength(402)
  })

  it('a page is one snapshot: what comes in between the two questions is asked for again', async () => {
    let between = async () => {}
    const store = await open({}, (port) => ({
      ...port,
      async eval(sha, script, keys, args) {
        if (script.includes('BYLEX') && keys.length > 1) await between()
        return port.eval(sha, script, keys, args)
      },
    }))
    const mover = await open()
    await store.commit(part, [put('a/1'), put('z')], o())
    let moves = 0
    // The one record moves on, and is at every moment in exactly one place.
    between = async () => {
      if (moves++ >= 5) return
      await mover.commit(part, [{ op: 'del', key: `a/${moves}` }, put(`a/${moves + 1}`)], o())
    }
    expect(await names(store, 10)).toEqual(['a/6', 'z'])
    expect(moves).toBe(6)
  })

  it('names that come faster than they can be read are no page, and no wrong one', async () => {
    let count = 0
    const mover = await open()
    const store = await open({}, (port) => ({
      ...port,
      async eval(sha, script, keys, args) {
        if (script.includes('BYLEX')) await mover.commit(part, [put(`a/${9999 - count++}`)], o())
        return port.eval(sha, script, keys, args)
      },
    }))
    await expect(store.list(part, '', { now, limit: 10 })).rejects.toMatchObject({ code: 'store.overloaded', retryable: true })
  })

  it('listing costs two questions, and one where there is nothing', async () => {
    const store = await open()
    await store.list(part, '', { now, limit: 10 })
    await store.commit(
      part,
      Array.from({ length: 16 }, (_, i) => put(`k/${i}`)),
      o(),
    )
    await server.cli('config', 'resetstat')
    await store.list(part, '', { now, limit: 10 })
    await store.list(part, 'x/', { now, limit: 10 })
    expect((await calls(server)).get('evalsha')).toBe(3)
  })

  it('does not grow without end where nobody lists: expired names leave it by and by', async () => {
    const store = await open({ graceMs: 0 })
    await store.commit(part, [put('for-ever')], o())
    for (let i = 0; i < 150; i++) {
      const ops = Array.from({ length: 16 }, (_, k) => put(`j/${i * 16 + k}`, now + 1))
      await store.commit(part, ops, o())
    }
    await expect.poll(() => server.cli('dbsize'), { timeout: 10_000 }).toBe('2')
    expect(await card()).toBeLessThan(1000)
  })

  it('is the same for two nodes, of which one drops what the other writes again at that moment', async () => {
    const [one, other] = [await open(), await open()]
    for (let round = 0; round < 20; round++) {
      await one.commit(part, [put('k')], o())
      await server.cli('del', '{bank:u:1}k')
      await Promise.all([names(one, 10), other.commit(part, [put('k')], o()), names(one, 10)])
      expect(await names(one, 10)).toEqual(['k'])
    }
  })
})
