import { isPosternError } from '@postern/core/errors'
import { OutcomeUnknown } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { countingStore } from '@postern/testkit/counting'
import { type FaultPlan, faultyStore } from '@postern/testkit/faulty'
import { slowStore } from '@postern/testkit/latency'
import { expect, it } from 'vitest'

const part = { tenant: 'bank', id: 'u:1' }
const now = 1_767_225_600_000
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const add = { op: 'add', key: 'n', by: 1, max: 1000 } as const

async function run(seed: number, plan?: FaultPlan) {
  const kept = memoryStore()
  const store = faultyStore(kept, { seed, ...(plan && { plan }) })
  const told: string[] = []
  for (let i = 0; i < 100; i++) {
    told.push(
      await store.commit(part, [add], o()).then(
        ({ ok }) => `${ok}`,
        (error) => (isPosternError(error) ? error.code : 'bug'),
      ),
    )
    await store.read(part, ['n'], { now }).catch(() => {})
  }
  const before = (await kept.read(part, ['n'], { now }))[0]?.n ?? 0
  await store.drain()
  return { told, before, n: (await kept.read(part, ['n'], { now }))[0]?.n ?? 0, log: store.log }
}

it('the same seed gives the same run, call by call, and another seed another', async () => {
  const [one, again, other] = [await run(7), await run(7), await run(8)]
  expect(again).toEqual(one)
  expect(other.log).not.toEqual(one.log)
  for (const fate of ['deliver', 'delay', 'dropBefore', 'dropAfter', 'late', 'duplicate'])
    expect(
      one.log.some((line) => line.endsWith(fate)),
      fate,
    ).toBe(true)
})

it.each<[keyof FaultPlan, string, number, number]>([
  ['dropBefore', 'store.unavailable', 0, 0],
  ['dropAfter', 'store.outcome_unknown', 100, 100],
  ['delay', 'true', 100, 100],
])('%s alone: every commit is told as %s, %i are applied in time and %i in the end', async (fate, code, before, n) => {
  const result = await run(3, { [fate]: 1 })
  expect(new Set(result.told)).toEqual(new Set([code]))
  expect([result.before, result.n]).toEqual([before, n])
})

it('a late commit is unknown, and applied after later calls; a doubled one is applied twice', async () => {
  const late = await run(3, { late: 1 })
  expect([new Set(late.told), late.n]).toEqual([new Set(['store.outcome_unknown']), 100])
  expect(late.before).toBeLessThan(100)
  const doubled = await run(3, { duplicate: 1 })
  expect([new Set(doubled.told), doubled.n]).toEqual([new Set(['store.outcome_unknown']), 200])
})

it('a late commit is the one that was asked for, whatever the caller does to it since', async () => {
  const kept = memoryStore()
  const store = faultyStore(kept, { seed: 1, plan: { late: 1 } })
  const value = Uint8Array.of(1)
  await expect(store.commit(part, [{ op: 'put', key: 'v', value }], o())).rejects.toThrow(OutcomeUnknown)
  value.fill(9)
  await store.drain()
  expect((await kept.read(part, ['v'], { now }))[0]?.value).toEqual(Uint8Array.of(1))
})

it('a counting store counts calls that fail, too', async () => {
  const { store, counts, reset } = countingStore(memoryStore())
  await store.commit(part, [add], o())
  await store.commit(part, [], o()).catch(() => {})
  await store.read(part, ['n'], { now })
  await store.list(part, '', { now, limit: 1 })
  expect(counts()).toEqual({ read: 1, commit: 2, list: 1 })
  reset()
  expect(counts()).toEqual({ read: 0, commit: 0, list: 0 })
})

it('a slow store sleeps half before and half after each call', async () => {
  const slept: number[] = []
  const store = slowStore(memoryStore(), { ms: 10, sleep: async (ms) => void slept.push(ms) })
  await store.commit(part, [add], o())
  await store.commit(part, [], o()).catch(() => {})
  expect(slept).toEqual([5, 5, 5, 5])
})
