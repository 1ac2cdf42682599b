/// <reference types="node" />
/** Wrong PINs in parallel while the bank is killed, and again: however it dies, no phone gets more KE2 than there are attempts. */
import { enrolPin, loginPin, type PinExchange, type PinSlot } from '@postern/authenticators/pin/client'
import { utf8 } from '@postern/core/bytes'
import { fromPg, migratePostgres, postgresStore } from '@postern/store/postgres'
import { type PostgresServer, present, startPostgres, startPostgresPair } from '@postern/testkit/servers'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createWorld, type Device, Refused } from '../world.js'
import { type Bank, bankFolder, deaths, phone } from './pinBank.js'

const attempts = 3
const noPostgres = !present.postgres && process.env['POSTERN_REQUIRE'] !== 'all'
const w = createWorld()
let folder: Awaited<ReturnType<typeof bankFolder>>
let server: PostgresServer | undefined
let phones = 0
let lives = 0

beforeAll(async () => {
  folder = await bankFolder()
})
afterAll(async () => {
  await server?.stop()
  folder.remove()
})

/** Wrong PINs at once; how many KE2 came out, and what else was said. */
async function guess(d: Device, slot: PinSlot, inner: PinExchange, parallel: number, seen: Map<string, number>): Promise<void> {
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
  const exchange: PinExchange = {
    ...inner,
    async begin(handle, answer) {
      const done = await inner.begin(handle, answer)
      if (handle !== null) count('ke2')
      return done
    },
  }
  const one = () => loginPin({ ...w.client(d), exchange, pin: utf8('00000'), slots: [slot], purpose: 'login' })
  const all = await Promise.allSettled(Array.from({ length: parallel }, one))
  for (const done of all)
    if (done.status === 'rejected')
      count(
        done.reason instanceof Refused
          ? done.reason.refusal.code
          : ((done.reason as { code?: string }).code ?? String(done.reason)),
      )
}

describe.each([
  ['SQLite', false],
  ['PostgreSQL', noPostgres],
] as const)('%s', (kind, lacking) => {
  const where = async () => {
    if (kind === 'SQLite') return folder.at('guesses.db')
    server ??= await startPostgres()
    return server.url
  }
  const open = async () => folder.open({ kind, where: await where(), attempts, life: ++lives })
  // The one that a case leaves behind is the next one's.
  let bank: Bank | undefined
  afterAll(() => bank?.kill())

  it.skipIf(lacking).each(deaths.flatMap((when) => [1, 2, 3, 4].map((commit) => ({ commit, when }))))(
    'A02 N = 3 and wrong PINs in parallel, kill -9 $when commit $commit: three KE2 in all the lives together, never four',
    { timeout: 300_000 },
    async (death) => {
      const d = await phone(`g${++phones}`)
      bank ??= await open()
      await bank.device(d)
      const { slot } = await enrolPin({ ...w.client(d), exchange: bank.exchange(d, 'enrol', null), pin: utf8('27182') })
      await bank.confirm(d, slot.enrolment)
      const seen = new Map([['ke2', 0]])
      await bank.arm(death)
      await guess(d, slot, bank.exchange(d, 'login', slot.enrolment), 8, seen)
      await bank.gone
      expect(seen.get('killed')).toBeGreaterThan(0)
      const next = await open()
      bank = next
      const before = seen.get('ke2')!
      const [n] = await next.read(d, `pin/${slot.enrolment}`)
      // What was answered was counted; what was counted and not answered is spent.
      expect(n).toBeGreaterThanOrEqual(before)
      await guess(d, slot, next.exchange(d, 'login', slot.enrolment), 8, seen)
      expect(seen.get('ke2')).toBe(before + attempts - n!)
      expect(seen.get('ke2')).toBeLessThanOrEqual(attempts)
      expect(seen.get('authenticator.locked')).toBeGreaterThan(0)
      expect(await next.read(d, `pin/${slot.enrolment}`)).toEqual([attempts])
    },
  )
})

describe.skipIf(noPostgres)('PostgreSQL with a synchronous standby', () => {
  it.each([0, 1, 2, 3])(
    'A02 50 wrong PINs in parallel, the primary killed after %i KE2 and the standby promoted: three KE2, never four',
    { timeout: 180_000 },
    async (after) => {
      const pair = await startPostgresPair({ synchronous: true, delayMs: 5 })
      const pools: pg.Pool[] = []
      const opened = async (url: string, topology: 'sync-standby' | 'single') => {
        const pool = new pg.Pool({ connectionString: url, max: 8 })
        pool.on('error', () => undefined).on('connect', (client) => client.on('error', () => undefined)) // of the killed one
        pools.push(pool)
        const port = fromPg(pool)
        await migratePostgres(port)
        return postgresStore({ port, topology, commitTimeoutMs: 1_500 })
      }
      try {
        const first = createWorld({ store: await opened(pair.primary.url, 'sync-standby'), onExhausted: 'lock' })
        expect(first.store.guarantees.failover).toBe('lossless')
        const d = await first.device('d1')
        const slot = await first.withPin(d, '27182')
        const seen = new Map([['ke2', 0]])
        const inner = first.exchange(d, 'login', slot.enrolment)
        let begun = 0
        let dead: Promise<void> | undefined
        const dying: PinExchange = {
          ...inner,
          async begin(handle, answer) {
            if (handle !== null && begun++ === after) dead = pair.primary.kill()
            return inner.begin(handle, answer)
          },
        }
        await guess(d, slot, dying, 50, seen)
        await dead
        const before = seen.get('ke2')!
        await pair.standby.promote()
        const second = createWorld({ store: await opened(pair.standby.url, 'single'), onExhausted: 'lock' })
        const [counter] = await second.read(d, `pin/${slot.enrolment}`)
        expect(counter!.n).toBeGreaterThanOrEqual(before)
        await guess(d, slot, second.exchange(d, 'login', slot.enrolment), 50, seen)
        expect(seen.get('ke2')).toBe(before + attempts - counter!.n)
        expect(seen.get('ke2')).toBeLessThanOrEqual(attempts)
        expect((await second.enrolled(d, slot.enrolment)).value.status).toBe('locked')
      } finally {
        await Promise.all(pools.map((pool) => pool.end().catch(() => undefined)))
        await pair.stop()
      }
    },
  )
})
