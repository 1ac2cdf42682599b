import { PosternError } from '@postern/core/errors'
import type { PosternEvent } from '@postern/core/events'
import type { Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { query } from '../../src/query.js'
import { accept, emptyMinute, flush, type Minute, mergeMinutes } from '../../src/rollup.js'
import { seal } from '../../src/seal.js'
import { counter, HOUR, logOf } from './world.js'

const start = Date.UTC(2026, 9, 1)
const now = start + 6 * HOUR
const login = (n: number, at: number, subject = `u${n}`): PosternEvent => ({
  id: `id${String(n).padStart(6, '0')}`,
  at,
  tenant: 'demo',
  type: 'login.succeeded',
  outcome: 'success',
  subject,
  device: `d-${subject}`,
  app: 'bank',
  appVersion: '1.0',
  platform: 'ios',
  osVersion: '26.1',
  authenticator: 'pin',
})
const acceptAll = (events: readonly PosternEvent[]): Minute => events.reduce(accept, emptyMinute)
const totals = async (store: Store, graph = 'logins') =>
  (await query(store, { tenant: 'demo', graph, from: start, to: now, now, step: 'hour' })).series.map((s) => s.total)

it('accept is pure: the accumulator it was given stays as it was', () => {
  const one = accept(emptyMinute, login(1, start))
  const before = JSON.stringify([...one.pending].map(([k, v]) => [k, [...v.cells]]))
  accept(accept(one, login(2, start)), login(3, start + 60_000))
  expect(JSON.stringify([...one.pending].map(([k, v]) => [k, [...v.cells]]))).toBe(before)
  expect(emptyMinute.pending.size).toBe(0)
})

it('an event without a usable time is ignored', () => {
  for (const at of [Number.NaN, Number.POSITIVE_INFINITY, -1]) expect(accept(emptyMinute, login(1, at))).toBe(emptyMinute)
})

it('what is flushed, however it is cut over nodes and flushes, adds up to the events', () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(6 * 60 - 1), fc.nat(8), fc.nat(2)), { maxLength: 60 }), async (drawn) => {
      const store = memoryStore()
      const random = counter()
      const events = drawn.map(([minute, user], i) => login(i, start + minute * 60_000 + i, `u${user}`))
      for (const node of [0, 1, 2]) {
        const mine = events.filter((_, i) => drawn[i]![2] === node)
        const cut = Math.floor(mine.length / 2)
        for (const part of [mine.slice(0, cut), mine.slice(cut)])
          expect((await flush(store, acceptAll(part), { node: `n${node}`, now, random })).pending.size).toBe(0)
      }
      expect(await totals(store)).toEqual([events.length, new Set(events.map((e) => e.subject)).size])
    }),
    { numRuns: 25 },
  ))

it('a store that is down loses nothing: what was not written comes back and is written later', async () => {
  const store = memoryStore()
  const down: Store = { ...store, read: () => Promise.reject(new PosternError('store.unavailable')) }
  const random = counter()
  const left = await flush(down, acceptAll([login(1, start)]), { node: 'a', now, random })
  const again = await flush(store, mergeMinutes(acceptAll([login(2, start)]), left), { node: 'a', now, random })
  expect(again.pending.size).toBe(0)
  expect(await totals(store)).toEqual([2, 2])
})

it('a store that goes down between read and commit loses nothing either, and is asked once; a write nobody knows of counts as written', async () => {
  const store = memoryStore()
  const random = counter()
  let sent = 0
  const failing = (code: 'store.unavailable' | 'store.outcome_unknown'): Store => ({
    ...store,
    commit() {
      sent++
      return Promise.reject(new PosternError(code))
    },
  })
  const taken = acceptAll([login(1, start)])
  expect((await flush(failing('store.unavailable'), taken, { node: 'a', now, random })).pending.size).toBe(taken.pending.size)
  const batches = sent
  expect((await flush(failing('store.unavailable'), taken, { node: 'a', now, random })).pending.size).toBe(taken.pending.size)
  expect(sent).toBe(2 * batches)
  expect((await flush(failing('store.outcome_unknown'), taken, { node: 'a', now, random })).pending.size).toBe(0)
  await expect(
    seal(failing('store.unavailable'), logOf([login(1, start)]), start / HOUR, { tenant: 'demo', now, random }),
  ).rejects.toMatchObject({ code: 'store.unavailable' })
})

it('two writers under one node name cannot overwrite each other', async () => {
  const store = memoryStore()
  const random = counter()
  const rest = await Promise.all([1, 2, 3].map((n) => flush(store, acceptAll([login(n, start)]), { node: 'a', now, random })))
  const again = await flush(store, rest.reduce(mergeMinutes), { node: 'a', now, random })
  expect((await flush(store, again, { node: 'a', now, random })).pending.size).toBe(0)
  expect((await totals(store))[0]).toBe(3)
})

it('N9 a sealed hour is the log, whatever was live; sealing again changes nothing; a late event is taken in', async () => {
  const store = memoryStore()
  const random = counter()
  const events = Array.from({ length: 2500 }, (_, i) => login(i, start + i * 1000, `u${i % 40}`))
  await flush(store, acceptAll(events.slice(0, 7)), { node: 'a', now, random })
  expect(await seal(store, logOf(events), start / HOUR, { tenant: 'demo', now, random })).toBe('sealed')
  expect(await totals(store)).toEqual([2500, 40])
  expect(await seal(store, logOf(events), start / HOUR, { tenant: 'demo', now, random })).toBe('unchanged')
  const late = [...events, login(9999, start + 5, 'late')]
  expect(await seal(store, logOf(late), start / HOUR, { tenant: 'demo', now, random })).toBe('sealed')
  expect(await totals(store)).toEqual([2501, 41])
})

it('more than 1,024 different users are an estimate and say so', async () => {
  const store = memoryStore()
  await seal(store, logOf(Array.from({ length: 3000 }, (_, i) => login(i, start + i))), start / HOUR, {
    tenant: 'demo',
    now,
    random: counter(),
  })
  const { series } = await query(store, { tenant: 'demo', graph: 'logins', from: start, to: now, now })
  expect(series[1]!.approx).toBe(true)
  expect(Math.abs(series[1]!.total - 3000)).toBeLessThan(200)
  expect(series[0]).toMatchObject({ total: 3000, approx: false })
})

it('an hour without rows is a gap, a sealed hour without events is a zero', async () => {
  const store = memoryStore()
  await seal(store, logOf([]), start / HOUR, { tenant: 'demo', now, random: counter() })
  const { series } = await query(store, { tenant: 'demo', graph: 'logins', from: start, to: start + 2 * HOUR, now, step: 'hour' })
  expect(series[0]!.values).toEqual([0, null])
})

it('one tenant never sees another', async () => {
  const store = memoryStore()
  await flush(store, acceptAll([{ ...login(1, start), tenant: 'other' }]), { node: 'a', now, random: counter() })
  expect(await totals(store)).toEqual([0, 0])
})

it.each([
  [{ graph: 'nothing' }, 'insight.query_invalid'],
  [{ from: 5, to: 5 }, 'insight.query_invalid'],
  [{ from: Number.NaN }, 'insight.query_invalid'],
  [{ to: start + 401 * 24 * HOUR }, 'insight.query_too_large'],
  [{ to: start + 30 * 24 * HOUR, step: 'minute' as const }, 'insight.query_too_large'],
])('a query with %j is refused', async (wrong, code) => {
  await expect(query(memoryStore(), { tenant: 'demo', graph: 'pin', from: start, to: now, now, ...wrong })).rejects.toMatchObject(
    { code },
  )
})
