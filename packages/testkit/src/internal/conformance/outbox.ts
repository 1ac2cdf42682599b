/** The outbox: events of all partitions, oldest first, until they are shipped. */
import type { Op, Part, Store } from '@postern/store'
import { equal } from '../check.js'
import { bytes, type Kit, NOW, type Suite } from './kit.js'

const PARTS: readonly Part[] = [
  { tenant: 'bank', id: 'u:2' },
  { tenant: 'bank', id: 'u:1' },
  { tenant: 'airline', id: 'x' },
]

export const outboxSuite: Suite = (kit) => [
  {
    name: 'outbox: shows the e/ records of every partition by key, then partition, and nothing else',
    run: () =>
      kit.over(async (store) => {
        await event(kit, store, PARTS[0]!, '02')
        await event(kit, store, PARTS[1]!, '01')
        await event(kit, store, PARTS[2]!, '03')
        for (const part of PARTS) await event(kit, store, part, '04')
        for (const key of ['e', 'e0', 'e-/1', 'd/z', 'f/1', 'ee/1', 'x/e/1']) await put(kit, store, PARTS[0]!, key)
        const [p2, p1, x] = PARTS.map((part) => part.id)
        const expected = [
          ['e/01', p1],
          ['e/02', p2],
          ['e/03', x],
          ['e/04', x],
          ['e/04', p1],
          ['e/04', p2],
        ]
        equal(await seen(store, { limit: 100 }), expected, 'the outbox')
        equal(await seen(store, { limit: 2 }), expected.slice(0, 2), 'its first page')
        equal(await seen(store, { limit: 100, after: 'e/02' }), expected.slice(2), 'after a key')
        equal((await store.outbox!({ now: NOW, limit: 1 }))[0]?.value, bytes('e/01'), 'the bytes of an event')
      }),
  },
  {
    name: 'outbox: an event is there with the change it tells of, and not without it',
    run: () =>
      kit.over(async (store) => {
        const redeem = (): readonly Op[] => [
          { op: 'put', key: 'code/1', value: bytes('used'), rev: null },
          { op: 'put', key: `e/${kit.rev().toLowerCase()}`, value: bytes('redeemed'), rev: null },
        ]
        for (let i = 0; i < 3; i++) await store.commit(PARTS[0]!, redeem(), { now: NOW, rev: kit.rev() })
        equal((await store.outbox!({ now: NOW, limit: 100 })).length, 1, 'events of one redemption and two losers')
      }),
  },
  {
    name: 'outbox: what is deleted or expired is gone from it',
    run: () =>
      kit.over(async (store) => {
        await event(kit, store, PARTS[0]!, '1')
        await event(kit, store, PARTS[1]!, '1')
        await put(kit, store, PARTS[2]!, 'e/2', NOW + 100)
        await store.commit(PARTS[0]!, [{ op: 'del', key: 'e/1' }], { now: NOW, rev: kit.rev() })
        equal(
          await seen(store, { limit: 9 }),
          [
            ['e/1', 'u:1'],
            ['e/2', 'x'],
          ],
          'after a del',
        )
        equal((await store.outbox!({ now: NOW + 100, limit: 9 })).length, 1, 'after expiry')
      }),
  },
]

function event(kit: Kit, store: Store, part: Part, id: string) {
  return put(kit, store, part, `e/${id}`)
}

function put(kit: Kit, store: Store, part: Part, key: string, expiresAt = 0) {
  return store.commit(part, [{ op: 'put', key, value: bytes(key), expiresAt }], { now: NOW, rev: kit.rev() })
}

async function seen(store: Store, o: { limit: number; after?: string }) {
  return (await store.outbox!({ now: NOW, ...o })).map(({ key, part }) => [key, part.id])
}
