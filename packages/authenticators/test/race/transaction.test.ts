/// <reference types="node" />
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeEvent } from '@postern/core/events'
import { newRev, type Op, type Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { fromPg, migratePostgres, postgresStore } from '@postern/store/postgres'
import { sqliteStore } from '@postern/store/sqlite'
import { slowStore } from '@postern/testkit/latency'
import { type PostgresServer, present, startPostgres } from '@postern/testkit/servers'
import Database from 'libsql'
import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { readHold } from '../../src/internal/fatigue.js'
import { decodeRecord } from '../../src/internal/transactionRecord.js'
import { createBank } from '../transactionWorld.js'

const noPostgres = !present.postgres && process.env['POSTERN_REQUIRE'] !== 'all'
const folder = mkdtempSync(join(tmpdir(), 'postern-txn-'))
let server: Promise<PostgresServer> | undefined
let pool: pg.Pool | undefined
let port: ReturnType<typeof fromPg> | undefined
let tables = 0
const closing: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const close of closing) await close()
  await pool?.end()
  await (await server)?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const drivers = [
  { name: 'memory', skip: false, open: async (): Promise<Store> => memoryStore() },
  {
    name: 'SQLite',
    skip: false,
    async open(): Promise<Store> {
      const store = sqliteStore(new Database(join(folder, `${Math.random()}.db`)))
      closing.push(() => store.close())
      return store
    },
  },
  {
    name: 'PostgreSQL',
    skip: noPostgres,
    async open(): Promise<Store> {
      server ??= startPostgres()
      const { url } = await server
      pool ??= new pg.Pool({ connectionString: url })
      port ??= fromPg(pool)
      const table = `t${++tables}_kv`
      await migratePostgres(port, { table })
      return postgresStore({ port, table, topology: 'single' })
    },
  },
]

describe.each(drivers)('$name', ({ skip, open }) => {
  describe.each([0, 2, 10])('%i ms away', (ms) => {
    const away = async () => createBank({ store: slowStore(await open(), { ms, sleep: async (t) => void (await sleep(t)) }) })
    const eventsOf = async (b: Awaited<ReturnType<typeof createBank>>, type: string) =>
      (await b.w.store.list(b.place.part, 'e/', { now: b.w.clock(), limit: 1000 })).filter(
        (rec) => decodeEvent(rec.value)?.type === type,
      ).length

    it.skipIf(skip)(
      'A16 A21 50 approvals, denials and a removal of the device: one terminal state, one winner told so',
      async () => {
        const b = await away()
        const other = await b.w.device('d2')
        await b.activate(other)
        const created = await b.asked()
        const inputs = await Promise.all(
          Array.from({ length: 50 }, async (_, i) => {
            const d = i % 3 === 0 ? other : b.d
            return { d, input: await b.answer(d, created, { decision: i % 2 === 0 ? 'approve' : 'deny' }) }
          }),
        )
        const removed = sleep(ms / 2).then(() => b.release(b.d))
        const all = await Promise.all(inputs.map(({ d, input }) => b.decide(d, input)))
        await removed
        const winners = all.filter((done) => done.ok)
        expect(winners.length).toBe(1)
        const { state, ending } = decodeRecord((await b.read(`tx/${created.id}`))[0]!.value)
        expect(winners[0]).toMatchObject({ value: { state, evidence: ending!.evidence } })
        for (const done of all) if (!done.ok) expect(['transaction.decided', 'device.removed']).toContain(done.code)
        expect([await eventsOf(b, 'transaction.decided'), await b.read('open/portal')]).toEqual([1, [null]])
        // The removed device decides nothing from here on.
        expect(await b.decide(b.d, await b.answer(b.d, created))).toMatchObject({ code: 'device.removed' })
      },
    )

    it.skipIf(skip)('A16 100 different numbers in parallel: three tried, and the transaction ends one way', async () => {
      const b = await away()
      const created = await b.asked({ match: 1 })
      const numbers = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0'))
      const inputs = await Promise.all(numbers.map((number) => b.answer(b.d, created, { number })))
      const all = await Promise.all(inputs.map((input) => b.decide(b.d, input)))
      const told = (code: string) => all.filter((done) => (done.ok ? 'ok' : done.code) === code).length
      const [{ state, ending }, [tries]] = [
        decodeRecord((await b.read(`tx/${created.id}`))[0]!.value),
        await b.read(`num/${created.id}`),
      ]
      expect(tries!.n).toBeLessThanOrEqual(3)
      expect(told('ok') + told('transaction.mismatch')).toBe(tries!.n)
      expect(told('transaction.decided')).toBe(100 - tries!.n)
      expect([state, ending!.cause]).toEqual(told('ok') === 1 ? ['approved', 'user'] : ['denied', 'mismatch'])
      expect(await eventsOf(b, 'transaction.failed')).toBe(told('transaction.mismatch'))
      expect(await eventsOf(b, 'transaction.decided')).toBe(1)
      expect(readHold((await b.read('hold'))[0] ?? null, b.w.clock()).refusals.length).toBe(told('ok') === 1 ? 0 : 1)
    })

    it.skipIf(skip)('A16 99 wrong numbers in parallel: three looked at, 96 not', async () => {
      const b = await away()
      const created = await b.asked({ match: 1 })
      const wrong = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0')).filter((n) => n !== created.number)
      const inputs = await Promise.all(wrong.map((number) => b.answer(b.d, created, { number })))
      const all = await Promise.all(inputs.map((input) => b.decide(b.d, input)))
      const told = (code: string) => all.filter((done) => !done.ok && done.code === code).length
      expect([told('transaction.mismatch'), told('transaction.decided')]).toEqual([3, 96])
      expect(decodeRecord((await b.read(`tx/${created.id}`))[0]!.value)).toMatchObject({
        state: 'denied',
        ending: { cause: 'mismatch' },
      })
      expect(await eventsOf(b, 'transaction.decided')).toBe(1)
    })

    it.skipIf(skip)('A15 50 prompts at once: one pending; with replace, one pending and each older one cancelled', async () => {
      const b = await away()
      const all = await Promise.all(Array.from({ length: 50 }, () => b.ask()))
      expect(all.filter((done) => done.ok).length).toBe(1)
      const again = await Promise.all(
        Array.from({ length: 4 }, () => b.ask({ replace: true }).catch(() => ({ ok: false }) as const)),
      )
      const states = (await b.w.store.list(b.place.part, 'tx/', { now: b.w.clock(), limit: 99 })).map(
        (rec) => decodeRecord(rec.value).state,
      )
      expect(states.filter((state) => state === 'pending').length).toBe(1)
      expect(states.length).toBe(1 + again.filter((done) => done.ok).length)
    })

    it.skipIf(skip)('A15 refusals of five clients at once are all counted', async () => {
      const b = await away()
      const all = await Promise.all(
        ['a', 'b', 'c', 'd', 'e'].map(async (client) =>
          b.asked({ client }).then((created) => b.answer(b.d, created, { decision: 'deny' })),
        ),
      )
      const done = await Promise.all(all.map((input) => b.decide(b.d, input)))
      expect(done.every(({ ok }) => ok)).toBe(true)
      expect(readHold((await b.read('hold'))[0]!, b.w.clock()).refusals.length).toBe(4)
    })

    it.skipIf(skip)('A21 redeemed at once with the removal of the device: afterwards it never is', async () => {
      const b = await away()
      const created = await b.asked()
      await b.decide(b.d, await b.answer(b.d, created))
      const [u] = await b.read('u')
      const marker: Op = { op: 'put', key: 'token', value: new Uint8Array(0), rev: null }
      const redeem = () => b.run((r) => b.t.redeem({ id: created.id, client: 'portal', user: { rev: u!.rev } }, r))
      const [, ...all] = await Promise.all([b.release(b.d), ...Array.from({ length: 20 }, redeem)])
      expect(all.filter((done) => done.ok).length).toBeLessThanOrEqual(1)
      const after = await redeem()
      expect(after.ok ? 'ok' : after.code).toBe(all.some((done) => done.ok) ? 'transaction.decided' : 'device.removed')
      expect((await b.w.store.commit(b.place.part, [marker], { now: b.w.clock(), rev: newRev(b.w.runtime.random) })).ok).toBe(
        true,
      )
    })
  })
})
