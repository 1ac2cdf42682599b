import { PosternError } from '@postern/core/errors'
import type { Op, Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { commitSettled, settle } from '@postern/store/settle'
import { type FaultPlan, faultyStore } from '@postern/testkit/faulty'
import { describe, expect, it } from 'vitest'

const part = { tenant: 'bank', id: 'u:1' }
const now = 1_767_225_600_000
const rev = 'AAAAAAAAAAAAAAAA'
const seeds = Array.from({ length: Number(process.env['POSTERN_RUNS'] ?? 300) }, (_, i) => i + 1)
const harsh: FaultPlan = { delay: 0.1, dropBefore: 0.15, dropAfter: 0.2, late: 0.2, duplicate: 0.15 }

const redemption = (): Op[] => [
  { op: 'add', key: 'count', by: 1, max: 1000 },
  { op: 'put', key: 'code/1', value: new Uint8Array([1]), rev: null },
  { op: 'put', key: 'e/1', value: new Uint8Array([2]), rev: null },
]

describe('settle', () => {
  it('whatever the network does, a commit is applied once or never, and an answer tells which', async () => {
    const tally = { ok: 0, unknown: 0 }
    for (const seed of seeds) {
      const kept = memoryStore()
      const store = faultyStore(kept, { seed, plan: harsh })
      const told = await settle(store, part, redemption(), { now, rev, attempts: 12 }).then(
        ({ ok }) => ok,
        () => null,
      )
      // Shipped at once, as another process may: the event's key no longer stands in the way.
      await kept.commit(part, [{ op: 'del', key: 'e/1' }], { now, rev: 'shipped_shipped_' })
      await store.drain()
      const [count, code] = await kept.read(part, ['count', 'code/1'], { now })
      expect(count?.n ?? 0, `seed ${seed}: ${store.log}`).toBeLessThanOrEqual(1)
      expect(count?.n ?? 0, `seed ${seed}: all or nothing`).toBe(code ? 1 : 0)
      if (told !== null) expect([told, code?.rev], `seed ${seed}: ${store.log}`).toEqual([true, rev])
      tally[told === null ? 'unknown' : 'ok']++
    }
    expect(tally.ok).toBeGreaterThan(tally.unknown * 5)
  })

  it('of two callers who settle one code under their own revs one wins, and both know', async () => {
    for (const seed of seeds) {
      const kept = memoryStore()
      const store = faultyStore(kept, { seed, plan: harsh })
      const [one, two] = await Promise.all(
        [rev, 'BBBBBBBBBBBBBBBB'].map((mine) =>
          settle(store, part, redemption(), { now, rev: mine, attempts: 20 }).then(
            ({ ok }) => ok,
            () => null,
          ),
        ),
      )
      await store.drain()
      const [count, code] = await kept.read(part, ['count', 'code/1'], { now })
      expect(count?.n ?? 0, `seed ${seed}: ${store.log}`).toBeLessThanOrEqual(1)
      if (one !== null) expect(one, `seed ${seed}: ${store.log}`).toBe(code?.rev === rev)
      if (two !== null) expect(two, `seed ${seed}: ${store.log}`).toBe(code?.rev === 'BBBBBBBBBBBBBBBB')
    }
  })

  it('answers an earlier sending that won with the records as they were written', async () => {
    const store = memoryStore()
    const first = await store.commit(part, redemption(), { now, rev })
    expect(await settle(store, part, redemption(), { now, rev })).toEqual(first)
  })

  it('knows its commit by any record that it wrote, when the op that fails names another', async () => {
    const store = memoryStore()
    const ops: Op[] = [
      { op: 'add', key: 'tries', by: 1, max: 1 },
      { op: 'put', key: 'marker', value: new Uint8Array(0), rev: null },
    ]
    await store.commit(part, ops, { now, rev })
    // Someone else counts on: the failing op now shows another rev.
    await store.commit(part, [{ op: 'add', key: 'tries', by: 1, max: 2 }], { now, rev: 'BBBBBBBBBBBBBBBB' })
    expect(await settle(store, part, ops, { now, rev })).toMatchObject({ ok: true, recs: [{ n: 2 }, { rev }] })
  })

  it("is a failure when another's record stands there", async () => {
    const store = memoryStore()
    await store.commit(part, redemption(), { now, rev: 'BBBBBBBBBBBBBBBB' })
    expect(await settle(store, part, redemption(), { now, rev })).toMatchObject({
      ok: false,
      at: 1,
      current: { rev: 'BBBBBBBBBBBBBBBB' },
    })
  })

  it.each<[string, Op[]]>([
    ['an add alone', [{ op: 'add', key: 'count', by: 1, max: 9 }]],
    ['a put without a condition', [{ op: 'put', key: 'a', value: new Uint8Array(0) }]],
    ['an event alone', [{ op: 'put', key: 'e/1', value: new Uint8Array(0), rev: null }]],
    ['a conditional del', [{ op: 'del', key: 'a', rev }]],
  ])('refuses %s, which could be applied twice', async (_what, ops) => {
    await expect(settle(memoryStore(), part, ops, { now, rev })).rejects.toMatchObject({ code: 'store.unsettleable' })
  })

  it('gives up after its attempts with the outcome still unknown, and pauses between them', async () => {
    const pauses: number[] = []
    const store = faultyStore(memoryStore(), { seed: 1, plan: { dropBefore: 1 } })
    const pause = async (n: number) => void pauses.push(n)
    await expect(settle(store, part, redemption(), { now, rev, attempts: 4, pause })).rejects.toMatchObject({
      code: 'store.outcome_unknown',
      rev,
    })
    expect(pauses).toEqual([1, 2, 3])
  })

  it('passes on what no sending can mend', async () => {
    const store = memoryStore()
    await expect(settle(store, part, redemption(), { now: -0, rev })).rejects.toMatchObject({ code: 'store.invalid' })
    await store.close()
    await expect(settle(store, part, redemption(), { now, rev })).rejects.toMatchObject({ code: 'store.outcome_unknown' })
  })
})

describe('what is sent again', () => {
  /** A store that loses its first answers, during which the caller goes on with what he passed in. */
  const losing = (answers: number, meanwhile: () => void) => {
    const kept = memoryStore()
    let calls = 0
    const store: Store = {
      ...kept,
      commit: async (...args) => {
        if (calls++ >= answers) return kept.commit(...args)
        meanwhile()
        throw new PosternError('store.outcome_unknown')
      },
    }
    return { kept, store }
  }

  it.each([
    ['settle', settle, 2],
    ['commitSettled', commitSettled, 1],
  ])('by %s is what was passed in, whatever the caller does to it meanwhile', async (_name, send, answers) => {
    const value = new Uint8Array([1])
    const ops: Op[] = [{ op: 'put', key: 'a', value, rev: null }]
    const at = { ...part }
    const { kept, store } = losing(answers, () => {
      value[0]! ^= 0xff
      ops[0] = { op: 'put', key: 'b', value, rev: null }
      at.id = 'u:2'
    })
    expect(await send(store, at, ops, { now, rev })).toMatchObject({ ok: true, recs: [{ key: 'a', value: new Uint8Array([1]) }] })
    expect(await kept.read(part, ['a', 'b'], { now })).toMatchObject([{ value: new Uint8Array([1]) }, null])
    expect(await kept.list({ ...part, id: 'u:2' }, '', { now, limit: 9 })).toEqual([])
  })
})

describe('commitSettled', () => {
  const failing = (code: 'store.unavailable' | 'store.outcome_unknown') => {
    const kept = memoryStore()
    let calls = 0
    const store: Store = {
      ...kept,
      commit: async (...args) => {
        if (calls++ === 0) throw new PosternError(code)
        return kept.commit(...args)
      },
    }
    return { store, calls: () => calls }
  }

  it('settles what is unknown, and sends nothing again for a store that is down', async () => {
    const unknown = failing('store.outcome_unknown')
    expect((await commitSettled(unknown.store, part, redemption(), { now, rev })).ok).toBe(true)
    const down = failing('store.unavailable')
    await expect(commitSettled(down.store, part, redemption(), { now, rev })).rejects.toMatchObject({ code: 'store.unavailable' })
    expect([unknown.calls(), down.calls()]).toEqual([2, 1])
  })

  it('leaves unknown what no condition would settle', async () => {
    const { store, calls } = failing('store.outcome_unknown')
    const bare: Op[] = [{ op: 'add', key: 'tries', by: 1, max: 3 }]
    await expect(commitSettled(store, part, bare, { now, rev })).rejects.toMatchObject({ code: 'store.outcome_unknown' })
    expect(calls()).toBe(1)
  })
})
