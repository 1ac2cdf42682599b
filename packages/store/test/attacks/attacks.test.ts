/// <reference types="node" />
/**
 * The store's part of the attack rows: the shape of the one commit that answers each, at 0, 2 and 10 ms from the store, over
 * memory and over SQLite. The rooms above build their flows from these shapes.
 */
import type { Commit, Op, Part, Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { eventOp } from '@postern/store/outbox'
import { sqliteStore } from '@postern/store/sqlite'
import { slowStore } from '@postern/testkit/latency'
import { describe, expect, it } from 'vitest'
import { openLibsql, sqliteFiles } from '../sqliteFiles.js'

const nextFile = sqliteFiles()
const now = 1_767_225_600_000
const user: Part = { tenant: 'bank', id: 'u:1' }
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
let revs = 0
const newRev = () => String(++revs).padStart(16, '0')
const bytes = (text: string) => new TextEncoder().encode(text)
const won = (answers: readonly Commit[]) => answers.filter(({ ok }) => ok).length
const fifty = <T>(make: (i: number) => Promise<T>) => Promise.all(Array.from({ length: 50 }, (_, i) => make(i)))

const drivers: readonly [string, () => Store][] = [
  ['memory', () => memoryStore()],
  ['sqlite', () => sqliteStore(openLibsql(nextFile()))],
]
const worlds = drivers.flatMap(([name, open]) => [0, 2, 10].map((ms) => [name, ms, open] as const))

describe.each(worlds)('over %s at %i ms', (_name, ms, open) => {
  const far = () => (ms === 0 ? open() : slowStore(open(), { ms, sleep }))
  const commit = (store: Store, ops: readonly Op[], part = user) => store.commit(part, ops, { now, rev: newRev() })

  it('T02 code replay, 50 parallel: one redemption, and every replay sees whose it was', async () => {
    const store = far()
    const redeem = (i: number) =>
      commit(store, [
        { op: 'put', key: 'code/j1', value: bytes(`fam/${i}`), rev: null, expiresAt: now + 60_000 },
        { op: 'put', key: `fam/${i}`, value: bytes('family'), rev: null },
        eventOp({ id: `01${String(i).padStart(24, '0')}`, at: now, tenant: 'bank', type: 'code.redeemed', outcome: 'success' }),
      ])
    const answers = await fifty(redeem)
    expect(won(answers)).toBe(1)
    const winner = answers.findIndex(({ ok }) => ok)
    for (const answer of answers)
      if (!answer.ok) expect(answer).toMatchObject({ at: 0, current: { value: bytes(`fam/${winner}`) } })
    expect(await store.list(user, 'fam/', { now, limit: 100 })).toHaveLength(1)
    expect(await store.list(user, 'e/', { now, limit: 100 })).toHaveLength(1)
    // The next commit of a replay revokes the family that `current` named.
    expect(await commit(store, [{ op: 'put', key: `fam/${winner}`, value: bytes('revoked') }])).toMatchObject({ ok: true })
    await store.close()
  })

  it('T16 refresh race, 50 parallel with one token: one successor, which every loser is shown', async () => {
    const store = far()
    const first = await commit(store, [{ op: 'put', key: 'fam/1', value: bytes('0'), rev: null }])
    const { rev } = first.ok ? first.recs[0]! : { rev: '' }
    const answers = await fifty((i) => commit(store, [{ op: 'put', key: 'fam/1', value: bytes(`next ${i}`), rev }]))
    expect(won(answers)).toBe(1)
    const successor = answers.flatMap((answer) => (answer.ok ? [answer.recs[0]!.rev] : []))[0]
    for (const answer of answers) if (!answer.ok) expect(answer.current?.rev).toBe(successor)
    await store.close()
  })

  it('T17 refresh against revoke: they write one record, so after a revoke no rotation is accepted', async () => {
    for (let round = 0; round < 5; round++) {
      const store = far()
      const first = await commit(store, [{ op: 'put', key: 'fam/1', value: bytes('live'), rev: null }])
      const { rev } = first.ok ? first.recs[0]! : { rev: '' }
      const rotate = () => commit(store, [{ op: 'put', key: 'fam/1', value: bytes('live'), rev }])
      const revoke = async () => {
        await commit(store, [{ op: 'put', key: 'fam/1', value: bytes('revoked') }])
        return rotate()
      }
      const [, afterRevoke] = await Promise.all(round % 2 ? [rotate(), revoke()] : [rotate(), revoke(), rotate()])
      expect(afterRevoke!.ok).toBe(false)
      const [family] = await store.read(user, ['fam/1'], { now })
      expect(family!.value).toEqual(bytes('revoked'))
      await store.close()
    }
  })

  it.each([
    ['T28 client assertion', 'assertion'],
    ['T31 DPoP proof', 'dpop'],
  ])('%s jti replay, 50 parallel: one success', async (_row, kind) => {
    const store = far()
    const use = () =>
      commit(store, [{ op: 'put', key: `j/${kind}`, value: new Uint8Array(0), rev: null, expiresAt: now + 60_000 }])
    expect(won(await fifty(use))).toBe(1)
    expect((await use()).ok).toBe(false)
    await store.close()
  })

  it('A01 PIN brute force, 50 parallel on one device: only so many guesses as are allowed are taken', async () => {
    const store = far()
    const take = () =>
      commit(store, [
        { op: 'add', key: 'pin/e1', by: 1, max: 5 },
        { op: 'add', key: 'pin/e1/failed', by: 1, max: 30, expiresAt: now + 1 },
      ])
    const answers = await fifty(take)
    expect(won(answers)).toBe(5)
    for (const answer of answers) if (!answer.ok) expect(answer).toMatchObject({ at: 0, current: { n: 5 } })
    expect((await store.read(user, ['pin/e1/failed'], { now }))[0]?.n).toBe(5)
    await store.close()
  })

  it('A20 device limit, 50 parallel: it is counted inside one record, and the limit holds', async () => {
    const store = far()
    const limit = 3
    const enrol = async (i: number): Promise<boolean> => {
      let [devices] = await store.read(user, ['devices'], { now })
      for (;;) {
        const names: string[] = devices ? JSON.parse(new TextDecoder().decode(devices.value)) : []
        if (names.length >= limit) return false
        const answer = await commit(store, [
          { op: 'put', key: 'devices', value: bytes(JSON.stringify([...names, `d${i}`])), rev: devices?.rev ?? null },
          { op: 'put', key: `device/d${i}`, value: bytes('device'), rev: null },
        ])
        if (answer.ok) return true
        devices = answer.current
      }
    }
    const enrolled = await fifty(enrol)
    expect(enrolled.filter(Boolean)).toHaveLength(limit)
    expect(await store.list(user, 'device/', { now, limit: 100 })).toHaveLength(limit)
    await store.close()
  })
})

it('T31 replay after a restart: the marker of SQLite outlives its process', async () => {
  const file = nextFile()
  const use = async () => {
    const store = sqliteStore(openLibsql(file))
    const answer = await store.commit(
      user,
      [{ op: 'put', key: 'j/1', value: new Uint8Array(0), rev: null, expiresAt: now + 60_000 }],
      { now, rev: newRev() },
    )
    await store.close()
    return answer.ok
  }
  expect([await use(), await use(), await use()]).toEqual([true, false, false])
})

it('T02, A01 over two nodes on one file: one redemption, and one count for both', async () => {
  const file = nextFile()
  const nodes = [sqliteStore(openLibsql(file)), sqliteStore(openLibsql(file))]
  const redeemed = await fifty((i) =>
    nodes[i % 2]!.commit(user, [{ op: 'put', key: 'code/1', value: bytes(`${i}`), rev: null }], { now, rev: newRev() }),
  )
  expect(won(redeemed)).toBe(1)
  const taken = await fifty((i) => nodes[i % 2]!.commit(user, [{ op: 'add', key: 'pin', by: 1, max: 5 }], { now, rev: newRev() }))
  expect(won(taken)).toBe(5)
  for (const node of nodes) await node.close()
})

it('C06 a counter that is reserved ahead never comes round again, after a crash between reserving and using', async () => {
  const file = nextFile()
  const block = 64
  const used: number[] = []
  for (let life = 0; life < 5; life++) {
    const store = sqliteStore(openLibsql(file))
    const answer = await store.commit(user, [{ op: 'add', key: 'nonces', by: block, max: Number.MAX_SAFE_INTEGER }], {
      now,
      rev: newRev(),
    })
    const upTo = answer.ok ? answer.recs[0]!.n : 0
    // Dies having used some of what it reserved; what is left over is never used.
    for (let n = upTo - block; n < upTo - life * 7; n++) used.push(n)
    await store.close()
  }
  expect(new Set(used).size).toBe(used.length)
})
