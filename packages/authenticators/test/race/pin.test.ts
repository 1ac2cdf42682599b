/// <reference types="node" />
/** 50 wrong PINs at once with three attempts, over two nodes of one store that is 0, 2 and 10 ms away: three KE2, never four. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loginPin, type PinExchange, type PinSlot } from '@postern/authenticators/pin/client'
import { utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import type { Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { fromPg, migratePostgres, postgresStore } from '@postern/store/postgres'
import { sqliteStore } from '@postern/store/sqlite'
import { slowStore } from '@postern/testkit/latency'
import { type PostgresServer, present, startPostgres } from '@postern/testkit/servers'
import Database from 'libsql'
import pg from 'pg'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { createWorld, type Device, Refused, type World } from '../world.js'

const racers = 50
const latencies = [0, 2, 10]
const folder = mkdtempSync(join(tmpdir(), 'postern-pin-race-'))
const closing: (() => Promise<unknown>)[] = []
let server: Promise<PostgresServer> | undefined
let made = 0

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})
afterAll(async () => {
  await (await server)?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Two handles of one fresh store. */
const drivers: readonly { readonly name: string; readonly lacking: boolean; open(): Promise<readonly [Store, Store]> }[] = [
  {
    name: 'memory',
    lacking: false,
    async open() {
      const store = memoryStore()
      return [store, store]
    },
  },
  {
    name: 'SQLite',
    lacking: false,
    async open() {
      const file = join(folder, `${made++}.db`)
      const stores = [sqliteStore(new Database(file)), sqliteStore(new Database(file))] as const
      for (const store of stores) closing.push(() => store.close())
      return stores
    },
  },
  {
    name: 'PostgreSQL',
    lacking: !present.postgres && process.env['POSTERN_REQUIRE'] !== 'all',
    async open() {
      server ??= startPostgres()
      const { url } = await server
      const table = `t${++made}_kv`
      const opened = async () => {
        const pool = new pg.Pool({ connectionString: url, max: 8 })
        const port = fromPg(pool)
        await migratePostgres(port, { table })
        const store = await postgresStore({ port, table, topology: 'single' })
        closing.push(() => store.close())
        return store
      }
      return [await opened(), await opened()]
    },
  },
]

describe.each(drivers)('$name', ({ lacking, open }) => {
  const nodes = async (ms: number, onExhausted: 'remove' | 'lock') => {
    const wait = (time: number) => (time > 0 ? sleep(time) : Promise.resolve())
    const stores = (await open()).map((store) => slowStore(store, { ms, sleep: wait }))
    return stores.map((store) => createWorld({ store, onExhausted, maxFailures: 100 })) as [World, World]
  }

  it.skipIf(lacking).each(latencies.flatMap((ms) => (['remove', 'lock'] as const).map((end) => ({ ms, end }))))(
    'A01 A02 50 wrong PINs in parallel, N = 3, $ms ms away: three KE2, never four, and one $end',
    { timeout: 300_000 },
    async ({ ms, end }) => {
      const all = await nodes(ms, end)
      const d = await all[0].device('d1')
      const slot = await all[0].withPin(d, '27182')
      const { ke2, codes } = await race(all, d, slot, Array(racers).fill('00000'))
      expect(ke2).toBe(3)
      expect(codes.get('ok')).toBeUndefined()
      expect((await all[1].enrolled(d, slot.enrolment)).value).toMatchObject({
        status: end === 'remove' ? 'removed' : 'locked',
        cause: 'attempts',
      })
      const events = await all[0].store.list(all[0].part(d), 'e/', { now: all[0].clock(), limit: 1000 })
      const types = events.map((rec) => decodeEvent(rec.value)!.type)
      const ended = end === 'remove' ? 'authenticator.removed' : 'authenticator.locked'
      expect(types.filter((type) => type === ended)).toHaveLength(1)
      expect(types.filter((type) => type === 'pin.attempted')).toHaveLength(3)
    },
  )

  it.skipIf(lacking).each(latencies)(
    'I1 I3 right and wrong PINs in parallel, %i ms away: N KE2 at most between two successes, each success once',
    { timeout: 300_000 },
    async (ms) => {
      const all = await nodes(ms, 'lock')
      const d = await all[0].device('d1')
      const slot = await all[0].withPin(d, '27182')
      const digits = Array.from({ length: 24 }, (_, i) => (i % 3 === 0 ? '27182' : '00000'))
      const { ke2, codes } = await race(all, d, slot, digits)
      const ok = codes.get('ok') ?? 0
      expect(ke2).toBeLessThanOrEqual(3 * (ok + 1))
      expect(ke2).toBeGreaterThanOrEqual(3)
      const events = await all[0].store.list(all[0].part(d), 'e/', { now: all[0].clock(), limit: 1000 })
      const types = events.map((rec) => decodeEvent(rec.value)!.type)
      expect(types.filter((type) => type === 'pin.succeeded')).toHaveLength(ok)
      expect(types.filter((type) => type === 'pin.attempted')).toHaveLength(ke2)
    },
  )
})

/** Everyone at once, turn about at the two nodes. */
async function race(nodes: readonly World[], d: Device, slot: PinSlot, digits: readonly string[]) {
  let ke2 = 0
  const codes = new Map<string, number>()
  const one = async (typed: string, i: number): Promise<string> => {
    const w = nodes[i % nodes.length]!
    const inner = w.exchange(d, 'login', slot.enrolment)
    const exchange: PinExchange = {
      ...inner,
      async begin(handle, answer) {
        const done = await inner.begin(handle, answer)
        if (handle !== null) ke2++
        return done
      },
    }
    try {
      await loginPin({ ...w.client(d), exchange, pin: utf8(typed), slots: [slot], purpose: 'login' })
      return 'ok'
    } catch (error) {
      return error instanceof Refused ? error.refusal.code : ((error as { code?: string }).code ?? String(error))
    }
  }
  for (const code of await Promise.all(digits.map(one))) codes.set(code, (codes.get(code) ?? 0) + 1)
  return { ke2, codes }
}
