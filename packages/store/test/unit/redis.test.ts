/// <reference types="node" />
import { inspect } from 'node:util'
import { type Op, OutcomeUnknown, type Store } from '@postern/store'
import { fromIoredis, type RedisOptions, redisStore } from '@postern/store/redis'
import { settle } from '@postern/store/settle'
import { type DelayingProxy, delayingProxy } from '@postern/testkit/proxy'
import { type RedisServer, startRedis } from '@postern/testkit/servers'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { commitScript, pageScript, tidyScript } from '../../src/internal/redis/script.js'
import { calls, ioredisClient, once, singleClients, skipRedis } from '../redisServer.js'

const part = { tenant: 'bank', id: 'u:1' }
const now = 1_767_225_600_000
const NEVER = 9007199254740991
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const bytes = (text: string) => new TextEncoder().encode(text)
const put = (key: string, more: { value?: Uint8Array; expiresAt?: number; rev?: string | null } = {}): Op => ({
  op: 'put',
  key,
  value: new Uint8Array([120]),
  ...more,
})
const told = (error: { code?: string }) => error.code

const opened: Store[] = []
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
})

describe.skipIf(skipRedis)('redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())
  beforeEach(() => server.cli('flushall'))

  const open = async (options: Partial<RedisOptions> = {}, port = server.port): Promise<Store> => {
    const store = await redisStore({ port: fromIoredis(ioredisClient(port)), ...options })
    opened.push(store)
    return store
  }

  describe('what redis-cli finds', () => {
    it('a record is "<expiresAt> <n> <rev> " and the value, under {tenant:id}key', async () => {
      const store = await open()
      await store.commit(part, [put('code/j1', { value: bytes('fam/1'), expiresAt: now + 60_000 })], {
        now,
        rev: 'AbCdEfGh01234_-z',
      })
      expect(await server.cli('get', '{bank:u:1}code/j1')).toBe(`${now + 60_000} 0 AbCdEfGh01234_-z fam/1`)
      await store.commit(part, [{ op: 'add', key: 'n', by: 7, max: 9 }], { now, rev: 'AbCdEfGh01234_-y' })
      expect(await server.cli('get', '{bank:u:1}n')).toBe(`${NEVER} 7 AbCdEfGh01234_-y `)
    })

    it('a value of all 256 bytes lies there as it is', async () => {
      const store = await open()
      const value = Uint8Array.from({ length: 256 }, (_, i) => i)
      await store.commit(part, [put('k', { value })], o())
      const quoted = await server.cli('--no-raw', 'getrange', '{bank:u:1}k', '36', '-1')
      const names: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, r: 13, '"': 34, '\\': 92 }
      const read = [...quoted.slice(1, -1).matchAll(/\\x(..)|\\(.)|(.)/gs)].map(([, hex, escaped, plain]) =>
        hex ? Number.parseInt(hex, 16) : escaped ? names[escaped]! : plain!.charCodeAt(0),
      )
      expect(Uint8Array.from(read)).toEqual(value)
      expect((await store.read(part, ['k'], { now }))[0]?.value).toEqual(value)
    })

    it('a record lives for expiresAt - now + graceMs, whatever year the caller lives in', async () => {
      const store = await open({ graceMs: 5000 })
      for (const year of [1000, now, 4_102_444_800_000]) {
        await store.commit(part, [put('k', { expiresAt: year + 20_000 })], { ...o(), now: year })
        const ttl = Number(await server.cli('pttl', '{bank:u:1}k'))
        expect(ttl).toBeGreaterThan(24_000)
        expect(ttl).toBeLessThanOrEqual(25_000)
      }
      await store.commit(part, [put('k')], o())
      expect(await server.cli('pttl', '{bank:u:1}k')).toBe('-1')
    })

    it('an add to a live record keeps its life, and one without an end has none', async () => {
      const store = await open({ graceMs: 0 })
      const add = (key: string, expiresAt?: number) =>
        store.commit(part, [{ op: 'add', key, by: 1, max: 9, ...(expiresAt === undefined ? {} : { expiresAt }) }], o())
      await add('n', now + 10_000)
      await add('n', now + 90_000)
      await add('n')
      const ttl = Number(await server.cli('pttl', '{bank:u:1}n'))
      expect(ttl).toBeGreaterThan(9000)
      expect(ttl).toBeLessThanOrEqual(10_000)
      await add('for-ever')
      await add('for-ever', now + 10_000)
      expect(await server.cli('pttl', '{bank:u:1}for-ever')).toBe('-1')
    })

    it('markers that are over leave nothing behind: neither a record nor an index', async () => {
      const store = await open({ graceMs: 2000 })
      for (let i = 0; i < 5; i++)
        await store.commit(part, [put(`j/${i}`, { expiresAt: now + 30 }), put(`c/${i}`, { expiresAt: now + 50 })], o())
      expect(await server.cli('dbsize')).toBe('11')
      await expect.poll(() => server.cli('keys', '*')).toBe('')
    })

    it('the index of a partition lives as long as the longest of its records, and for ever with one that does', async () => {
      const store = await open({ graceMs: 0 })
      const ttl = async () => Number(await server.cli('pttl', '{bank:u:1}!'))
      await store.commit(part, [put('a', { expiresAt: now + 10_000 })], o())
      expect(await ttl()).toBeGreaterThan(9000)
      await store.commit(part, [put('b', { expiresAt: now + 900_000 }), put('c', { expiresAt: now + 1000 })], o())
      expect(await ttl()).toBeGreaterThan(890_000)
      await store.commit(part, [put('a', { expiresAt: now + 1 })], o())
      expect(await ttl()).toBeGreaterThan(890_000)
      await store.commit(part, [put('d')], o())
      expect(await ttl()).toBe(-1)
      await store.commit(part, [put('e', { expiresAt: now + 1000 })], o())
      expect(await ttl()).toBe(-1)
    })

    it('the server knows each script by the name that the driver calls it by', async () => {
      for (const { sha, text } of [commitScript, pageScript, tidyScript])
        expect(await server.cli('script', 'load', text)).toBe(sha)
    })
  })

  describe('numbers', () => {
    it('counters, bounds and expiries are exact up to 2^53 - 1', async () => {
      const store = await open()
      const add = async (by: number, max = NEVER) => {
        const answer = await store.commit(part, [{ op: 'add', key: 'n', by, max }], o())
        return answer.ok ? answer.recs[0]!.n : `refused at ${answer.current?.n}`
      }
      expect(await add(NEVER - 3)).toBe(NEVER - 3)
      expect(await add(1)).toBe(NEVER - 2)
      expect(await add(2)).toBe(NEVER)
      expect(await add(1)).toBe(`refused at ${NEVER}`)
      expect(await add(NEVER)).toBe(`refused at ${NEVER}`)
      expect(await add(-1)).toBe(NEVER - 1)
      expect(await add(1, NEVER - 1)).toBe(`refused at ${NEVER - 1}`)
      expect(await server.cli('get', '{bank:u:1}n')).toContain(` ${NEVER - 1} `)
      expect(await add(-NEVER)).toBe(`refused at ${NEVER - 1}`)
      expect(await add(1 - NEVER)).toBe(0)
      const answer = await store.commit(part, [put('k', { expiresAt: NEVER - 1 })], o())
      expect(answer.ok && answer.recs[0]?.expiresAt).toBe(NEVER - 1)
      expect((await store.read(part, ['k'], { now: NEVER - 2 }))[0]?.expiresAt).toBe(NEVER - 1)
      expect(await store.read(part, ['k'], { now: NEVER - 1 })).toEqual([null])
    })

    it('times before 1970 are times', async () => {
      const store = await open()
      await store.commit(part, [put('k', { expiresAt: -50 })], { ...o(), now: -100 })
      expect((await store.read(part, ['k'], { now: -51 }))[0]?.expiresAt).toBe(-50)
      expect(await store.read(part, ['k'], { now: -50 })).toEqual([null])
      expect(await store.commit(part, [put('k', { rev: null })], { ...o(), now: -51 })).toMatchObject({ ok: false })
    })
  })

  describe.each(singleClients)('over %s', (_name, openPort) => {
    const openBy = async (options: Partial<RedisOptions> = {}, port = server.port): Promise<Store> => {
      const store = await redisStore({ port: await openPort(port), ...options })
      opened.push(store)
      return store
    }

    it('commits of one turn are one write and one script, whatever their partitions, up to 64 records a script', async () => {
      const store = await openBy()
      await store.commit(part, [put('first')], o())
      await server.cli('config', 'resetstat')
      const reads = async () => Number(/total_reads_processed:(\d+)/.exec(await server.cli('info', 'stats'))![1])
      const before = await reads()
      const commits = (count: number, ops: readonly Op[]) =>
        Promise.all(Array.from({ length: count }, (_, i) => store.commit({ ...part, id: `u:${i}` }, ops, o())))
      await commits(64, [put('k')])
      // Two more are the questions of redis-cli.
      expect((await reads()) - before).toBeLessThan(8)
      const counted = await calls(server)
      expect(counted.get('evalsha')).toBe(1)
      expect([...counted.keys()].filter((name) => !/^(evalsha|mget|set|zadd|pttl|info|config.*|command.*)$/.test(name))).toEqual(
        [],
      )
      const eight = Array.from({ length: 8 }, (_, i) => put(`k/${i}`))
      await commits(9, eight)
      expect((await calls(server)).get('evalsha')).toBe(3)
    })

    it('commits that are large are many scripts: none holds the server for long', async () => {
      const store = await openBy()
      await server.cli('config', 'resetstat')
      const value = new Uint8Array(65_536)
      await Promise.all(Array.from({ length: 8 }, (_, i) => store.commit(part, [put(`k/${i}`, { value })], o())))
      expect((await calls(server)).get('evalsha')).toBe(3)
      expect((await store.read(part, ['k/7'], { now }))[0]?.value).toEqual(value)
    })

    it('what one commit of a turn meets is nothing to the others: refused, corrupt, or done', async () => {
      const store = await openBy()
      await server.cli('set', '{bank:u:1}junk', 'what is this')
      const outcomes = await Promise.allSettled([
        store.commit(part, [put('a', { rev: null, value: bytes('first') })], o()),
        store.commit(part, [put('b'), { op: 'add', key: 'junk', by: 1, max: 9 }], o()),
        store.commit(part, [put('c'), put('a', { rev: null })], o()),
        store.commit(part, [{ op: 'add', key: 'n', by: 2, max: 9 }, put('d'), { op: 'check', key: 'b', rev: null }], o()),
      ])
      expect(outcomes).toMatchObject([
        { value: { ok: true } },
        { reason: { code: 'store.corrupt' } },
        { value: { ok: false, at: 1, current: { value: bytes('first') } } },
        { value: { ok: true, recs: [{ n: 2 }, { key: 'd' }, null] } },
      ])
      const there = await store.read(part, ['a', 'b', 'c', 'd', 'n'], { now })
      expect(there.map((rec) => rec?.key)).toEqual(['a', undefined, undefined, 'd', 'n'])
      expect(await server.cli('zrange', '{bank:u:1}!', '0', '-1')).toBe('a\nd\nn')
    })

    it('a reply that is none of the script is an unknown outcome, and no success', async () => {
      const port = await openPort(server.port)
      const odd: readonly unknown[] = ['OK', null, [], [[]], ['done'], [3.5]]
      let reply: unknown
      const store = await redisStore({ port: { ...port, eval: async () => reply } })
      opened.push(store)
      for (reply of odd) await expect(store.commit(part, [put('a')], o())).rejects.toBeInstanceOf(OutcomeUnknown)
    })

    it('a marker over one that is expired and still kept wins, before others of its turn', async () => {
      const store = await openBy({ index: false })
      const marker = (value: string, expiresAt: number) => put('j/1', { rev: null, expiresAt, value: bytes(value) })
      expect(await store.commit(part, [marker('first', now + 1000)], o())).toMatchObject({ ok: true })
      expect(await store.commit(part, [marker('early', now + 1000)], { ...o(), now: now + 999 })).toMatchObject({
        ok: false,
        at: 0,
        current: { value: bytes('first') },
      })
      const answers = await Promise.all(
        ['second', 'third'].map((value) => store.commit(part, [marker(value, now + 9000)], { ...o(), now: now + 1000 })),
      )
      expect(answers).toMatchObject([{ ok: true }, { ok: false, at: 0, current: { value: bytes('second') } }])
    })

    it('a server that forgot its scripts is sent the text, and the commits go on', async () => {
      const store = await openBy()
      await store.commit(part, [put('a')], o())
      await server.cli('script', 'flush')
      await server.cli('config', 'resetstat')
      const answers = await Promise.all(Array.from({ length: 10 }, () => store.commit(part, [put('once', { rev: null })], o())))
      expect(answers.filter(({ ok }) => ok)).toHaveLength(1)
      const counted = await calls(server)
      expect(counted.get('eval')).toBeGreaterThan(0)
      await store.commit(part, [put('b')], o())
      expect((await calls(server)).get('eval')).toBe(counted.get('eval'))
    })

    it('a full memory, a replica, too few replicas: not applied, and reads go on', async () => {
      const store = await openBy()
      await store.commit(part, [put('there')], o())
      const states: readonly [string, string[], string[]][] = [
        ['OOM', ['config', 'set', 'maxmemory', '1'], ['config', 'set', 'maxmemory', '0']],
        ['READONLY', ['replicaof', '127.0.0.1', '1'], ['replicaof', 'no', 'one']],
        ['NOREPLICAS', ['config', 'set', 'min-replicas-to-write', '1'], ['config', 'set', 'min-replicas-to-write', '0']],
      ]
      for (const [reason, into, outOf] of states) {
        await server.cli(...into)
        const error = await store.commit(part, [put('a'), put('b')], o()).catch((one) => one)
        expect(error).toMatchObject({ code: 'store.unavailable', reason, retryable: true })
        expect((await store.read(part, ['there', 'a', 'b'], { now })).map((rec) => rec?.key)).toEqual([
          'there',
          undefined,
          undefined,
        ])
        await server.cli(...outOf)
        expect(await store.commit(part, [put('there')], o())).toMatchObject({ ok: true })
      }
    })

    it('a server that is busy with a script of somebody else: not applied', async () => {
      const store = await openBy()
      await server.cli('config', 'set', 'lua-time-limit', '1')
      const spinning = server.cli('eval', 'while true do end', '0').catch(() => '')
      try {
        await expect.poll(() => server.cli('ping')).toContain('BUSY')
        expect(await store.commit(part, [put('a')], o()).catch((one) => one)).toMatchObject({
          code: 'store.unavailable',
          reason: 'BUSY',
        })
      } finally {
        await server.cli('script', 'kill')
        await spinning
      }
      expect(await store.commit(part, [put('a', { rev: null })], o())).toMatchObject({ ok: true })
    })

    it('a record that the driver did not write is corrupt, to a read, a commit and a list, and is not overwritten', async () => {
      const store = await openBy()
      await server.cli('set', '{bank:u:1}k', 'what is this')
      await server.cli('zadd', '{bank:u:1}!', '0', 'k')
      await expect(store.read(part, ['k'], { now })).rejects.toMatchObject({ code: 'store.corrupt' })
      await expect(store.commit(part, [put('a'), put('k')], o())).rejects.toMatchObject({ code: 'store.corrupt' })
      await expect(store.list(part, '', { now, limit: 9 })).rejects.toMatchObject({ code: 'store.corrupt' })
      const markers = await openBy({ index: false })
      await expect(markers.commit(part, [put('k', { rev: null })], o())).rejects.toMatchObject({ code: 'store.corrupt' })
      expect([await server.cli('get', '{bank:u:1}k'), await server.cli('exists', '{bank:u:1}a')]).toEqual(['what is this', '0'])
    })

    it.each([
      ['an expiry of 17 digits', '99999999999999999 1 AAAAAAAAAAAAAAAA '],
      ['a rev of 15', '9007199254740991 1 AAAAAAAAAAAAAAA '],
      ['a rev of another alphabet', '9007199254740991 1 AAAAAAAAAAAAAA.A '],
      ['a count of 17 digits', '9007199254740991 00000000000000001 AAAAAAAAAAAAAAAA '],
    ])('a record with %s is corrupt before anything is written', async (_what, record) => {
      const store = await openBy()
      await server.cli('set', '{bank:u:1}n', record)
      const commit = store.commit(part, [put('a'), { op: 'add', key: 'n', by: 1, max: 9 }], o())
      await expect(commit).rejects.toMatchObject({ code: 'store.corrupt' })
      expect([await server.cli('get', '{bank:u:1}n'), await server.cli('exists', '{bank:u:1}a')]).toEqual([record, '0'])
    })

    it('time() is the clock of the server', async () => {
      const store = await openBy()
      const [seconds] = (await server.cli('time')).split('\n')
      expect(Math.abs((await store.time!()) - Number(seconds) * 1000)).toBeLessThan(2000)
    })

    it('closing answers what waits, ends the client, and is closed', async () => {
      const store = await openBy()
      const before = Number(await server.cli('client', 'list').then((list) => list.split('\n').length))
      const answers = Array.from({ length: 20 }, (_, i) => store.commit(part, [put(`k/${i}`)], o()))
      await store.close()
      expect((await Promise.all(answers)).every(({ ok }) => ok)).toBe(true)
      expect(await server.cli('zcard', '{bank:u:1}!')).toBe('20')
      expect((await server.cli('client', 'list')).split('\n').length).toBeLessThan(before)
      await expect(store.commit(part, [put('k')], o())).rejects.toMatchObject({ code: 'store.closed' })
    })

    describe('behind a link', () => {
      let link: DelayingProxy
      beforeEach(async () => {
        link = await delayingProxy({ target: server.port })
      })
      afterEach(() => link.close())

      it('an answer that is lost is an unknown outcome, and the client sends nothing twice', async () => {
        const store = await openBy({}, link.port)
        await store.commit(part, [put('k', { rev: null })], o())
        await server.cli('config', 'resetstat')
        link.cutAfter('down', 1)
        const { rev } = o()
        const ops = [put('lost', { rev: null })]
        const error = await store.commit(part, ops, { now, rev }).catch((one) => one)
        expect(error).toBeInstanceOf(OutcomeUnknown)
        expect(error.rev).toBe(rev)
        // A read goes through only when the client has come back; by then it would have sent its commit again.
        expect((await store.read(part, ['lost'], { now }))[0]?.rev).toBe(rev)
        expect((await calls(server)).get('evalsha')).toBe(1)
        expect(await settle(store, part, ops, { now, rev })).toMatchObject({ ok: true })
      })

      it('without a connection nothing is sent: unavailable, not unknown, then and later', async () => {
        const store = await openBy({}, link.port)
        await link.close()
        for (let i = 0; i < 3; i++) {
          const error = await store.commit(part, [put('never')], o()).catch((one) => one)
          // The first may have left before the client noticed.
          if (i > 0) expect(told(error)).toBe('store.unavailable')
        }
        await expect(store.read(part, ['never'], { now })).rejects.toMatchObject({ code: 'store.unavailable' })
        await expect(store.list(part, '', { now, limit: 1 })).rejects.toMatchObject({ code: 'store.unavailable' })
        await expect(store.time!()).rejects.toMatchObject({ code: 'store.unavailable' })
        expect(await server.cli('exists', '{bank:u:1}never')).toBe('0')
      })

      it('what the end of a connection catches before it was written is answered, though no other connection comes', async () => {
        const store = await openBy({}, link.port)
        const outcomes: string[] = []
        const commits = Array.from({ length: 30 }, (_, i) =>
          store.commit(part, [put(`k/${i}`)], o()).then(
            () => outcomes.push('ok'),
            (error) => outcomes.push(error.code),
          ),
        )
        const closing = link.close()
        const late = new Promise((resolve) => setTimeout(resolve, 4000, 'late'))
        expect(await Promise.race([Promise.all(commits), late])).not.toBe('late')
        await closing
        for (const outcome of outcomes) expect(['ok', 'store.outcome_unknown', 'store.unavailable']).toContain(outcome)
      })

      it('as many calls as `maxQueue` may be unanswered, reads among them; one more is refused at once', async () => {
        const store = await openBy({ maxQueue: 5 }, link.port)
        link.stall()
        const waiting = [
          ...Array.from({ length: 4 }, (_, i) => store.commit(part, [put(`k/${i}`)], o())),
          store.read(part, ['k/0'], { now }),
        ]
        await expect(store.commit(part, [put('more')], o())).rejects.toMatchObject({ code: 'store.overloaded' })
        await expect(store.read(part, ['more'], { now })).rejects.toMatchObject({ code: 'store.overloaded' })
        link.resume()
        await Promise.all(waiting)
        expect(await store.commit(part, [put('more')], o())).toMatchObject({ ok: true })
      })

      it('an error tells no key, no id and no value, however it is looked at', async () => {
        const store = await openBy({}, link.port)
        const secret = { tenant: 'bank', id: 'secret-id' }
        await server.cli('config', 'set', 'maxmemory', '1')
        const refused = await store.commit(secret, [put('secret-key', { value: bytes('secret-value') })], o()).catch((one) => one)
        await server.cli('config', 'set', 'maxmemory', '0')
        link.cutAfter('down', 1)
        const unknown = await store.commit(secret, [put('secret-key', { value: bytes('secret-value') })], o()).catch((one) => one)
        await server.cli('set', '{bank:secret-id}!', 'secret-value')
        const failed = await store.list(secret, 'secret', { now, limit: 1 }).catch((one) => one)
        expect([refused, unknown, failed].map(told)).toEqual(['store.unavailable', 'store.outcome_unknown', 'store.unavailable'])
        for (const error of [refused, unknown, failed])
          expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/secret|115, 101, 99/)
      })
    })
  })

  it('a client that gives up on an answer leaves an unknown outcome', async () => {
    const link = await delayingProxy({ target: server.port })
    const client = new Redis({ port: link.port, commandTimeout: 100, ...once })
    const store = await redisStore({ port: fromIoredis(client) })
    link.stall()
    await expect(store.commit(part, [put('late')], o())).rejects.toBeInstanceOf(OutcomeUnknown)
    link.resume()
    await expect.poll(() => server.cli('exists', '{bank:u:1}late')).toBe('1')
    await store.close()
    await link.close()
  })

  it('options that are no whole numbers are refused', async () => {
    for (const options of [
      { graceMs: -1 },
      { graceMs: 0.5 },
      { wait: { replicas: 0, timeoutMs: 1 } },
      { wait: { replicas: 1, timeoutMs: 0 } },
    ])
      await expect(open(options)).rejects.toMatchObject({ code: 'store.invalid' })
  })

  it('a store without an index cannot list, and keeps none', async () => {
    const store = await open({ index: false })
    await store.commit(part, [put('a'), put('b')], o())
    await expect(store.list(part, '', { now, limit: 1 })).rejects.toMatchObject({ code: 'store.list_disabled' })
    expect((await server.cli('keys', '*')).split('\n').sort()).toEqual(['{bank:u:1}a', '{bank:u:1}b'])
    expect([store.outbox, store.sweep]).toEqual([undefined, undefined])
  })
})
