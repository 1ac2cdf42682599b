/// <reference types="node" />
import { type Op, OutcomeUnknown, type Store } from '@postern/store'
import { fromPg, migratePostgres, type PostgresOptions, postgresStore } from '@postern/store/postgres'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { noPostgres, over, postgresWorld, sleep } from '../postgresServer.js'

const now = 1_767_225_600_000
const part = { tenant: 'bank', id: 'u:1' }
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const put = (key: string): Op => ({ op: 'put', key, value: new Uint8Array([1]), rev: null })
const lost = { code: 'store.guarantee_lost', retryable: false }

describe.skipIf(noPostgres)('guarantees', () => {
  const world = postgresWorld()
  const defaults = {
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    synchronous_standby_names: '',
    client_min_messages: 'notice',
  }
  afterEach(() => world.server.set(defaults))

  /** A table is made before the settings are, since with a standby that is not there nothing can be. */
  const openUnder = async (settings: Partial<typeof defaults>, o: Partial<PostgresOptions>): Promise<Store> => {
    const table = world.table()
    await migratePostgres(world.port(), { table })
    await world.server.set(settings)
    return postgresStore({ port: world.port(), table, ...o })
  }
  const standby = { synchronous_standby_names: 'nobody' }
  const lossless = () => openUnder(standby, { topology: 'sync-standby' })

  it.each([
    [{}, undefined, 'power', 'may-lose'],
    [{}, 'single', 'power', 'none'],
    [{}, 'async-standby', 'power', 'may-lose'],
    [standby, 'sync-standby', 'power', 'lossless'],
    [{ ...standby, synchronous_commit: 'remote_apply' }, 'sync-standby', 'power', 'lossless'],
    [standby, undefined, 'power', 'may-lose'],
    [{ synchronous_commit: 'local' }, 'single', 'power', 'none'],
    [{ synchronous_commit: 'off' }, 'single', 'none', 'none'],
    [{ fsync: 'off' }, 'single', 'process', 'none'],
    [{ full_page_writes: 'off' }, 'single', 'process', 'none'],
    [{ fsync: 'off', synchronous_commit: 'off' }, undefined, 'none', 'may-lose'],
  ] as const)('settings %j with topology %s give durable %s, failover %s', async (settings, topology, durable, failover) => {
    const store = await openUnder(settings, topology === undefined ? {} : { topology })
    expect(store.guarantees).toEqual({ durable, failover })
  })

  it.each([
    [{}],
    [{ ...standby, synchronous_commit: 'local' }],
    [{ ...standby, synchronous_commit: 'remote_write' }],
    [{ ...standby, synchronous_commit: 'off' }],
    [{ ...standby, client_min_messages: 'error' }],
  ])('a server of which %j does not wait for a standby, or would not tell, is refused as sync-standby', async (settings) => {
    await expect(openUnder(settings, { topology: 'sync-standby' })).rejects.toMatchObject({
      ...lost,
      publicMessage: expect.stringContaining('synchronous_standby_names'),
    })
  })

  describe.each([
    ['one op', [put('a')]],
    ['two ops', [put('a'), put('b')]],
  ] as const)('%s on a lossless store', (_name, ops) => {
    const waiting = async (): Promise<string> => {
      for (;;) {
        const pid = await world.server.psql(`select pid from pg_stat_activity where wait_event = 'SyncRep'`)
        if (pid !== '') return pid
        await sleep(10)
      }
    }
    const isThere = async (store: Store) => (await store.read(part, ['a'], { now }))[0] !== null

    it.each([[{ synchronous_standby_names: '' }], [{ synchronous_commit: 'local' }], [{ client_min_messages: 'error' }]])(
      'is store.guarantee_lost once the settings are %j, and is not applied',
      async (settings) => {
        const store = await lossless()
        await world.server.set(settings)
        await expect(store.commit(part, ops, o())).rejects.toMatchObject(lost)
        await world.server.set(defaults)
        expect(await isThere(store)).toBe(false)
      },
    )

    it('is unknown when its wait for the standby is broken off, which PostgreSQL calls a success', async () => {
      const store = await lossless()
      const sent = o()
      const answer = store.commit(part, ops, sent).catch((error: unknown) => error)
      await world.server.psql(`select pg_cancel_backend(${await waiting()})`)
      expect(await answer).toMatchObject({ code: 'store.outcome_unknown', rev: sent.rev })
      expect(await isThere(store)).toBe(true)
    })

    it('is unknown when the session is ended while it waits for the standby', async () => {
      const store = await lossless()
      const answer = store.commit(part, ops, o()).catch((error: unknown) => error)
      await world.server.psql(`select pg_terminate_backend(${await waiting()})`)
      expect(await answer).toBeInstanceOf(OutcomeUnknown)
    })

    it('is unknown when the list of standbys is emptied while it waits, which lets it go without a word', async () => {
      const store = await lossless()
      const answer = store.commit(part, ops, o()).catch((error: unknown) => error)
      await waiting()
      await world.server.set({ synchronous_standby_names: '' })
      expect(await answer).toBeInstanceOf(OutcomeUnknown)
      await expect(store.commit({ tenant: 'bank', id: 'u:2' }, ops, o())).rejects.toMatchObject(lost)
    })

    it('is unknown when no standby answers in time, and is never told as done', async () => {
      const table = world.table()
      await migratePostgres(world.port(), { table })
      await world.server.set(standby)
      const store = await postgresStore({ port: world.port(), table, topology: 'sync-standby', commitTimeoutMs: 200 })
      await expect(store.commit(part, ops, o())).rejects.toBeInstanceOf(OutcomeUnknown)
    })
  })

  it('a server that takes no writes is refused', async () => {
    const table = world.table()
    await migratePostgres(world.port(), { table })
    const pool = new pg.Pool({ connectionString: world.server.url, options: '-c default_transaction_read_only=on' })
    await expect(postgresStore({ port: fromPg(pool), table })).rejects.toMatchObject({ code: 'store.unavailable' })
    await pool.end()
  })

  it('a store that is not lossless asks for nothing after a write', async () => {
    const table = world.table()
    await migratePostgres(world.port(), { table })
    let statements = 0
    const counted = over(world.port(), ({ query }) => ({
      query(...call) {
        statements++
        return query(...call)
      },
    }))
    const store = await postgresStore({ port: counted, table, topology: 'single' })
    statements = 0
    await store.commit(part, [put('a')], o())
    expect(statements).toBe(1)
  })
})
