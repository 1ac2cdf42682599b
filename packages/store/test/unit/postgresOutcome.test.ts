/// <reference types="node" />
import { inspect } from 'node:util'
import { type Op, OutcomeUnknown, type Store } from '@postern/store'
import { fromPg, migratePostgres, postgresStore } from '@postern/store/postgres'
import { settle } from '@postern/store/settle'
import { delayingProxy } from '@postern/testkit/proxy'
import { startPostgres } from '@postern/testkit/servers'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { refusalOf } from '../../src/internal/postgres/outcome.js'
import { lockOf } from '../../src/internal/postgres/schema.js'
import { noPostgres, over, portTo, postgresWorld, sleep } from '../postgresServer.js'

const now = 1_767_225_600_000
const part = { tenant: 'bank', id: 'u:1' }
const other = { tenant: 'bank', id: 'u:2' }
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const put = (key: string, more: object = {}): Op => ({ op: 'put', key, value: new Uint8Array([1]), rev: null, ...more })
const two: readonly Op[] = [put('a'), put('b')]
const bytes = (text: string) => new TextEncoder().encode(text)
const overloaded = { code: 'store.overloaded', retryable: true }

describe.skipIf(noPostgres)('what became of a commit', () => {
  const world = postgresWorld()
  const clients: pg.Client[] = []
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.end()
  })
  const raw = async (o: pg.ClientConfig = {}): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: world.server.url, ...o })
    client.on('error', () => {})
    await client.connect()
    clients.push(client)
    return client
  }
  /** Holds the partition, as another node's commit does. */
  const hold = async (place = 'bank:u:1'): Promise<{ release(): Promise<unknown> }> => {
    const holder = await raw()
    await holder.query('begin')
    await holder.query(`select pg_advisory_xact_lock(${lockOf('$1::text')})`, [place])
    return { release: () => holder.query('rollback') }
  }
  /** Does something to every backend that waits for a lock, once there is one. */
  const toWaiting = async (act: 'pg_cancel_backend' | 'pg_terminate_backend'): Promise<void> => {
    for (let tries = 0; tries < 200; tries++) {
      const done = await world.server.psql(`select count(${act}(pid)) from pg_stat_activity where wait_event_type = 'Lock'`)
      if (done !== '0') return
      await sleep(10)
    }
    throw new Error('nobody waits')
  }
  const onWrite = async (table: string, body: string): Promise<void> => {
    await world.server.psql(
      `create function ${table}_hook() returns trigger language plpgsql as $$ begin ${body} return new; end $$`,
    )
    await world.server.psql(
      `create trigger hook before insert or update on ${table} for each row execute function ${table}_hook()`,
    )
  }
  const isThere = async (store: Store, key: string): Promise<boolean> => (await store.read(part, [key], { now }))[0] !== null

  describe.each([
    ['one op', [put('a')]],
    ['two ops', two],
  ] as const)('%s', (_name, ops) => {
    it('a partition that another node holds for long is store.overloaded: not applied, now and later', async () => {
      const store = await world.store({ lockTimeoutMs: 100 })
      const { release } = await hold()
      await expect(store.commit(part, ops, o())).rejects.toMatchObject(overloaded)
      await release()
      await sleep(50)
      expect(await isThere(store, 'a')).toBe(false)
      expect((await store.commit(part, ops, o())).ok).toBe(true)
    })

    it('a commit that an operator cancels while it waits is not applied', async () => {
      const store = await world.store({ lockTimeoutMs: 60_000 })
      const { release } = await hold()
      const answer = store.commit(part, ops, o())
      await Promise.all([expect(answer).rejects.toMatchObject(overloaded), toWaiting('pg_cancel_backend')])
      await release()
      expect(await isThere(store, 'a')).toBe(false)
    })

    it('a server that ends the session leaves the outcome unknown, and the next commit has another session', async () => {
      const store = await world.store({ lockTimeoutMs: 60_000 })
      const { release } = await hold()
      const sent = o()
      const answer = store.commit(part, ops, sent)
      await Promise.all([
        expect(answer).rejects.toMatchObject({ code: 'store.outcome_unknown', rev: sent.rev }),
        toWaiting('pg_terminate_backend'),
      ])
      await expect(answer).rejects.toBeInstanceOf(OutcomeUnknown)
      await release()
      expect(await settle(store, part, ops, sent)).toMatchObject({ ok: true })
    })

    it.each(['40001', '40P01'])('SQLSTATE %s is retried three times, and then not applied', async (state) => {
      const table = world.table()
      const store = await world.store({ table })
      await world.server.psql(`create sequence ${table}_tries`)
      await onWrite(table, `if nextval('${table}_tries') < 4 then raise exception using errcode = '${state}'; end if;`)
      expect((await store.commit(part, ops, o())).ok).toBe(true)

      await world.server.psql(`drop trigger hook on ${table}; drop function ${table}_hook; alter sequence ${table}_tries restart`)
      await onWrite(table, `perform nextval('${table}_tries'); raise exception using errcode = '${state}';`)
      await expect(store.commit(other, ops, o())).rejects.toMatchObject(overloaded)
      expect(await world.server.psql(`select last_value from ${table}_tries`)).toBe('4')
      expect(await store.list(other, '', { now, limit: 9 })).toEqual([])
    })

    it('a WARNING with a success leaves the outcome unknown: a wait for the standby may have been broken off', async () => {
      const table = world.table()
      const store = await world.store({ table })
      await onWrite(table, `raise warning 'something is wrong';`)
      const sent = o()
      await expect(store.commit(part, ops, sent)).rejects.toMatchObject({ code: 'store.outcome_unknown', rev: sent.rev })
      expect(await isThere(store, 'a')).toBe(true)
    })

    it('a NOTICE says nothing about the outcome', async () => {
      const table = world.table()
      const store = await world.store({ table })
      await onWrite(table, `raise notice 'by the way';`)
      expect((await store.commit(part, ops, o())).ok).toBe(true)
    })

    it('an error of the server is store.unavailable, and tells no key, no id and no value', async () => {
      const table = world.table()
      const store = await world.store({ table })
      await onWrite(table, `raise exception 'bad row % % %', new.p, new.k, new.v using detail = new.k, hint = new.p;`)
      const error = await store
        .commit(
          { tenant: 'bank', id: 'secret-id' },
          [put('secret-key', { value: new Uint8Array([0xca, 0xfe]) }), ...ops.slice(1)],
          o(),
        )
        .catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'store.unavailable' })
      expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/secret|cafe|bad row/)
      expect(await store.list({ tenant: 'bank', id: 'secret-id' }, '', { now, limit: 9 })).toEqual([])
    })

    it('a table that is gone is store.unavailable, with a word about what to do', async () => {
      const table = world.table()
      const store = await world.store({ table })
      await world.server.psql(`drop table ${table}`)
      await expect(store.commit(part, ops, o())).rejects.toMatchObject({
        code: 'store.unavailable',
        publicMessage: expect.stringContaining('migratePostgres'),
      })
    })

    it('a server that gives no answer leaves the outcome unknown once the time is over', async () => {
      const link = await delayingProxy({ target: world.server.port })
      const store = await world.store({ port: portTo(link.port), commitTimeoutMs: 200 })
      await store.commit(part, [put('first')], o())
      link.stall()
      const sent = o()
      await expect(store.commit(part, ops, sent)).rejects.toMatchObject({ code: 'store.outcome_unknown' })
      link.resume()
      expect(await settle(store, part, ops, sent)).toMatchObject({
        ok: true,
        recs: [{ rev: sent.rev }, ...ops.slice(1).map(() => ({}))],
      })
      await store.close()
      await link.close()
    })

    it('a commit for which no session could be had in time is store.unavailable, and is not sent when there is one', async () => {
      const port = world.port('pg', 1)
      const store = await world.store({ port, commitTimeoutMs: 100 })
      let giveBack = (): void => {}
      const taken = port.withSession(() => new Promise<void>((resolve) => (giveBack = resolve)))
      await expect(store.commit(part, ops, o())).rejects.toMatchObject({ code: 'store.unavailable', retryable: true })
      giveBack()
      await taken
      expect(await isThere(store, 'a')).toBe(false)
      expect((await store.commit(part, ops, o())).ok).toBe(true)
    })
  })

  it('a row that another transaction holds for long is store.overloaded', async () => {
    const table = world.table()
    const store = await world.store({ table, lockTimeoutMs: 100 })
    const holder = await raw()
    await holder.query('begin')
    await holder.query(`insert into ${table} values ('bank:u:1', 'a', '', 'AAAAAAAAAAAAAAAA', 0, 1)`)
    await expect(store.commit(part, [put('a')], o())).rejects.toMatchObject(overloaded)
    await holder.query('rollback')
    expect(await isThere(store, 'a')).toBe(false)
  })

  it('a server with no connection left is store.unavailable', async () => {
    const table = world.table()
    await migratePostgres(world.port(), { table })
    await world.server.psql('create role few login connection limit 1; grant all on all tables in schema public to few')
    const connectionString = world.server.url.replace('postgres@', 'few@')
    const pool = new pg.Pool({ connectionString, max: 1, idleTimeoutMillis: 20 })
    const store = await postgresStore({ port: fromPg(pool), table })
    while (pool.totalCount > 0) await sleep(10)
    await sleep(50)
    await raw({ connectionString })
    await expect(store.commit(part, two, o())).rejects.toMatchObject({ code: 'store.unavailable', cause: { code: '53300' } })
    await store.close()
  })

  it('a session that broke while it was idle is replaced', async () => {
    const store = await world.store()
    await store.commit(part, [put('a')], o())
    await world.server.psql(
      `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'`,
    )
    await sleep(100)
    expect((await store.commit(part, [put('b')], o())).ok).toBe(true)
  })

  it('a server killed and started again: unknown, unavailable, and then as before', async () => {
    const server = await startPostgres()
    try {
      const port = portTo(server.port)
      await migratePostgres(port)
      const store = await postgresStore({ port, topology: 'single', lockTimeoutMs: 60_000 })
      const holder = new pg.Client(server.url)
      holder.on('error', () => {})
      await holder.connect()
      await holder.query('begin')
      await holder.query(`select pg_advisory_xact_lock(${lockOf('$1::text')})`, ['bank:u:1'])
      const answer = store.commit(part, two, o()).catch((error: unknown) => error)
      while ((await server.psql(`select count(*) from pg_stat_activity where wait_event = 'advisory'`)) === '0') await sleep(10)
      await server.kill()
      expect(await answer).toBeInstanceOf(OutcomeUnknown)
      await expect(store.commit(part, two, o())).rejects.toMatchObject({ code: 'store.unavailable' })
      await expect(store.read(part, ['a'], { now })).rejects.toMatchObject({ code: 'store.unavailable' })
      await server.start()
      expect((await store.commit(part, two, o())).ok).toBe(true)
      await store.close()
    } finally {
      await server.stop()
    }
  }, 300_000)

  it('one partition that is held refuses its own commits alone, not those that travel with them', async () => {
    const store = await world.store({ lockTimeoutMs: 200, connections: 1 })
    const { release } = await hold()
    const parts = Array.from({ length: 8 }, (_, i) => ({ tenant: 'bank', id: `u:${i}` }))
    const answers = await Promise.allSettled(parts.map((one) => store.commit(one, two, o())))
    expect(answers.map(({ status }) => status)).toEqual(parts.map(({ id }) => (id === 'u:1' ? 'rejected' : 'fulfilled')))
    expect(answers[1]).toMatchObject({ reason: overloaded })
    await release()
  })

  describe('a race that the snapshot does not show', () => {
    /** Runs `commit` so that its statement begins before, and reaches the row after, another transaction wrote it. */
    const overtaken = async (table: string, write: string, commit: () => ReturnType<Store['commit']>) => {
      const holder = await raw()
      await holder.query('begin')
      await holder.query(write)
      const answer = commit()
      while (
        (await world.server.psql(
          `select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%${table}%'`,
        )) === '0'
      )
        await sleep(5)
      await holder.query('commit')
      return answer
    }

    it('a swap that lost shows the record that won, not the one it expected', async () => {
      const table = world.table()
      const store = await world.store({ table })
      const first = o()
      await store.commit(part, [put('a')], first)
      const answer = await overtaken(table, `update ${table} set r = 'winner__________'`, () =>
        store.commit(part, [put('a', { rev: first.rev })], o()),
      )
      expect(answer).toMatchObject({ ok: false, at: 0, current: { rev: 'winner__________' } })
    })

    it('a creation that lost shows the record that was created', async () => {
      const table = world.table()
      const store = await world.store({ table })
      const answer = await overtaken(
        table,
        `insert into ${table} values ('bank:u:1', 'a', 'x', 'winner__________', 0, ${Number.MAX_SAFE_INTEGER})`,
        () => store.commit(part, [put('a')], o()),
      )
      expect(answer).toMatchObject({ ok: false, at: 0, current: { rev: 'winner__________', expiresAt: 0 } })
    })

    it('a counter that filled up in between shows its last count', async () => {
      const table = world.table()
      const store = await world.store({ table })
      const add: Op = { op: 'add', key: 'n', by: 1, max: 3 }
      await store.commit(part, [add], o())
      const answer = await overtaken(table, `update ${table} set n = 3`, () => store.commit(part, [add], o()))
      expect(answer).toMatchObject({ ok: false, at: 0, current: { n: 3 } })
    })

    it('a removal whose record was replaced shows the new one', async () => {
      const table = world.table()
      const store = await world.store({ table })
      const first = o()
      await store.commit(part, [put('a')], first)
      const answer = await overtaken(table, `update ${table} set r = 'winner__________'`, () =>
        store.commit(part, [{ op: 'del', key: 'a', rev: first.rev }], o()),
      )
      expect(answer).toMatchObject({ ok: false, at: 0, current: { rev: 'winner__________' } })
    })
  })

  describe('what wrote nothing looks at the record', () => {
    /** A store, the names of its statements since, and something to do behind the first of them. */
    const watched = async (then: (other: Store) => Promise<unknown> = async () => {}) => {
      const table = world.table()
      const other = await world.store({ table })
      const sent: string[] = []
      let between = false
      const port = over(world.port(), ({ query }) => ({
        async query(...call) {
          const answer = await query(...call)
          if (call[0].startsWith(`${table}:`)) sent.push(call[0].slice(table.length + 1))
          if (between && sent.length === 1) await then(other)
          return answer
        },
      }))
      const store = await postgresStore({ port, table, topology: 'single' })
      return {
        other,
        async commit(op: Op) {
          sent.length = 0
          between = true
          return { answer: await store.commit(part, [op], o()), sent: [...sent] }
        },
      }
    }
    const add: Op = { op: 'add', key: 'a', by: 1, max: 1 }

    it('a commit of one op is one statement, and one more when it is refused', async () => {
      const { commit } = await watched()
      expect(await commit(put('a'))).toMatchObject({ answer: { ok: true }, sent: ['create'] })
      expect(await commit(put('a'))).toMatchObject({ answer: { ok: false, current: { n: 0 } }, sent: ['create', 'get'] })
      expect(await commit(add)).toMatchObject({ answer: { ok: true, recs: [{ n: 1 }] }, sent: ['add'] })
      expect(await commit(add)).toMatchObject({ answer: { ok: false, current: { n: 1 } }, sent: ['add', 'get'] })
      expect(await commit({ op: 'del', key: 'never' })).toMatchObject({ answer: { ok: true }, sent: ['del'] })
    })

    it.each<[string, Op]>([
      ['a creation', put('a')],
      ['an add', add],
    ])('%s whose obstacle is gone by then is judged again, and holds', async (_what, op) => {
      const { commit, other } = await watched((store) => store.commit(part, [{ op: 'del', key: 'a' }], o()))
      await other.commit(part, [{ op: 'add', key: 'a', by: 1, max: 1 }], o())
      const { answer, sent } = await commit(op)
      expect(answer).toMatchObject({ ok: true, recs: [{ key: 'a' }] })
      expect(sent).toEqual([op.op === 'add' ? 'add' : 'create', 'get', 'commit'])
    })

    it('shows what stands there then, which refuses it as well', async () => {
      const { commit, other } = await watched((store) =>
        store.commit(part, [put('a', { rev: undefined, value: bytes('second') })], o()),
      )
      await other.commit(part, [put('a', { value: bytes('first') })], o())
      expect((await commit(put('a'))).answer).toMatchObject({ ok: false, at: 0, current: { value: bytes('second') } })
    })
  })

  it('two commits of one op do not wait for each other; one of many ops waits for them, and they for it', async () => {
    const table = world.table()
    const store = await world.store({ table, lockTimeoutMs: 150 })
    const holder = await raw()
    await holder.query('begin')
    await holder.query(`select pg_advisory_xact_lock_shared(${lockOf('$1::text')})`, ['bank:u:1'])
    expect((await store.commit(part, [put('a')], o())).ok).toBe(true)
    await expect(store.commit(part, [put('c'), put('d')], o())).rejects.toMatchObject(overloaded)
    await holder.query('rollback')
  })

  it('what has waited too long to be sent is store.overloaded and was not sent', async () => {
    const link = await delayingProxy({ target: world.server.port })
    const store = await world.store({ port: portTo(link.port), commitTimeoutMs: 200, connections: 1, maxBatch: 1 })
    link.stall()
    const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => store.commit(part, [put(`k/${i}`)], o())))
    const codes = answers.map((answer) => (answer.status === 'rejected' ? answer.reason.code : 'applied'))
    expect(codes[0]).toBe('store.outcome_unknown')
    expect(codes.at(-1)).toBe('store.overloaded')
    link.resume()
    await sleep(300)
    expect(await isThere(store, 'k/19')).toBe(false)
    await store.close()
    await link.close()
  })

  it('a full queue refuses at once, and more reads than may wait are refused, too', async () => {
    const link = await delayingProxy({ target: world.server.port })
    const store = await world.store({ port: portTo(link.port), commitTimeoutMs: 300, maxQueue: 5 })
    link.stall()
    const commits = Array.from({ length: 6 }, (_, i) => store.commit(part, [put(`k/${i}`)], o()))
    await expect(commits[5]).rejects.toMatchObject(overloaded)
    const reads = Array.from({ length: 6 }, () => store.read(part, ['a'], { now }))
    await expect(reads[5]).rejects.toMatchObject(overloaded)
    link.resume()
    await Promise.allSettled([...commits, ...reads])
    await store.close()
    await link.close()
  })

  it.each(['pg', 'postgres'] as const)('a session of %s that was left unanswered is closed, not given back', async (client) => {
    const link = await delayingProxy({ target: world.server.port })
    const pids = new Set<unknown>()
    const seen = over(portTo(link.port, client, 1), ({ query }) => ({
      async query(name, text, values) {
        const { rows } = await query('', 'select pg_backend_pid() as pid', [])
        pids.add(rows[0]!['pid'])
        return query(name, text, values)
      },
    }))
    const store = await world.store({ port: seen, commitTimeoutMs: 200, connections: 1 })
    expect(pids.size).toBe(1)
    link.stall()
    await expect(store.commit(part, two, o())).rejects.toBeInstanceOf(OutcomeUnknown)
    link.resume()
    expect((await store.commit(other, two, o())).ok).toBe(true)
    expect(pids.size).toBe(2)
    await store.close()
    await link.close()
  })
})

describe('an error of a client', () => {
  const server = (code: string, severity = 'ERROR') => refusalOf(Object.assign(new Error('m'), { code, severity }))?.code ?? null

  it.each([
    ['55P03', 'store.overloaded'],
    ['57014', 'store.overloaded'],
    ['40001', 'store.overloaded'],
    ['40P01', 'store.overloaded'],
    ['53300', 'store.unavailable'],
    ['53100', 'store.unavailable'],
    ['25006', 'store.unavailable'],
    ['42P01', 'store.unavailable'],
    ['57P01', null],
    ['57P02', null],
    ['57P03', null],
    ['08006', null],
    ['08003', null],
    ['PS001', 'store.guarantee_lost'],
    ['PS002', 'store.overloaded'],
  ])('SQLSTATE %s of an ERROR is %s', (code, expected) => {
    expect(server(code)).toBe(expected)
  })

  it('whatever ends the session is unknown, and so is a severity in a language we do not know', () => {
    expect([server('XX000', 'FATAL'), server('53100', 'PANIC'), server('23505', 'FEHLER')]).toEqual([null, null, null])
    expect(server('55P03', 'FEHLER')).toBe('store.overloaded')
  })

  it('a socket error is unknown, even one whose code looks like an SQLSTATE', () => {
    for (const code of ['EPIPE', 'ECONNRESET', 'CONNECTION_CLOSED'])
      expect(refusalOf(Object.assign(new Error('m'), { code }))).toBe(null)
    for (const error of [new Error('Connection terminated unexpectedly'), null, undefined, 'x', {}])
      expect(refusalOf(error)).toBe(null)
  })
})
