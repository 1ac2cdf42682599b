/// <reference types="node" />
import type { Commit, Op, Part, Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { fromIoredis, type RedisOptions, redisStore } from '@postern/store/redis'
import { type RedisServer, startRedis } from '@postern/testkit/servers'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeRecord, headOf } from '../../src/internal/redis/record.js'
import { keyWithin, slotOf } from '../../src/internal/redis/slot.js'
import { ioredisClient, skipRedis } from '../redisServer.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const now = 1_767_225_600_000
const MOST = Number.MAX_SAFE_INTEGER
const parts: readonly Part[] = [
  { tenant: 'bank', id: 'u:1' },
  { tenant: 'bank', id: 'u:2' },
]
const revOf = (i: number) => String(i).padStart(16, '0')

/** Ops that meet each other often: three keys, revs among those that the run itself writes, numbers at the edge of what is exact. */
const key = fc.constantFrom('a', 'b', 'b/1')
const rev = fc.oneof(fc.constant(null), fc.nat(8).map(revOf))
const value = fc.uint8Array({ maxLength: 300 })
const expiresAt = fc.constantFrom(0, now + 1, now + 5, MOST - 1)
const number = fc.oneof(
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: MOST - 3, max: MOST }),
  fc
    .maxSafeNat()
    .map((n) => n + 1)
    .filter((n) => n <= MOST),
)
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ op: fc.constant('put' as const), key, value, rev, expiresAt }),
  fc.record({ op: fc.constant('put' as const), key, value, expiresAt }),
  fc.record({ op: fc.constant('check' as const), key, rev }),
  fc.record({ op: fc.constant('del' as const), key }),
  fc.record({ op: fc.constant('del' as const), key, rev: fc.nat(8).map(revOf) }),
  fc.record({
    op: fc.constant('add' as const),
    key,
    by: fc.tuple(number, fc.boolean()).map(([n, less]) => (less ? -n : n)),
    max: number,
    expiresAt,
  }),
)
const commit = fc
  .record({
    part: fc.constantFrom(...parts),
    ops: fc.uniqueArray(op, { minLength: 1, maxLength: 3, selector: (one) => one.key }),
    at: fc.constantFrom(now - 1, now, now + 4),
  })
  // None is born expired.
  .map(({ part, ops, at }) => ({
    part,
    at,
    ops: ops.map((one): Op => ('expiresAt' in one && one.expiresAt! <= at ? { ...one, expiresAt: 0 } : one)),
  }))

describe.skipIf(skipRedis)('redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())

  it.each<[string, number, Partial<RedisOptions>]>([
    ['of one turn', 8, {}],
    ['of one turn, without an index,', 8, { index: false }],
    ['each in its own turn', 1, {}],
  ])('commits %s are answered as memory answers them one by one, to the last digit', async (_how, maxLength, options) => {
    const redis = await redisStore({ port: fromIoredis(ioredisClient(server.port)), ...options })
    const empty = async () => {
      for (const part of parts)
        await redis.commit(
          part,
          ['a', 'b', 'b/1'].map((one) => ({ op: 'del', key: one }) as const),
          { now, rev: revOf(0) },
        )
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(commit, { maxLength, size: 'max' }), { maxLength: 32 / maxLength, size: 'max' }),
        async (turns) => {
          await empty()
          const memory = memoryStore()
          let count = 0
          for (const turn of turns) {
            const calls = turn.map(
              ({ part, ops, at }) =>
                (store: Store, i: number): Promise<Commit> =>
                  store.commit(part, ops, { now: at, rev: revOf(i) }),
            )
            const together = await Promise.all(calls.map((call, i) => call(redis, count + i)))
            for (const [i, call] of calls.entries()) expect(together[i]).toEqual(await call(memory, count + i))
            count += calls.length
          }
          for (const part of parts)
            for (const at of [now, now + 4, now + 5]) {
              expect(await redis.read(part, ['a', 'b', 'b/1'], { now: at })).toEqual(
                await memory.read(part, ['a', 'b', 'b/1'], { now: at }),
              )
              if (options.index !== false)
                expect(await redis.list(part, 'b', { now: at, limit: 9 })).toEqual(
                  await memory.list(part, 'b', { now: at, limit: 9 }),
                )
            }
        },
      ),
      { numRuns },
    )
    await redis.close()
  })

  it('an index never lacks a record, and pages of any size are what is live', async () => {
    const redis = await redisStore({ port: fromIoredis(ioredisClient(server.port)) })
    let place = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.stringMatching(/^[a-z/~-]{1,4}$/), fc.constantFrom('put', 'marker', 'del', 'lost')), {
          maxLength: 30,
          size: 'max',
        }),
        fc.integer({ min: 1, max: 7 }),
        async (steps, limit) => {
          const part = { tenant: 'bank', id: `p:${++place}` }
          const live = new Set<string>()
          for (const [i, [name, what]] of steps.entries()) {
            // A record that the server dropped behind the index's back.
            if (what === 'lost') await server.cli('del', `{bank:p:${place}}${name}`)
            else if (what === 'del') await redis.commit(part, [{ op: 'del', key: name }], { now, rev: revOf(i) })
            else {
              const end = what === 'marker' ? now + 1 : 0
              await redis.commit(part, [{ op: 'put', key: name, value: new Uint8Array(0), expiresAt: end }], {
                now,
                rev: revOf(i),
              })
            }
            if (what === 'put') live.add(name)
            else live.delete(name)
          }
          const listed: string[] = []
          for (let page = [''] as readonly string[]; page.length > 0; ) {
            const after = listed.at(-1)
            page = (await redis.list(part, '', { now: now + 1, limit, ...(after === undefined ? {} : { after }) })).map(
              (rec) => rec.key,
            )
            listed.push(...page)
          }
          expect(listed).toEqual([...live].sort())
        },
      ),
      { numRuns: Math.ceil(numRuns / 4) },
    )
    await redis.close()
  })

  it('the slot of a key is what a server of a cluster says', async () => {
    const node = await startRedis({ settings: { 'cluster-enabled': 'yes' } })
    const client = ioredisClient(node.port)
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[a-z0-9{}:!]{0,20}$/), async (name) => {
        expect(slotOf(name)).toBe(await client.call('cluster', ['keyslot', name]))
      }),
      { numRuns: numRuns * 5 },
    )
    await client.quit()
    await node.stop()
  })
})

describe('records', () => {
  const integer = fc.maxSafeInteger()

  it('read back as what they were', () =>
    fc.assert(
      fc.property(
        integer,
        fc.maxSafeNat(),
        fc.stringMatching(/^[A-Za-z0-9_-]{16}$/),
        fc.uint8Array({ maxLength: 100 }),
        (x, n, name, bytes) => {
          const record = Uint8Array.from([...new TextEncoder().encode(headOf(x, n, name)), ...bytes])
          expect(decodeRecord('k', record)).toEqual({
            key: 'k',
            value: bytes,
            n,
            rev: name,
            expiresAt: x,
          })
        },
      ),
      { numRuns: numRuns * 5 },
    ))

  it('that are anything else are corrupt', () =>
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.string({ maxLength: 60 }), fc.constant(null), fc.integer()),
        (junk) => {
          expect(() => decodeRecord('k', junk)).toThrow('store.corrupt')
        },
      ),
      { numRuns: numRuns * 5 },
    ))
})

it('any slot can be reached by a key', () =>
  fc.assert(
    fc.property(fc.nat(16_383), fc.nat(100), (first, more) => {
      const last = Math.min(first + more, 16_383)
      const slot = slotOf(keyWithin(first, last))
      expect(slot >= first && slot <= last).toBe(true)
    }),
    { numRuns },
  ))
