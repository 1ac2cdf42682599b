/// <reference types="node" />
import type { Op, Store } from '@postern/store'
import {
  fromPg,
  fromPostgresJs,
  migratePostgres,
  type PgPort,
  postgresSchema,
  postgresStore,
  scanPostgres,
  type Visit,
} from '@postern/store/postgres'
import pg from 'pg'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { lockOf } from '../../src/internal/postgres/schema.js'
import { kept, noPostgres, over, postgresWorld, sleep } from '../postgresServer.js'

const now = 1_767_225_600_000
const part = { tenant: 'bank', id: 'u:1' }
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const put = (key: string, more: object = {}): Op => ({ op: 'put', key, value: new Uint8Array([1]), ...more })
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array) => new TextDecoder().decode(value)
const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, i) => i)

const world = postgresWorld()

describe.skipIf(noPostgres)('the schema', () => {
  const open = (port: PgPort, table: string): Promise<Store> => postgresStore({ port, table, topology: 'single' })

  it('a store does not open over a database that was not migrated', async () => {
    await expect(open(world.port(), world.table())).rejects.toMatchObject({
      code: 'store.schema_unknown',
      publicMessage: expect.stringContaining('migratePostgres'),
    })
  })

  it('is made once, however many nodes ask for it at the same time, and again does nothing', async () => {
    const table = world.table()
    const ports = Array.from({ length: 8 }, () => world.port('pg', 1))
    const made = await Promise.all(ports.map((port) => migratePostgres(port, { table })))
    expect(made.filter(({ from }) => from === 0)).toEqual([{ from: 0, to: 1 }])
    expect(made.filter(({ from }) => from === 1)).toHaveLength(7)
    expect(await world.server.psql(`select version, oldest, count(*) over () from ${table.replace('_kv', '_schema')}`)).toBe(
      '1|1|1',
    )
    await open(ports[0]!, table)
  })

  it('newer than this program is not touched by it', async () => {
    const table = world.table()
    const port = world.port()
    await migratePostgres(port, { table })
    await world.server.psql(`update ${table.replace('_kv', '_schema')} set version = 2`)
    await expect(migratePostgres(port, { table })).rejects.toMatchObject({ code: 'store.schema_unknown' })
    expect(await world.server.psql(`select version from ${table.replace('_kv', '_schema')}`)).toBe('2')
  })

  it('newer than this program is used by it as long as it says that it may be: old and new nodes run together', async () => {
    const table = world.table()
    const port = kept(world.port())
    await migratePostgres(port, { table })
    await world.server.psql(`update ${table.replace('_kv', '_schema')} set version = 2`)
    expect((await (await open(port, table)).commit(part, [put('a')], o())).ok).toBe(true)
    await world.server.psql(`update ${table.replace('_kv', '_schema')} set oldest = 2`)
    await expect(open(port, table)).rejects.toMatchObject({ code: 'store.schema_unknown' })
  })

  it('is given as SQL for another tool to run', async () => {
    const table = world.table()
    const { versions, migrations } = postgresSchema({ table })
    await world.server.psql(versions)
    for (const { statements } of migrations) for (const statement of statements) await world.server.psql(statement)
    await world.server.psql(`insert into ${table.replace('_kv', '_schema')} values (1, 1)`)
    const store = await open(world.port(), table)
    expect((await store.commit(part, [put('a'), put('b')], o())).ok).toBe(true)
  })

  it('of a table whose name is none is refused', async () => {
    const port = world.port()
    for (const table of ['', 'A', 'x; drop table y', 'x"y', `${'x'.repeat(42)}`]) {
      await expect(migratePostgres(port, { table })).rejects.toThrow('store.invalid')
      await expect(postgresStore({ port, table })).rejects.toThrow('store.invalid')
    }
  })

  it('a number that would stop everything is refused: no lane, no batch, no time', async () => {
    const port = world.port()
    for (const name of ['connections', 'maxBatch', 'maxQueue', 'commitTimeoutMs', 'lockTimeoutMs'])
      for (const count of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
        await expect(postgresStore({ port, [name]: count })).rejects.toMatchObject({
          code: 'store.invalid',
          publicMessage: expect.stringContaining(name),
        })
  })

  it('a migration that fails leaves nothing behind', async () => {
    const table = world.table()
    await world.server.psql(`create table ${table}_outbox (in_the_way int)`)
    await expect(migratePostgres(world.port(), { table })).rejects.toMatchObject({ code: 'store.unavailable' })
    expect(
      await world.server.psql(
        `select to_regclass('${table}') is null, to_regclass('${table.replace('_kv', '_schema')}') is null`,
      ),
    ).toBe('t|t')
  })
})

describe.skipIf(noPostgres)('what psql sees', () => {
  it('of records, whichever path wrote them: every byte, every count, never as 2^53 - 1', async () => {
    const table = world.table()
    const store = await world.store({ table })
    const [one, many] = [o(), o()]
    const ops = (name: string): readonly Op[] => [
      put(`${name}/bytes`, { value: ALL_BYTES, rev: null }),
      put(`${name}/empty`, { value: new Uint8Array(0), expiresAt: now + 5 }),
      { op: 'add', key: `${name}/n`, by: 7, max: Number.MAX_SAFE_INTEGER },
    ]
    for (const op of ops('one')) await store.commit(part, [op], one)
    await store.commit(part, ops('many'), many)
    await store.commit(part, [{ op: 'add', key: 'one/n', by: -2, max: 0 }], one)
    await store.commit(part, [{ op: 'add', key: 'many/n', by: -2, max: 0 }, put('null')], many)
    const rows = (await world.server.psql(`select p, k, encode(v, 'hex'), r, n, x from ${table} order by k`)).split('\n')
    const hex = Buffer.from(ALL_BYTES).toString('hex')
    expect(rows).toEqual(
      [
        ...[['many', many.rev] as const, ['one', one.rev] as const].flatMap(([name, rev]) => [
          `bank:u:1|${name}/bytes|${hex}|${rev}|0|${Number.MAX_SAFE_INTEGER}`,
          `bank:u:1|${name}/empty||${rev}|0|${now + 5}`,
          `bank:u:1|${name}/n||${rev}|5|${Number.MAX_SAFE_INTEGER}`,
        ]),
        `bank:u:1|null|01|${many.rev}|0|${Number.MAX_SAFE_INTEGER}`,
      ].sort(),
    )
  })

  it('of updates that stay in the heap: no index names a column that changes', async () => {
    const table = world.table()
    const store = await world.store({ table })
    for (let i = 0; i < 20; i++) await store.commit(part, [put('e/1'), put('fam/1')], o())
    // What a session has counted is written down when it ends.
    await store.close()
    const seen = async () =>
      (await world.server.psql(`select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = '${table}'`))
        .split('|')
        .map(Number)
    for (let tries = 0; tries < 100 && (await seen())[0]! < 38; tries++) await sleep(50)
    const [updates, hot] = await seen()
    expect([updates, hot! / updates! > 0.9]).toEqual([38, true])
  })

  it('of plans that stay with the index: the function never reads the whole table, however empty it was at first', async () => {
    const table = world.table()
    const maker = world.port()
    await migratePostgres(maker, { table })
    // What a session has counted is written down when it ends; the making of the indices counts, too.
    await maker.close()
    const store = await postgresStore({ port: world.port(), table, topology: 'single' })
    for (let i = 0; i < 8; i++) await store.commit(part, [put('a'), put('b')], o())
    await world.server.psql(
      `insert into ${table} select 'bank:x', 'k/' || i, '', 'AAAAAAAAAAAAAAAA', 0, 1 from generate_series(1, 20000) i`,
    )
    for (let i = 0; i < 5; i++) await store.commit(part, [put('a'), put('b')], o())
    await store.close()
    const seen = () => world.server.psql(`select seq_scan, n_tup_upd from pg_stat_user_tables where relname = '${table}'`)
    for (let tries = 0; tries < 100 && !(await seen()).endsWith('|24'); tries++) await sleep(50)
    expect(await seen()).toBe('2|24')
  })

  it('of the outbox: its partial index, in order', async () => {
    const table = world.table()
    await world.store({ table })
    await world.server.psql(
      `insert into ${table} select 'bank:x', case when i % 2 = 0 then 'e/' else 'k/' end || i, '', 'AAAAAAAAAAAAAAAA', 0, 9 from generate_series(1, 5000) i`,
    )
    await world.server.psql(`analyze ${table}`)
    const plan = await world.server.psql(
      `explain select p, k, v, r, n, x from ${table} where k >= 'e/' and k < 'e0' and k > '' and x > 5 order by k, p limit 10`,
    )
    expect(plan).toMatch(new RegExp(`Index Scan using ${table}_outbox`))
    expect(plan).not.toMatch(/Sort/)
  })
})

describe.skipIf(noPostgres)('between the driver and the server', () => {
  it('a pooler that gives each statement another connection and keeps no prepared statements is enough', async () => {
    const pool = new pg.Pool({ connectionString: world.server.url, max: 3 })
    const inner = fromPg(pool, { prepare: false })
    // Whoever asks for a session gets, for each statement, whichever connection is free.
    const pooled: PgPort = {
      ...inner,
      withSession: (use) => use({ query: (...call) => inner.withSession((session) => session.query(...call)) }),
    }
    const store = await world.store({ port: pooled, connections: 3 })
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        store.commit(
          { tenant: 'bank', id: `u:${i % 7}` },
          i % 2 ? [put('a'), put('b')] : [{ op: 'add', key: 'n', by: 1, max: 99 }],
          o(),
        ),
      ),
    )
    expect(answers.every(({ ok }) => ok)).toBe(true)
    for (let i = 0; i < 6; i++) {
      const { rows } = await pool.query(
        `select (select count(*) from pg_prepared_statements) as prepared, current_setting('lock_timeout') as lock_timeout`,
      )
      expect(rows).toEqual([{ prepared: '0', lock_timeout: '0' }])
    }
    await store.close()
  })

  it.each(['pg', 'postgres'] as const)(
    'the parsers that a host has set in %s for its own queries change nothing',
    async (client) => {
      const before = pg.types.getTypeParser(17)
      pg.types.setTypeParser(17, () => Buffer.from('mine'))
      pg.types.setTypeParser(20, (value: string) => BigInt(value))
      try {
        const store = await world.store({ port: world.port(client) })
        await store.commit(part, [put('a', { value: ALL_BYTES, expiresAt: now + 9 })], o())
        expect((await store.read(part, ['a'], { now }))[0]).toMatchObject({ value: ALL_BYTES, expiresAt: now + 9 })
      } finally {
        pg.types.setTypeParser(17, before)
        pg.types.setTypeParser(20, String)
      }
    },
  )

  it.each(['pg', 'postgres'] as const)(
    'a port over %s is closed once, however many stores share it, and leaves no connection behind',
    async (client) => {
      const application = `closing_${client}`
      const url = `${world.server.url}?application_name=${application}`
      const port =
        client === 'pg'
          ? fromPg(new pg.Pool({ connectionString: url }))
          : fromPostgresJs((o) => postgres(world.server.url, { ...o, connection: { application_name: application } }))
      const table = world.table()
      await migratePostgres(port, { table })
      const stores = [await postgresStore({ port, table }), await postgresStore({ port, table })]
      const reading = stores[0]!.list(part, '', { now, limit: 9 })
      const committing = stores.map((store, i) => store.commit(part, [put(`k/${i}`), put('both')], o()))
      await Promise.all(stores.map((store) => store.close()))
      await stores[0]!.close()
      expect((await Promise.all(committing)).map(({ ok }) => ok)).toEqual([true, true])
      await reading
      const open = () => world.server.psql(`select count(*) from pg_stat_activity where application_name = '${application}'`)
      for (let tries = 0; tries < 100 && (await open()) !== '0'; tries++) await sleep(20)
      expect(await open()).toBe('0')
    },
  )

  it('time() is the clock of the server', async () => {
    const store = await world.store()
    const [before, seen, after] = [Date.now(), await store.time!(), Date.now()]
    expect(seen >= before - 1000 && seen <= after + 1000).toBe(true)
  })

  it('no clock of the server has a say: the same commits at the same `now` in 1970', async () => {
    const store = await world.store()
    const at = (now: number) => ({ ...o(), now })
    expect((await store.commit(part, [put('a', { rev: null, expiresAt: 5 })], at(0))).ok).toBe(true)
    expect((await store.commit(part, [put('a', { rev: null, expiresAt: 9 })], at(4))).ok).toBe(false)
    expect((await store.commit(part, [put('a', { rev: null, expiresAt: 9 }), put('b')], at(5))).ok).toBe(true)
    expect((await store.commit(part, [put('c', { expiresAt: -5 })], at(-10))).ok).toBe(true)
  })
})

describe.skipIf(noPostgres)('the sweep', () => {
  const due = now + 1 + 60_000
  const filled = async (count: number, o: { keepEvery: number } = { keepEvery: 10 }) => {
    const table = world.table()
    const store = await world.store({ table })
    await world.server.psql(`insert into ${table} select 'bank:u:' || i % 3, 'k/' || i, decode(repeat('00', 200), 'hex'), 'AAAAAAAAAAAAAAAA', 0,
      case when i % ${o.keepEvery} = 0 then ${Number.MAX_SAFE_INTEGER} else ${now + 1} end from generate_series(1, ${count}) i`)
    const left = async () => Number(await world.server.psql(`select count(*) from ${table}`))
    return { table, store, left }
  }

  it('goes on from where its budget ended, a slice at a time, and misses no row between two of them', async () => {
    const { store, left } = await filled(5000)
    const swept: number[] = []
    for (let i = 0; i < 20 && (await left()) > 500; i++) swept.push(await store.sweep!(due, 0))
    expect([await left(), swept.reduce((a, b) => a + b, 0)]).toEqual([500, 4500])
    expect(swept.length).toBeGreaterThan(2)
  })

  it('with budget enough goes once around from wherever it stands', async () => {
    const { store, left } = await filled(5000)
    const first = await store.sweep!(due, 0)
    expect(await store.sweep!(due, 60_000)).toBe(4500 - first)
    expect([await left(), await store.sweep!(due, 60_000)]).toEqual([500, 0])
  })

  it('leaves to another node what that one is sweeping', async () => {
    const { table, store, left } = await filled(100)
    const other = new pg.Client(world.server.url)
    await other.connect()
    await other.query('begin')
    await other.query(`select pg_advisory_xact_lock(${lockOf(`'${table} sweep'`)})`)
    expect(await store.sweep!(due, 60_000)).toBe(0)
    await other.query('rollback')
    await other.end()
    expect(await store.sweep!(due, 60_000)).toBe(90)
    expect(await left()).toBe(10)
  })

  it('waits for no row that a commit holds, and does not remove one that was written again', async () => {
    const { table, store } = await filled(30, { keepEvery: 100 })
    const other = new pg.Client(world.server.url)
    await other.connect()
    await other.query('begin')
    await other.query(`update ${table} set x = ${Number.MAX_SAFE_INTEGER}, r = 'again___________' where k = 'k/7'`)
    expect(await store.sweep!(due, 60_000)).toBe(29)
    await other.query('commit')
    await other.end()
    expect(await store.sweep!(due, 60_000)).toBe(0)
    expect((await store.read(part, ['k/7'], { now: due }))[0]?.rev).toBe('again___________')
  })

  it('of two nodes at once removes each record once', async () => {
    const { table, left } = await filled(3000)
    const nodes = await Promise.all([0, 1].map(() => postgresStore({ port: world.port(), table, topology: 'single' })))
    const swept = await Promise.all(nodes.map((node) => node.sweep!(due, 60_000)))
    const rest = await nodes[0]!.sweep!(due, 60_000)
    expect([swept[0]! + swept[1]! + rest, await left()]).toEqual([2700, 300])
  })

  it('that cannot reach the server is store.unavailable; one that swept something tells how much', async () => {
    const { table } = await filled(5000)
    let slices = Number.POSITIVE_INFINITY
    const port = over(world.port(), ({ query }) => ({
      query: (name, text, values) =>
        /skip locked/.test(text) && slices-- <= 0 ? Promise.reject(new Error('gone')) : query(name, text, values),
    }))
    const store = await postgresStore({ port, table, topology: 'single' })
    slices = 0
    await expect(store.sweep!(due, 60_000)).rejects.toMatchObject({ code: 'store.unavailable' })
    slices = 1
    const first = await store.sweep!(due, 60_000)
    expect(first).toBeGreaterThan(0)
    slices = Number.POSITIVE_INFINITY
    expect(await store.sweep!(due, 60_000)).toBe(4500 - first)
  })
})

describe.skipIf(noPostgres)('a scan', () => {
  const filled = async (count: number) => {
    const table = world.table()
    const port = world.port()
    const store = await world.store({ port, table })
    for (let i = 0; i < count; i += 16)
      await store.commit(
        { tenant: 'bank', id: `u:${(i / 16) % 3}` },
        Array.from({ length: Math.min(16, count - i) }, (_, j) =>
          put(`k/${i + j}`, { value: bytes(`old ${i + j}`), expiresAt: now + 1 + ((i + j) % 2) * 1e6 }),
        ),
        o(),
      )
    return { table, port, store }
  }
  const noting =
    (list: string[]): Visit =>
    ({ part, key }) => {
      list.push(`${part.id} ${key}`)
      return null
    }
  const rows = (table: string) => world.server.psql(`select p, k, r, n, x from ${table} order by p, k`)

  it('shows every record, live or not, by partition and key, and in whatever pieces', async () => {
    const { table, port } = await filled(450)
    const whole: string[] = []
    expect(await scanPostgres(port, noting(whole), { table })).toEqual({
      seen: 450,
      rewritten: 0,
      after: null,
    })
    expect(whole).toEqual(
      (await world.server.psql(`select p || ' ' || k from ${table} order by p, k`)).split('\n').map((line) => line.slice(5)),
    )
    const pieces: string[] = []
    let after: string | null = null
    do {
      const scanned: { after: string | null } = await scanPostgres(port, noting(pieces), { table, after, limit: 130 })
      after = scanned.after
    } while (after !== null)
    expect(pieces).toEqual(whole)
  })

  it('puts new values in place of the old, of any length, and changes nothing else', async () => {
    const { table, port, store } = await filled(250)
    const before = await rows(table)
    const rewrite = ({ value }: { value: Uint8Array }) => {
      const number = Number(text(value).slice(4))
      return number % 3 === 0 ? null : number % 3 === 1 ? new Uint8Array(0) : bytes('n'.repeat(number))
    }
    expect(await scanPostgres(port, rewrite, { table })).toEqual({ seen: 250, rewritten: 166, after: null })
    expect(await rows(table)).toBe(before)
    const at = (i: number) => store.read({ tenant: 'bank', id: `u:${Math.floor(i / 16) % 3}` }, [`k/${i}`], { now })
    expect((await at(9))[0]?.value).toEqual(bytes('old 9'))
    expect((await at(7))[0]?.value).toEqual(new Uint8Array(0))
    expect((await at(245))[0]?.value).toEqual(bytes('n'.repeat(245)))
  })

  it('does not touch a record that was written since it was read', async () => {
    const { table, port, store } = await filled(3)
    const scanned = await scanPostgres(
      port,
      async ({ key }) => {
        if (key === 'k/1') await store.commit({ tenant: 'bank', id: 'u:0' }, [put('k/1', { value: bytes('newer') })], o())
        return bytes('resealed')
      },
      { table },
    )
    expect(scanned).toEqual({ seen: 3, rewritten: 2, after: null })
    const values = (await store.read({ tenant: 'bank', id: 'u:0' }, ['k/0', 'k/1'], { now })).map((rec) => text(rec!.value))
    expect(values).toEqual(['resealed', 'newer'])
  })

  it('runs beside commits on the same records: each record ends as one of the two wrote it, and no count is lost', async () => {
    const { table, port, store } = await filled(64)
    const ids = [0, 1, 2].map((id) => ({ tenant: 'bank', id: `u:${id}` }))
    const counting = Promise.all(
      ids.flatMap((id) =>
        Array.from({ length: 40 }, (_, i) =>
          store.commit(id, [{ op: 'add', key: 'n', by: 1, max: 999 }, put(`k/${i}`, { value: bytes('committed') })], o()),
        ),
      ),
    )
    for (let i = 0; i < 5; i++) await scanPostgres(port, () => bytes('scanned'), { table })
    await counting
    for (const id of ids) expect((await store.read(id, ['n'], { now }))[0]?.n).toBe(40)
  })

  it('refuses a value that is none, or too large, and visits at least one record', async () => {
    const { table, port } = await filled(2)
    for (const value of [new Uint8Array(65_537), 'text', [1]])
      await expect(scanPostgres(port, () => value as Uint8Array, { table })).rejects.toMatchObject({ code: 'store.invalid' })
    for (const limit of [0, Number.NaN])
      await expect(scanPostgres(port, () => null, { table, limit })).rejects.toMatchObject({ code: 'store.invalid' })
  })
})
