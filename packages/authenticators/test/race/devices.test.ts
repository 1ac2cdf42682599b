/// <reference types="node" />
/** The device limit over real stores: one record, however many enrol, give up or are removed at once. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  activateDevice,
  claimDevice,
  type DeviceChange,
  devicesKey,
  readDevices,
  releaseDevice,
} from '@postern/authenticators/devices'
import { newRev, type Rec, type Store } from '@postern/store'
import { slowStore } from '@postern/testkit/latency'
import { describe, expect, it } from 'vitest'
import { random } from '../world.js'
import { driversOf } from './drivers.js'

const part = { tenant: 'bank', id: 'usr:ada' }
const now = 1_800_000_000_000
const LIMIT = 8

/** One change, again while somebody else's was in the way. */
async function changed(store: Store, plan: (current: Rec | null) => DeviceChange): Promise<string> {
  for (;;) {
    const [current] = await store.read(part, [devicesKey], { now })
    const change = plan(current ?? null)
    if (!change.ok) return change.code
    if ((await store.commit(part, [change.op], { now, rev: newRev(random) })).ok) return 'ok'
  }
}

describe.each(driversOf('devices'))('$name', ({ skip, open }) => {
  describe.each([0, 2])('%i ms away', (ms) => {
    const away = async () => slowStore(await open(), { ms, sleep: async (t) => void (await sleep(t)) })
    const claim = (store: Store, device: string) => changed(store, (rec) => claimDevice(rec, { device, now, limit: LIMIT }))
    const activate = (store: Store, device: string) => changed(store, (rec) => activateDevice(rec, { device, now }))
    const listed = async (store: Store) => {
      const [rec] = await store.read(part, [devicesKey], { now })
      return readDevices(rec ?? null, now)
    }

    it.skipIf(skip)('I6 A20 50 devices enrol at once at a limit of 8: eight get in, and are active', async () => {
      const store = await away()
      const all = await Promise.all(
        Array.from({ length: 50 }, async (_, i) => {
          const claimed = await claim(store, `d${i}`)
          return claimed === 'ok' ? activate(store, `d${i}`) : claimed
        }),
      )
      expect([all.filter((r) => r === 'ok').length, all.filter((r) => r === 'device.limit').length]).toEqual([8, 42])
      expect((await listed(store)).map(({ status }) => status)).toEqual(Array(8).fill('active'))
    })

    it.skipIf(skip)(
      'I6 A20 places that are given back while others enrol: never more than eight, and the removed stay out',
      async () => {
        const store = await away()
        for (let i = 0; i < LIMIT; i++) await claim(store, `old${i}`)
        const most: number[] = []
        const removed = Array.from({ length: 4 }, (_, i) =>
          changed(store, (rec) => releaseDevice(rec, { device: `old${i}`, now })),
        )
        const claims = Array.from({ length: 16 }, async (_, i) => {
          const got = await claim(store, `new${i}`)
          most.push((await listed(store)).length)
          return got
        })
        const all = await Promise.all(claims)
        await Promise.all(removed)
        const ids = (await listed(store)).map(({ id }) => id)
        expect(Math.max(...most)).toBeLessThanOrEqual(LIMIT)
        expect(ids.filter((id) => id.startsWith('new'))).toHaveLength(all.filter((r) => r === 'ok').length)
        for (let i = 0; i < 4; i++) expect(ids).not.toContain(`old${i}`)
      },
    )
  })
})
