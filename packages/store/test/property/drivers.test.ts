import type { Op, Part } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { sqliteStore } from '@postern/store/sqlite'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partOf, placeOf } from '../../src/internal/validate.js'
import { openLibsql } from '../sqliteFiles.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const now = 1_767_225_600_000
const parts: readonly Part[] = [
  { tenant: 'bank', id: 'u:1' },
  { tenant: 'bank', id: 'u:2' },
]
const revOf = (i: number) => String(i).padStart(16, '0')

/** Ops that meet each other often: three keys, and revs among those that the run itself writes. */
const rev = fc.oneof(fc.constant(null), fc.nat(8).map(revOf))
const key = fc.constantFrom('a', 'b', 'e/1')
const value = fc.uint8Array({ maxLength: 2 })
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ op: fc.constant('put' as const), key, value, rev }),
  fc.record({ op: fc.constant('put' as const), key, value }),
  fc.record({ op: fc.constant('check' as const), key, rev }),
  fc.record({ op: fc.constant('del' as const), key }),
  fc.record({ op: fc.constant('del' as const), key, rev: fc.nat(8).map(revOf) }),
  fc.record({ op: fc.constant('add' as const), key, by: fc.constantFrom(1, 2, -1), max: fc.constantFrom(2, 5) }),
)
const commit = fc.tuple(fc.constantFrom(...parts), fc.uniqueArray(op, { minLength: 1, maxLength: 3, selector: (one) => one.key }))

describe('drivers', () => {
  it('commits that share one transaction are answered as if they had come one by one', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(commit, { maxLength: 8, size: 'max' }), { maxLength: 4, size: 'max' }),
        async (turns) => {
          const [batched, oneByOne] = [sqliteStore(openLibsql(':memory:')), memoryStore()]
          let count = 0
          for (const turn of turns) {
            const numbered = turn.map(([part, ops]) => ({ part, ops, o: { now, rev: revOf(count++) } }))
            const together = await Promise.all(numbered.map(({ part, ops, o }) => batched.commit(part, ops, o)))
            for (const [i, { part, ops, o }] of numbered.entries())
              expect(together[i]).toEqual(await oneByOne.commit(part, ops, o))
          }
          for (const part of parts)
            expect(await batched.list(part, '', { now, limit: 9 })).toEqual(await oneByOne.list(part, '', { now, limit: 9 }))
          expect(await batched.outbox!({ now, limit: 9 })).toEqual(await oneByOne.outbox!({ now, limit: 9 }))
          await batched.close()
        },
      ),
      { numRuns },
    ))

  it('a sweep shows nothing to a reader: whatever it removes was absent before', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ lives: fc.integer({ min: 1, max: 50 }), waits: fc.nat(30) }), { maxLength: 20 }),
        async (steps) => {
          const swept = memoryStore({ graceMs: 10 })
          const left = memoryStore()
          let time = now
          for (const [i, { lives, waits }] of steps.entries()) {
            const ops: Op[] = [{ op: 'put', key: `k/${i}`, value: new Uint8Array(0), expiresAt: time + lives }]
            for (const store of [swept, left]) await store.commit(parts[i % 2]!, ops, { now: time, rev: revOf(i) })
            time += waits
            await swept.sweep!(time, i % 2)
            for (const part of parts)
              expect(await swept.list(part, '', { now: time, limit: 99 })).toEqual(
                await left.list(part, '', { now: time, limit: 99 }),
              )
          }
        },
      ),
      { numRuns },
    ))
})

describe('the name of a partition', () => {
  it('reads back as what it was, and no two have one', () =>
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9-]{1,63}$/), fc.stringMatching(/^[A-Za-z0-9._:~-]{1,128}$/), (tenant, id) => {
        expect(partOf(placeOf({ tenant, id }))).toEqual({ tenant, id })
      }),
      { numRuns },
    ))

  it('H22 path traversal, NUL, braces, case and other alphabets never get in', () =>
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        const ask = (part: Part) => {
          try {
            return placeOf(part)
          } catch {
            return null
          }
        }
        if (!/^[a-z0-9-]+$/.test(text) || text.endsWith('\n')) expect(ask({ tenant: text, id: 'u' })).toBeNull()
        if (/[^A-Za-z0-9._:~-]/.test(text) || text === '') expect(ask({ tenant: 'bank', id: text })).toBeNull()
      }),
      { numRuns: numRuns * 5 },
    ))
})
