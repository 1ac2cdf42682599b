/** Suite 8: partitions, tenants and keys never reach each other, and bytes are bytes. */
import type { Op, Part, Store } from '@postern/store'
import { equal, refused } from '../check.js'
import { bytes, type Kit, NOW, PART, type Suite } from './kit.js'

/** Partitions that a careless driver would take for one another. */
const LOOKALIKES: readonly Part[] = [
  { tenant: 'bank', id: 'u' },
  { tenant: 'bank', id: 'u:' },
  { tenant: 'bank', id: 'u:1' },
  { tenant: 'bank', id: 'U:1' },
  { tenant: 'bank', id: 'u_1' },
  { tenant: 'bank', id: 'u-1' },
  { tenant: 'bank-', id: 'u:1' },
  { tenant: 'ban', id: 'k:u:1' },
  { tenant: 'clinic', id: 'u:1' },
]

export const isolationSuite: Suite = (kit) => [
  {
    name: 'isolation: partitions and tenants of similar names hold their own',
    run: () =>
      kit.over(async (store) => {
        for (const part of LOOKALIKES)
          equal((await put(kit, store, 'a', nameOf(part), part)).ok, true, `the first put of ${nameOf(part)}`)
        for (const part of LOOKALIKES) {
          const [rec] = await store.read(part, ['a'], { now: NOW })
          equal(rec?.value, bytes(nameOf(part)), nameOf(part))
          if (kit.lists) equal((await store.list(part, '', { now: NOW, limit: 9 })).length, 1, `the list of ${nameOf(part)}`)
        }
        await store.commit(LOOKALIKES[2]!, [{ op: 'del', key: 'a' }], { now: NOW, rev: kit.rev() })
        for (const part of LOOKALIKES.toSpliced(2, 1))
          equal((await store.read(part, ['a'], { now: NOW }))[0] === null, false, 'a del beside it')
      }),
  },
  {
    name: 'isolation: every byte value comes back, from none to 65,536 of them',
    run: () =>
      kit.over(async (store) => {
        for (const length of [0, 1, 256, 65_535, 65_536]) {
          const value = Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255)
          const answer = await store.commit(PART, [{ op: 'put', key: 'v', value }], { now: NOW, rev: kit.rev() })
          equal(answer.ok && answer.recs[0]?.value, value, `${length} bytes, answered`)
          const [rec] = await store.read(PART, ['v'], { now: NOW })
          equal(rec?.value, value, `${length} bytes, read`)
          if (kit.lists) equal((await store.list(PART, 'v', { now: NOW, limit: 1 }))[0]?.value, value, `${length} bytes, listed`)
        }
      }),
  },
  {
    name: 'isolation: names of the greatest length and numbers of the greatest size are kept exactly',
    run: () =>
      kit.over(async (store) => {
        const part = { tenant: '-'.repeat(63), id: '~:._A'.repeat(25) }
        const key = 'a-._/~'.repeat(34).slice(0, 200)
        const expiresAt = Number.MAX_SAFE_INTEGER - 1
        const ops: readonly Op[] = [{ op: 'add', key, by: Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, expiresAt }]
        await store.commit(part, ops, { now: NOW, rev: 'AZaz09-_AZaz09-_' })
        const expected = { key, value: bytes(''), n: Number.MAX_SAFE_INTEGER, rev: 'AZaz09-_AZaz09-_', expiresAt }
        equal(await store.read(part, [key], { now: NOW }), [expected], 'the record')
        equal((await store.commit(part, ops, { now: NOW, rev: kit.rev() })).ok, false, 'one more')
      }),
  },
  {
    name: 'isolation: neither the caller nor another reader can change what is kept',
    run: () =>
      kit.over(async (store) => {
        const value = bytes('kept')
        const committed = store.commit(PART, [{ op: 'put', key: 'v', value }], { now: NOW, rev: kit.rev() })
        value.fill(0)
        const answer = await committed
        if (answer.ok) answer.recs[0]?.value.fill(1)
        for (let i = 0; i < 2; i++) {
          const [rec] = await store.read(PART, ['v'], { now: NOW })
          equal(rec?.value, bytes('kept'), `read ${i}`)
          rec?.value.fill(2)
        }
      }),
  },
  {
    name: 'isolation: a read of 64 keys answers in their order, with repeats and gaps',
    run: () =>
      kit.over(async (store) => {
        for (const key of ['a', 'b', 'c']) await put(kit, store, key, key)
        const keys = Array.from({ length: 64 }, (_, i) => ['c', 'none', 'a', 'a', 'b'][i % 5]!)
        const recs = await store.read(PART, keys, { now: NOW })
        equal(
          recs.map((rec) => rec?.key ?? 'none'),
          keys,
          'the keys',
        )
        equal(await store.read(PART, [], { now: NOW }), [], 'a read of nothing')
        await refused('store.invalid', '65 keys', () => store.read(PART, [...keys, 'a'], { now: NOW }))
      }),
  },
]

function put(kit: Kit, store: Store, key: string, text: string, part: Part = PART) {
  return store.commit(part, [{ op: 'put', key, value: bytes(text), rev: null }], { now: NOW, rev: kit.rev() })
}

function nameOf({ tenant, id }: Part): string {
  return `${tenant}/${id}`
}
