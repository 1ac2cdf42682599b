/** Suite 5: expired means absent, judged by the `now` that is passed in and by nothing else. */
import type { Op, Rec, Store } from '@postern/store'
import { equal, refused } from '../check.js'
import { bytes, type Kit, NOW, PART, type Suite } from './kit.js'

export const timeSuite: Suite = (kit) => [
  ...[NOW, 1000, 4_102_444_800_000].map((start) => ({
    name: `time: live at t-1, gone at t and t+1, in ${new Date(start).getUTCFullYear()}`,
    run: () =>
      kit.over(async (store) => {
        const t = start + 100
        await commit(kit, store, start, { op: 'put', key: 'a', value: bytes('a'), expiresAt: t })
        await commit(kit, store, start, { op: 'add', key: 'n', by: 1, max: 1, expiresAt: t })
        equal((await read(store, t - 1)).length, 2, 'live at t-1')
        equal(await read(store, t), [], 'at t')
        equal(await read(store, t + 1), [], 'at t+1')
        equal((await commit(kit, store, t - 1, { op: 'check', key: 'a', rev: null })).ok, false, 'absent at t-1')
        equal(await commit(kit, store, t, { op: 'check', key: 'a', rev: null }), { ok: true, recs: [null] }, 'absent at t')
      }),
  })),
  {
    name: 'time: an add keeps the expiry that the counter was born with',
    run: () =>
      kit.over(async (store) => {
        const add = (now: number, expiresAt: number) => commit(kit, store, now, { op: 'add', key: 'n', by: 1, max: 9, expiresAt })
        await add(NOW, NOW + 100)
        const second = await add(NOW + 99, NOW + 10_000)
        equal(second.ok && [second.recs[0]?.n, second.recs[0]?.expiresAt], [2, NOW + 100], 'the second add')
        const third = await add(NOW + 100, NOW + 200)
        equal(third.ok && [third.recs[0]?.n, third.recs[0]?.expiresAt], [1, NOW + 200], 'the add after expiry')
        const fourth = await commit(kit, store, NOW + 150, { op: 'add', key: 'n', by: 1, max: 9 })
        equal(fourth.ok && fourth.recs[0]?.expiresAt, NOW + 200, 'an add that asks for no expiry')
      }),
  },
  {
    name: 'time: an expired record gives way to put, swap and add as if it were absent',
    run: () =>
      kit.over(async (store) => {
        const t = NOW + 100
        const born = await commit(kit, store, NOW, { op: 'put', key: 'a', value: bytes('old'), rev: null, expiresAt: t })
        const rev = (born.ok && born.recs[0]?.rev) || ''
        equal(await commit(kit, store, t, { op: 'put', key: 'a', value: bytes('x'), rev }), failed, 'a swap of an expired rev')
        equal(await commit(kit, store, t, { op: 'del', key: 'a', rev }), failed, 'a del of an expired rev')
        equal(await commit(kit, store, t, { op: 'check', key: 'a', rev }), failed, 'a check of an expired rev')
        equal(await commit(kit, store, t, { op: 'add', key: 'a', by: -1, max: 9 }), failed, 'taking from an expired counter')
        equal((await commit(kit, store, t, { op: 'put', key: 'a', value: bytes('new'), rev: null })).ok, true, 're-creation')
        equal((await read(store, t))[0]?.value, bytes('new'), 'the new value')
        await commit(kit, store, NOW, { op: 'put', key: 'n', value: bytes('value'), expiresAt: t })
        const added = await commit(kit, store, t, { op: 'add', key: 'n', by: 2, max: 9 })
        equal(
          added.ok && [added.recs[0]?.n, added.recs[0]?.value, added.recs[0]?.expiresAt],
          [2, bytes(''), 0],
          'a counter in its place',
        )
      }),
  },
  {
    name: 'time: a put sets its own expiry, and without one the record stays for ever',
    run: () =>
      kit.over(async (store) => {
        await commit(kit, store, NOW, { op: 'put', key: 'a', value: bytes('a'), expiresAt: NOW + 100 })
        await commit(kit, store, NOW + 50, { op: 'put', key: 'a', value: bytes('b') })
        equal((await read(store, NOW * 1000))[0]?.expiresAt, 0, 'the expiry')
      }),
  },
  {
    name: 'time: a record born expired is refused',
    run: () =>
      kit.over(async (store) => {
        for (const expiresAt of [NOW, NOW - 1, 1]) {
          const ops: readonly Op[] = [
            { op: 'put', key: 'a', value: bytes('a'), expiresAt },
            { op: 'add', key: 'n', by: 1, max: 1, expiresAt },
          ]
          for (const op of ops)
            await refused('store.invalid', `${op.op} at ${expiresAt - NOW}`, () => commit(kit, store, NOW, op))
        }
        equal(await read(store, NOW), [], 'what is there')
      }),
  },
  {
    name: 'time: a clock that goes back is believed, and what was overwritten stays so',
    run: () =>
      kit.over(async (store) => {
        const t = NOW + 100
        await commit(kit, store, NOW, { op: 'put', key: 'a', value: bytes('old'), expiresAt: t })
        equal(await read(store, t), [], 'at t')
        equal((await read(store, t - 1))[0]?.value, bytes('old'), 'back before t')
        await commit(kit, store, t, { op: 'put', key: 'a', value: bytes('new'), rev: null, expiresAt: t + 100 })
        equal(
          (await commit(kit, store, t - 1, { op: 'put', key: 'a', value: bytes('x'), rev: null })).ok,
          false,
          'a put before t',
        )
        equal((await read(store, t - 1))[0]?.value, bytes('new'), 'back before t, overwritten')
      }),
  },
]

/** The part of suite 5 that needs a driver with a sweep. */
export const sweepSuite: Suite = (kit) => [
  {
    name: 'time: a sweep inside the grace removes nothing, and after it all that is due',
    run: () =>
      kit.over(async (store) => {
        const t = NOW + 100
        for (let i = 0; i < 20; i++) {
          await commit(kit, store, NOW, { op: 'put', key: `gone/${i}`, value: bytes('x'), expiresAt: t })
          await commit(kit, store, NOW, { op: 'put', key: `kept/${i}`, value: bytes('x') })
        }
        equal(await store.sweep!(t + kit.graceMs - 1, 1000), 0, 'swept inside the grace')
        equal((await read(store, NOW, ['gone/3'])).length, 1, 'a slower node still sees it')
        equal(await sweepAll(store, t + kit.graceMs), 20, 'swept after the grace')
        equal(await read(store, NOW, ['gone/3']), [], 'after the sweep')
        equal((await read(store, NOW, ['kept/3'])).length, 1, 'what never expires')
        equal(await sweepAll(store, t + kit.graceMs), 0, 'swept twice')
      }),
  },
  {
    name: 'time: sweeps with no budget come round to everything in the end',
    run: () =>
      kit.over(async (store) => {
        for (let i = 0; i < 60; i++)
          await store.commit(
            { tenant: 'bank', id: `u${i % 7}` },
            [{ op: 'put', key: `k/${i}`, value: bytes('x'), expiresAt: NOW + 1 }],
            {
              now: NOW,
              rev: kit.rev(),
            },
          )
        let swept = 0
        for (let i = 0; i < 100 && swept < 60; i++) swept += await store.sweep!(NOW + 1 + kit.graceMs, 0)
        equal(swept, 60, 'swept in small steps')
      }),
  },
]

const failed = { ok: false, at: 0, current: null }

function commit(kit: Kit, store: Store, now: number, op: Op) {
  return store.commit(PART, [op], { now, rev: kit.rev() })
}

/** The live ones among these keys. */
async function read(store: Store, now: number, keys: readonly string[] = ['a', 'n']): Promise<readonly Rec[]> {
  return (await store.read(PART, keys, { now })).filter((rec) => rec !== null)
}

async function sweepAll(store: Store, now: number): Promise<number> {
  let swept = 0
  for (let i = 0; i < 3; i++) swept += await store.sweep!(now, 1000)
  return swept
}
