/// <reference types="node" />
import type { Commit, Op, Part } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { migratePostgres, type PgPort, postgresStore } from '@postern/store/postgres'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { naturalBatcher, type Settled } from '../../src/internal/batch.js'
import { encodeBatch } from '../../src/internal/postgres/encode.js'
import { platformTimer } from '../../src/internal/timer.js'
import { checkedOps } from '../../src/internal/validate.js'
import { kept, noPostgres, postgresWorld } from '../postgresServer.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 50)
const now = 1_767_225_600_000
const parts: readonly Part[] = [
  { tenant: 'bank', id: 'u:1' },
  { tenant: 'bank', id: 'u:2' },
  { tenant: 'null', id: 'null' },
]
const revOf = (i: number) => String(i).padStart(16, '0')

/** Ops that meet each other often: few keys, one of a name that SQL might take for more, and revs among those the run itself writes. */
const key = fc.constantFrom('a', 'null', 'e/1')
const rev = fc.oneof(fc.constant(null), fc.nat(8).map(revOf))
const value = fc.uint8Array({ maxLength: 3 })
const expiresAt = fc.constantFrom(0, now + 1, now + 2)
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ op: fc.constant('put' as const), key, value, rev, expiresAt }),
  fc.record({ op: fc.constant('put' as const), key, value }),
  fc.record({ op: fc.constant('check' as const), key, rev }),
  fc.record({ op: fc.constant('del' as const), key }),
  fc.record({ op: fc.constant('del' as const), key, rev: fc.nat(8).map(revOf) }),
  fc.record({ op: fc.constant('add' as const), key, by: fc.constantFrom(1, 2, -1), max: fc.constantFrom(1, 2, 5), expiresAt }),
)
const ops = fc.uniqueArray(op, { minLength: 1, maxLength: 3, selector: (one) => one.key })
const commit = fc.record({ part: fc.constantFrom(...parts), ops, at: fc.constantFrom(now, now, now + 1) })
// An expiry that is not after `now` is refused by every driver alike.
const valid = ({ ops, at }: { ops: readonly Op[]; at: number }) =>
  ops.every((one) => !('expiresAt' in one) || one.expiresAt === 0 || one.expiresAt! > at)

describe.skipIf(noPostgres)('PostgreSQL', () => {
  const world = postgresWorld()
  let port: PgPort | undefined

  it(
    'commits that travel together are answered as if they had come one by one, and so are those that travel alone',
    () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(commit.filter(valid), { maxLength: 12, size: 'max' }), { maxLength: 4, size: 'max' }),
          fc.constantFrom(1, 64),
          async (turns, maxBatch) => {
            const table = world.table()
            port ??= kept(world.port())
            await migratePostgres(port, { table })
            const [batched, oneByOne] = [await postgresStore({ port, table, maxBatch }), memoryStore()]
            let count = 0
            for (const turn of turns) {
              const numbered = turn.map(({ part, ops, at }) => ({ part, ops, o: { now: at, rev: revOf(count++) } }))
              const together = await Promise.all(numbered.map(({ part, ops, o }) => batched.commit(part, ops, o)))
              const apart: Commit[] = []
              for (const { part, ops, o } of numbered) apart.push(await oneByOne.commit(part, ops, o))
              expect(together).toEqual(apart)
            }
            for (const part of parts)
              expect(await batched.list(part, '', { now, limit: 9 })).toEqual(await oneByOne.list(part, '', { now, limit: 9 }))
            expect(await batched.outbox!({ now, limit: 9 })).toEqual(await oneByOne.outbox!({ now, limit: 9 }))
            await world.server.psql(`drop table ${table}`)
          },
        ),
        { numRuns },
      ),
    300_000,
  )
})

describe('a batch', () => {
  const batch = fc.array(
    fc.record({ place: fc.constantFrom('t:1', 't:2'), ops }).map(({ place, ops }, i = 0) => ({
      place,
      ops: checkedOps(ops, { now: 0, rev: revOf(i) }),
      now: 0,
      rev: revOf(i),
      bytes: 0,
    })),
    { minLength: 1, maxLength: 20, size: 'max' },
  )

  it('has no key twice in a wave, no commit in two waves, and what shares a key in the order it came', () =>
    fc.assert(
      fc.property(batch, (commits) => {
        const { values, slots } = encodeBatch(commits)
        const ends = String(values[0]).slice(1, -1).split(',').map(Number)
        expect(ends.at(-1)).toBe(slots.length)
        const waves = ends.map((end, i) => slots.slice(ends[i - 1] ?? 0, end))
        const waveOf = new Map<number, number>()
        waves.forEach((wave, w) => {
          const names = wave.map(({ commit, at }) => `${commits[commit]!.place} ${commits[commit]!.ops[at]!.key}`)
          expect(new Set(names).size).toBe(names.length)
          for (const { commit } of wave) expect(waveOf.get(commit) ?? w).toBe(w)
          for (const { commit } of wave) waveOf.set(commit, w)
        })
        commits.forEach((one, i) => {
          commits.slice(0, i).forEach((earlier, j) => {
            const shared =
              earlier.place === one.place && earlier.ops.some(({ key }) => one.ops.some((other) => other.key === key))
            if (shared) expect(waveOf.get(j)!).toBeLessThan(waveOf.get(i)!)
          })
        })
      }),
      { numRuns: numRuns * 4 },
    ))
})

describe('the batcher', () => {
  it('answers each commit once, keeps the order of a partition, and never has two batches of one under way', () =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.nat(4), { minLength: 1, maxLength: 60, size: 'max' }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 8 }),
        async (s, places, lanes, maxBatch) => {
          const sent: { place: string; n: number; bytes: number }[] = []
          const underWay = new Set<string>()
          let flying = 0
          const batcher = naturalBatcher<{ place: string; n: number; bytes: number }, number>({
            lanes,
            maxBatch,
            maxQueue: 1000,
            maxWaitMs: 60_000,
            timer: platformTimer,
            async send(batch) {
              flying++
              expect(flying).toBeLessThanOrEqual(lanes)
              expect(batch.length).toBeLessThanOrEqual(maxBatch)
              const partitions = new Set(batch.map(({ place }) => place))
              for (const place of partitions) {
                expect(underWay.has(place)).toBe(false)
                underWay.add(place)
              }
              sent.push(...batch)
              await s.schedule(Promise.resolve(), 'the server')
              flying--
              for (const place of partitions) underWay.delete(place)
              return batch.map(({ n }): Settled<number> => (n % 5 === 4 ? { error: new Error(`${n}`) } : { answer: n }))
            },
          })
          const answers = Promise.allSettled(places.map((place, n) => batcher.push({ place: `p${place}`, n, bytes: 0 })))
          let done = false
          void batcher.drained().then(() => {
            done = true
          })
          while (!done) {
            await new Promise((resolve) => setImmediate(resolve))
            if (s.count() > 0) await s.waitOne()
          }
          expect(
            (await answers).map((answer) => (answer.status === 'fulfilled' ? answer.value : Number(answer.reason.message))),
          ).toEqual(places.map((_, n) => n))
          expect(sent).toHaveLength(places.length)
          for (let place = 0; place < 5; place++) {
            const order = sent.filter((one) => one.place === `p${place}`).map(({ n }) => n)
            expect(order).toEqual(order.toSorted((a, b) => a - b))
          }
        },
      ),
      { numRuns },
    ))
})
