import { PosternError } from '@postern/core/errors'
import { OutcomeUnknown, type Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { describe, expect, it } from 'vitest'
import { localReplayGuard, type ReplayGuard, storeReplayGuard } from '../../src/replay.js'
import { codeOf } from '../codeOf.js'
import { random } from '../world.js'

const NOW = 1_772_000_000_000
const question = () => ({ name: random(32), expiresAt: NOW + 60_000 })

function guardOver(store: Store): ReplayGuard {
  return storeReplayGuard({ store, tenant: 'bank', clock: () => NOW, random })
}

/** Commits whose first `times` answers are lost, after they were applied or before. */
function losing(times: number, applied: boolean, lost: (rev: string) => Error): Store {
  const store = memoryStore()
  let left = times
  return {
    ...store,
    async commit(part, ops, o) {
      if (left-- <= 0) return store.commit(part, ops, o)
      if (applied) await store.commit(part, ops, o)
      throw lost(o.rev)
    },
  }
}

const unknown = (rev: string): Error => new OutcomeUnknown(rev)

describe('a guard over a store', () => {
  it.each([true, false])('whose answer is lost, applied: %s, asks again under the same rev: it is the first', async (applied) => {
    const guard = guardOver(losing(1, applied, unknown))
    const asked = question()
    expect([await guard.claim(asked), await guard.claim(asked)]).toEqual(['first', 'replayed'])
  })

  it.each<[string, (rev: string) => Error]>([
    ['every answer is lost', unknown],
    ['the store is unavailable', () => new PosternError('store.unavailable')],
    ['the store is overloaded', () => new PosternError('store.overloaded')],
  ])('where %s cannot decide', async (_, error) => {
    expect(await guardOver(losing(100, false, error)).claim(question())).toBe('unknown')
  })

  it('lets a broken call through: that is no verdict', async () => {
    const guard = guardOver(losing(1, false, () => new PosternError('store.invalid')))
    expect(await codeOf(() => guard.claim(question()))).toBe('store.invalid')
  })

  it('allows less of a date on a store that may lose what it acknowledged', () => {
    const store = memoryStore()
    const lossy: Store = { ...store, guarantees: { durable: 'process', failover: 'may-lose' } }
    expect([guardOver(store).windowMs, guardOver(lossy).windowMs]).toEqual([120_000, 30_000])
  })
})

describe('a guard in memory', () => {
  it('says whether it is all there is to ask', () => {
    const clock = () => NOW
    expect([localReplayGuard({ clock }).shared, localReplayGuard({ clock, singleNode: true }).shared]).toEqual([false, true])
  })

  it('asks no more of a name whose time is over, and keeps one to its last millisecond', async () => {
    let now = NOW
    const guard = localReplayGuard({ clock: () => now })
    const asked = question()
    const at = (ms: number) => {
      now = NOW + ms
      return guard.claim({ ...asked, expiresAt: now + 60_000 })
    }
    expect([await at(0), await at(59_999), await at(60_000)]).toEqual(['first', 'replayed', 'first'])
  })

  it('that is full of names that count answers as quickly as one that is not', async () => {
    const cpuOf = async (guard: ReplayGuard): Promise<number> => {
      const before = process.cpuUsage()
      for (let i = 0; i < 2000; i++) await guard.claim({ name: random(32), expiresAt: NOW + 60_000 })
      return process.cpuUsage(before).user
    }
    const full = localReplayGuard({ clock: () => NOW, maxEntries: 50_000 })
    for (let i = 0; i < 50_000; i++) await full.claim({ name: random(32), expiresAt: NOW + 60_000 })
    expect((await full.claim(question())) as string).toBe('unknown')
    await cpuOf(localReplayGuard({ clock: () => NOW }))
    expect(await cpuOf(full)).toBeLessThan(20 * (await cpuOf(localReplayGuard({ clock: () => NOW }))))
  })
})
