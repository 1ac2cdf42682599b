/// <reference types="node" />
import { setTimeout as sleep } from 'node:timers/promises'
import { isPosternError } from '@postern/core/errors'
import type { Op, Store } from '@postern/store'
import { type RedisOptions, redisStore } from '@postern/store/redis'
import { type RedisServer, startRedisCluster } from '@postern/testkit/servers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { slotOf } from '../../src/internal/redis/slot.js'
import { calls, clusterClients, skipRedis } from '../redisServer.js'

const now = 1_767_225_600_000
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const put = (key: string, more: { rev?: string | null; expiresAt?: number } = {}): Op => ({
  op: 'put',
  key,
  value: new Uint8Array([1]),
  ...more,
})
const parts = Array.from({ length: 60 }, (_, i) => ({ tenant: 'bank', id: `u:${i}` }))

let cluster: Awaited<ReturnType<typeof startRedisCluster>>
let primaries: readonly RedisServer[]
beforeAll(async () => {
  if (skipRedis) return
  cluster = await startRedisCluster()
  primaries = cluster.nodes.slice(0, 3)
}, 300_000)
afterAll(() => cluster?.stop())

/** Where the cluster has a slot, and another primary. */
async function placesOf(slot: number): Promise<readonly [RedisServer, RedisServer]> {
  const ports = (await primaries[0]!.cli('cluster', 'nodes')).split('\n').flatMap((line) => {
    const [, address = '', flags = '', , , , , , ...ranges] = line.split(' ')
    const holds = ranges.some((range) => {
      const [from = '', to = from] = range.split('-')
      return Number(from) <= slot && slot <= Number(to)
    })
    return flags.includes('master') && holds ? [Number(/:(\d+)@/.exec(address)![1])] : []
  })
  const owner = primaries.find(({ port }) => ports.includes(port))!
  return [owner, primaries.find((node) => node !== owner)!]
}

const setSlot = (node: RedisServer, slot: number, ...state: string[]) => node.cli('cluster', 'setslot', String(slot), ...state)

/** Moves a slot to another primary, and does something while it is under way. */
async function whileMoving(slot: number, work = async (_from: RedisServer, _to: RedisServer) => {}): Promise<void> {
  const [from, to] = await placesOf(slot)
  await setSlot(to, slot, 'importing', await from.cli('cluster', 'myid'))
  await setSlot(from, slot, 'migrating', await to.cli('cluster', 'myid'))
  try {
    await work(from, to)
  } finally {
    await endMove(slot, from, to)
  }
}

async function endMove(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
  const keys = (await from.cli('cluster', 'getkeysinslot', String(slot), '1000')).split('\n').filter(Boolean)
  if (keys.length > 0) await from.cli('migrate', '127.0.0.1', String(to.port), '', '0', '5000', 'keys', ...keys)
  const id = await to.cli('cluster', 'myid')
  for (const node of [to, from, ...primaries]) await setSlot(node, slot, 'node', id)
}

describe.skipIf(skipRedis).each(clusterClients)('redis cluster over %s', (_name, openPort) => {
  const opened: Store[] = []
  beforeEach(async () => {
    for (const node of primaries) await node.cli('flushall')
  })
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close()
  })
  const open = async (options: Partial<RedisOptions> = {}): Promise<Store> => {
    const store = await redisStore({ port: await openPort(primaries[0]!.port), ...options })
    opened.push(store)
    return store
  }

  it('a partition is one slot, and partitions are spread over the primaries', async () => {
    const store = await open()
    await Promise.all(parts.map((part) => store.commit(part, [put('a'), put('b')], o())))
    for (const node of primaries) expect(Number(await node.cli('dbsize'))).toBeGreaterThan(20)
    for (const { tenant, id } of parts.slice(0, 5))
      for (const key of ['a', 'code/j1', '!']) {
        const name = `{${tenant}:${id}}${key}`
        expect(await primaries[0]!.cli('cluster', 'keyslot', name)).toBe(String(slotOf(name)))
      }
    expect(await Promise.all(parts.map((part) => store.list(part, '', { now, limit: 9 })))).toMatchObject(
      parts.map(() => [{ key: 'a' }, { key: 'b' }]),
    )
    expect(typeof (await store.time!())).toBe('number')
  })

  it('commits of one turn are one write to each primary', async () => {
    const store = await open()
    await store.commit(parts[0]!, [put('a')], o())
    const reads = async () => {
      const each = await Promise.all(primaries.map((node) => node.cli('info', 'stats')))
      return each.reduce((sum, stats) => sum + Number(/total_reads_processed:(\d+)/.exec(stats)![1]), 0)
    }
    await Promise.all(parts.map((part) => store.commit(part, [put('a')], o())))
    const before = await reads()
    await Promise.all(parts.map((part) => store.commit(part, [put('b')], o())))
    // Questions of redis-cli and the nodes' own talk are among them.
    expect((await reads()) - before).toBeLessThan(40)
  })

  it('a slot that is moving answers ASK, and a commit is made once, where it belongs', async () => {
    const store = await open({ index: false })
    const part = { tenant: 'bank', id: 'moving' }
    await whileMoving(slotOf('{bank:moving}'), async (from, to) => {
      for (const node of [from, to]) await node.cli('config', 'resetstat')
      expect(await store.commit(part, [put('a', { rev: null })], o())).toMatchObject({ ok: true })
      expect(await store.commit(part, [{ op: 'add', key: 'n', by: 1, max: 9 }], o())).toMatchObject({ ok: true })
      expect((await store.read(part, ['a'], { now }))[0]?.key).toBe('a')
      expect([(await calls(from)).get('set'), (await calls(to)).get('set')]).toEqual([undefined, 2])
    })
    expect(await store.commit(part, [put('a', { rev: null })], o())).toMatchObject({ ok: false })
    expect((await store.read(part, ['n'], { now }))[0]?.n).toBe(1)
  })

  it('a slot that has moved is followed, again and again, without a commit lost or made twice', async () => {
    const store = await open()
    const part = { tenant: 'bank', id: 'restless' }
    const slot = slotOf('{bank:restless}')
    let done = 0
    for (let round = 0; round < 4; round++) {
      await whileMoving(slot)
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => store.commit(part, [{ op: 'add', key: 'n', by: 1, max: 999 }], o())),
      )
      done += answers.filter(({ ok }) => ok).length
      expect((await store.read(part, ['n'], { now }))[0]?.n).toBe(done)
    }
    expect(done).toBe(40)
  })

  it('half of a partition on either side is unavailable, and nothing was done', async () => {
    const store = await open()
    const part = { tenant: 'bank', id: 'torn' }
    await store.commit(part, [put('a')], o())
    await whileMoving(slotOf('{bank:torn}'), async () => {
      const error = await store.commit(part, [put('b')], o()).catch((one) => one)
      expect(error).toMatchObject({ code: 'store.unavailable', reason: 'TRYAGAIN', retryable: true })
    })
    expect((await store.read(part, ['a', 'b'], { now })).map((rec) => rec?.key)).toEqual(['a', undefined])
  })

  it('a slot that nobody serves is unavailable', async () => {
    const store = await open()
    const part = { tenant: 'bank', id: 'lost' }
    const slot = slotOf('{bank:lost}')
    const [owner] = await placesOf(slot)
    await owner.cli('cluster', 'delslots', String(slot))
    const error = await store.commit(part, [put('a')], o()).catch((one) => one)
    expect(error).toMatchObject({ code: 'store.unavailable', reason: 'CLUSTERDOWN' })
    await expect(store.read(part, ['a'], { now })).rejects.toMatchObject({ code: 'store.unavailable' })
    await owner.cli('cluster', 'addslots', String(slot))
    await expect.poll(() => owner.cli('cluster', 'info')).toContain('cluster_state:ok')
    expect(await store.commit(part, [put('a')], o())).toMatchObject({ ok: true })
  })

  it('waits for replicas on each primary, and what moved meanwhile was not done', async () => {
    const store = await open({ wait: { replicas: 1, timeoutMs: 1000 } })
    const answers = await Promise.all(parts.map((part) => store.commit(part, [put('a')], o())))
    expect(answers.every(({ ok }) => ok)).toBe(true)
    const part = { tenant: 'bank', id: 'waiting' }
    await whileMoving(slotOf('{bank:waiting}'))
    const error = await store.commit(part, [put('a')], o()).catch((one) => one)
    expect(error).toMatchObject({ code: 'store.unavailable', reason: 'MOVED' })
    await expect.poll(async () => (await store.commit(part, [put('a')], o()).catch(() => ({ ok: false }))).ok).toBe(true)
  })
})

describe.skipIf(skipRedis)('a primary of the cluster dies', () => {
  it.each(clusterClients)(
    'commits fail until its replica takes over, and then go on; none is told falsely, over %s',
    async (name, openPort) => {
      // One primary each, since it does not come back as one.
      const victim = primaries[name === 'ioredis' ? 1 : 2]!
      const store = await redisStore({ port: await openPort(primaries[0]!.port) })
      const theirs: (typeof parts)[number][] = []
      for (const part of parts) if ((await placesOf(slotOf(`{bank:${part.id}}`)))[0] === victim) theirs.push(part)
      expect(theirs.length).toBeGreaterThan(5)
      const count = new Map<(typeof parts)[number], number>()
      const add = async (part: (typeof parts)[number]) => {
        const answer = await store.commit(part, [{ op: 'add', key: `after/${name}`, by: 1, max: 9999 }], o())
        count.set(part, (count.get(part) ?? 0) + 1)
        return answer.ok
      }
      await Promise.all(theirs.map(add))
      const dying = victim.kill()
      const codes = new Set<string>()
      let back = false
      for (let left = 150; left > 0 && !back; left--) {
        const outcomes = await Promise.allSettled(theirs.map(add))
        for (const outcome of outcomes)
          if (outcome.status === 'rejected')
            codes.add(isPosternError(outcome.reason) ? outcome.reason.code : String(outcome.reason))
        back = outcomes.every(({ status }) => status === 'fulfilled')
        await sleep(100)
      }
      await dying
      expect(back).toBe(true)
      for (const code of codes) expect(['store.unavailable', 'store.outcome_unknown']).toContain(code)
      for (const part of theirs) {
        const [rec] = await store.read(part, [`after/${name}`], { now })
        // Loopback loses nothing; what was unknown may count.
        expect(rec!.n).toBeGreaterThanOrEqual(count.get(part)!)
      }
      await store.close()
    },
    300_000,
  )
})
