import { PosternError } from '@postern/core/errors'
import { type Commit, type Op, OutcomeUnknown, type Part, type Rec } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import {
  type CommitEntry,
  checkLinearizable,
  type Entry,
  type ReadEntry,
  recorder,
  timeline,
} from '@postern/testkit/linearizable'
import { describe, expect, it } from 'vitest'

const PART: Part = { tenant: 'bank', id: 'u:1' }
const NOW = 1_767_225_600_000

describe('checkLinearizable refuses what no order explains', () => {
  it('a lost update: two swaps from the same version both win', () => {
    refuses(
      [wrote(1, 2, 'a', 'r1'), wrote(3, 5, 'a', 'r2', { rev: rev('r1') }), wrote(4, 6, 'a', 'r3', { rev: rev('r1') })],
      [1, 3, 4],
    )
  })

  it('a stale read: a version is read after its successor was acknowledged', () => {
    refuses([wrote(1, 2, 'a', 'r1'), wrote(3, 4, 'a', 'r2'), read(5, 6, ['a'], [rec('a', 'r1')])], [1, 3, 5])
  })

  it('a torn read of two keys that one commit sets together', () => {
    const both = (call: number, back: number, name: string): Entry =>
      commit(call, back, name, [put('a'), put('b')], { ok: true, recs: [rec('a', name), rec('b', name)] })
    refuses([both(1, 2, 'r1'), both(3, 8, 'r2'), read(4, 5, ['a', 'b'], [rec('a', 'r1'), rec('b', 'r2')])], [1, 3, 4])
  })

  it('a second winner of a marker', () => {
    const mark = (call: number, back: number, name: string): Entry => wrote(call, back, 'code', name, { rev: null })
    refuses([mark(1, 4, 'r1'), mark(2, 3, 'r2'), read(5, 6, ['code'], [rec('code', 'r1')])], [1, 2])
  })

  it('a marker that is there again after it was deleted', () => {
    const gone = commit(3, 4, 'r2', [{ op: 'del', key: 'code' }], { ok: true, recs: [null] })
    refuses(
      [wrote(1, 2, 'code', 'r1'), gone, read(5, 6, ['code'], [null]), read(7, 8, ['code'], [rec('code', 'r1')])],
      [1, 3, 5, 7],
    )
  })

  it('a commit that is refused by what was never there', () => {
    const loser = commit(1, 2, 'r1', [put('a', null)], { ok: false, at: 0, current: rec('a', 'r9') })
    refuses([loser], [1])
  })

  it('an unknown commit that took effect before it was sent, or twice', () => {
    refuses([read(1, 2, ['a'], [rec('a', 'r1')]), lost(3, 'a', 'r1')], [1])
    const gone = commit(4, 5, 'r2', [{ op: 'del', key: 'a' }], { ok: true, recs: [null] })
    const seen = (call: number): Entry => read(call, call + 1, ['a'], [rec('a', 'r1')])
    refuses([lost(1, 'a', 'r1'), seen(2), gone, seen(6)], [1, 2, 4, 6])
  })
})

describe('checkLinearizable accepts what some order explains', () => {
  it('an unknown commit that takes effect long after, or never', () => {
    const late = [lost(1, 'a', 'r1'), read(2, 3, ['a'], [null]), wrote(4, 5, 'b', 'r2'), read(6, 7, ['a'], [null])]
    expect(checkLinearizable(late).ok).toBe(true)
    expect(checkLinearizable([...late, read(8, 9, ['a'], [rec('a', 'r1')])]).ok).toBe(true)
  })

  it('overlapping calls in either order', () => {
    expect(checkLinearizable([wrote(1, 4, 'a', 'r1'), read(2, 3, ['a'], [null])]).ok).toBe(true)
    expect(checkLinearizable([wrote(1, 4, 'a', 'r1'), read(2, 3, ['a'], [rec('a', 'r1')])]).ok).toBe(true)
  })

  it('an expired record, shown or not, but never another in its place', () => {
    const until = NOW + 5
    const born = wrote(1, 2, 'a', 'r1', { expiresAt: until })
    const later = (answer: Rec | null): Entry => ({ ...(read(3, 4, ['a'], [answer]) as ReadEntry), now: until })
    expect(checkLinearizable([born, later(null)]).ok).toBe(true)
    expect(checkLinearizable([born, later(rec('a', 'r1', until))]).ok).toBe(true)
    refuses([born, later(rec('a', 'r2', until))], [1, 3])
  })

  it('each partition for itself', () => {
    const elsewhere = { ...wrote(3, 4, 'a', 'r2', { rev: null }), part: { tenant: 'bank', id: 'u:2' } } as Entry
    expect(checkLinearizable([wrote(1, 2, 'a', 'r1', { rev: null }), elsewhere]).ok).toBe(true)
    const wrong = { ...read(5, 6, ['a'], [null]), part: elsewhere.part } as Entry
    expect(checkLinearizable([wrote(1, 2, 'a', 'r1'), elsewhere, wrong])).toMatchObject({ ok: false, part: 'bank:u:2' })
  })
})

describe('checkLinearizable in general', () => {
  it('gives up at its limit and says so', () => {
    const many = Array.from({ length: 8 }, (_, i) => wrote(i + 1, 100 + i, 'a', `r${i}`))
    expect(checkLinearizable([...many, read(200, 201, ['a'], [rec('a', 'r99')])], { maxSteps: 10 })).toEqual({
      ok: 'inconclusive',
      steps: 11,
    })
  })

  it('gives the shortest prefix, with what was under way as unknown', () => {
    const verdict = checkLinearizable([
      wrote(1, 2, 'a', 'r1'),
      wrote(3, 20, 'b', 'r2'),
      read(4, 5, ['a'], [null]),
      read(6, 7, ['a'], [rec('a', 'r1')]),
      wrote(8, 9, 'c', 'r3'),
    ])
    if (verdict.ok !== false) throw new Error('accepted')
    expect(verdict.core.map((e) => [e.call, e.return])).toEqual([
      [1, 2],
      [3, null],
      [4, 5],
    ])
    const lines = timeline(verdict.core).split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatch(/^\|-\| +commit r1A+: put a → r1A+ n=0$/)
    expect(lines[1]).toMatch(/^ +\|~+ +commit r2A+: put b → unknown$/)
    expect(lines[2]).toMatch(/^ +\|-\| +read a = nothing$/)
  })
})

describe('recorder', () => {
  it('keeps what was asked and answered, whatever the caller does to it since', async () => {
    const { store, history } = recorder(memoryStore())
    const value = Uint8Array.of(1)
    const committed = store.commit(PART, [{ op: 'put', key: 'a', value }], { now: NOW, rev: rev('r1') })
    value.fill(9)
    await committed
    const [answered] = await store.read(PART, ['a'], { now: NOW })
    answered!.value.fill(9)
    expect(history()).toMatchObject([
      { op: 'commit', call: 1, return: 2, ops: [{ value: Uint8Array.of(1) }] },
      { op: 'read', call: 3, return: 4, answer: [{ value: Uint8Array.of(1) }] },
    ])
    expect(checkLinearizable(history()).ok).toBe(true)
  })

  it('drops what was truly not applied and reads that failed; keeps the unknown and what is under way', async () => {
    const answers = [new PosternError('store.unavailable'), new OutcomeUnknown(rev('r2')), new Error('socket hang up')]
    const { store, history } = recorder({
      ...memoryStore(),
      read: () => Promise.reject(new PosternError('store.unavailable')),
      commit: () => (answers.length > 0 ? Promise.reject(answers.shift()) : new Promise<Commit>(() => {})),
    })
    for (const name of ['r1', 'r2', 'r3']) await store.commit(PART, [put('a')], { now: NOW, rev: rev(name) }).catch(() => {})
    await store.read(PART, ['a'], { now: NOW }).catch(() => {})
    void store.commit(PART, [put('a')], { now: NOW, rev: rev('r4') })
    expect(history().map((e) => [(e as CommitEntry).rev, e.return])).toEqual(['r2', 'r3', 'r4'].map((name) => [rev(name), null]))
  })
})

function refuses(history: readonly Entry[], core: readonly number[]): void {
  const verdict = checkLinearizable(history)
  if (verdict.ok !== false) throw new Error(`accepted:\n${timeline(history)}`)
  expect(verdict.core.map(({ call }) => call)).toEqual(core)
}

function rev(name: string): string {
  return name.padEnd(16, 'A')
}

function rec(key: string, name: string, expiresAt = 0): Rec {
  return { key, value: Uint8Array.of(1), n: 0, rev: rev(name), expiresAt }
}

function put(key: string, wanted?: string | null, expiresAt = 0): Op {
  return { op: 'put', key, value: Uint8Array.of(1), expiresAt, ...(wanted === undefined ? {} : { rev: wanted }) }
}

function commit(call: number, back: number, name: string, ops: readonly Op[], answer: Commit): Entry {
  return { op: 'commit', part: PART, call, return: back, ops, now: NOW, rev: rev(name), answer }
}

function wrote(
  call: number,
  back: number,
  key: string,
  name: string,
  o: { rev?: string | null; expiresAt?: number } = {},
): Entry {
  return commit(call, back, name, [put(key, o.rev, o.expiresAt)], { ok: true, recs: [rec(key, name, o.expiresAt)] })
}

function lost(call: number, key: string, name: string): Entry {
  return { op: 'commit', part: PART, call, return: null, ops: [put(key)], now: NOW, rev: rev(name), answer: null }
}

function read(call: number, back: number, keys: readonly string[], answer: readonly (Rec | null)[]): Entry {
  return { op: 'read', part: PART, call, return: back, keys, now: NOW, answer }
}
