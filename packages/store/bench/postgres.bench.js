// @ts-check
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fromPg, migratePostgres, postgresStore } from '@postern/store/postgres'
import { present, startPostgres } from '@postern/testkit/servers'
import pg from 'pg'
import { compare, median, timed } from './measure.js'

/** @typedef {{ inFlight: number, count: number, ops?: number, hot?: boolean }} Work */
/**
 * @typedef {Work & { sessions?: number, maxBatch?: number, peer: 'raw' | 'unbatched', peerSessions?: number }} Case - `sessions` are what
 *   the driver has, `peerSessions` what the peer has, as many unless told
 */
/** @typedef {import('@postern/testkit/servers').PostgresServer} Server */

const now = 1_767_225_600_000
const rev = 'AAAAAAAAAAAAAAAA'
const value = new Uint8Array(300).fill(7)
let keys = 0
let tables = 0

/**
 * One op on a session of its own against a raw statement of `pg`; batches against the driver that sends each commit alone, over as many
 * sessions and over as many as there are commits in flight.
 * @type {Readonly<Record<string, Case>>}
 */
const all = {
  'postgres.fast.1': { inFlight: 1, count: 300, maxBatch: 1, peer: 'raw' },
  'postgres.fast.32': { inFlight: 32, count: 1600, maxBatch: 1, sessions: 32, peer: 'raw' },
  'postgres.fast.32.two-sessions': { inFlight: 32, count: 960, maxBatch: 1, peer: 'raw' },
  'postgres.batch.32': { inFlight: 32, count: 1600, peer: 'unbatched' },
  'postgres.batch.32.against-32-sessions': { inFlight: 32, count: 1600, peer: 'unbatched', peerSessions: 32 },
  'postgres.batch.32.hot': { inFlight: 32, count: 960, hot: true, peer: 'unbatched' },
  'postgres.batch2.32': { inFlight: 32, count: 960, ops: 2, peer: 'unbatched' },
  'postgres.batch2.32.against-32-sessions': { inFlight: 32, count: 960, ops: 2, peer: 'unbatched', peerSessions: 32 },
  'postgres.batch.256': { inFlight: 256, count: 2560, peer: 'unbatched' },
  'postgres.batch.256.against-32-sessions': { inFlight: 256, count: 2560, peer: 'unbatched', peerSessions: 32 },
  'postgres.batch.256.hot': { inFlight: 256, count: 2560, hot: true, peer: 'unbatched' },
}

/** Put-if-absent of 300 bytes into a throw-away server with `fsync` and `synchronous_commit` on. */
export async function postgresCases() {
  const only = process.env['POSTERN_BENCH_CASE']
  const chosen = Object.entries(all).filter(([name]) => only === undefined || only === name)
  if (chosen.length === 0) return []
  if (!present.postgres) return [{ case: 'postgres', skipped: 'no PostgreSQL on this machine' }]
  const server = await startPostgres()
  // A server that stops keeps no process waiting for it.
  const waiting = setInterval(() => {}, 1000)
  try {
    const fdatasync_us = Math.round(fdatasync(server.folder))
    const lines = []
    for (const [name, one] of chosen) lines.push({ ...(await run(server, name, one, fdatasync_us)), fdatasync_us })
    return lines
  } finally {
    await server.stop()
    clearInterval(waiting)
  }
}

/** @param {Server} server @param {string} name @param {Case} one @param {number} fdatasync_us */
async function run(server, name, one, fdatasync_us) {
  const { inFlight, sessions = 2, maxBatch = 64, peer: kind, peerSessions = sessions } = one
  const ours = await driver(server, sessions, maxBatch)
  const peer = kind === 'raw' ? await rawInserts(server, peerSessions) : await driver(server, peerSessions, 1)
  const line = await compare(name, {
    postern: () => ours.run(one),
    peer: () => peer.run(one),
    peerName: `${kind === 'raw' ? 'pg: raw insert … on conflict' : 'the driver, batching off'}, ${peerSessions} sessions`,
    limit_us: fdatasync_us / Math.min(inFlight, sessions * maxBatch),
    rounds: 15,
  })
  const bytes_a_record = await bytesARecord(server, ours.table)
  await ours.end()
  await peer.end()
  return { ...line, sessions, batch_mean: ours.batchMean(), bytes_a_record }
}

/** A store over a fresh table. @param {Server} server @param {number} sessions @param {number} maxBatch */
async function driver(server, sessions, maxBatch) {
  const port = fromPg(new pg.Pool({ connectionString: server.url, max: sessions }))
  const table = await freshTable(port)
  let batches = 0
  /** @type {import('@postern/store/postgres').PgPort} */
  const counted = {
    close: port.close,
    withSession(use) {
      batches++
      return port.withSession(use)
    },
  }
  const store = await postgresStore({ port: counted, table, topology: 'single', connections: sessions, maxBatch })
  let commits = 0
  batches = 0
  return {
    table,
    /** @param {Work} work */
    run(work) {
      commits += work.count
      return inFlight(work, async (n, { ops = 1, hot = false }) => {
        /** @type {import('@postern/store').Op[]} */
        const list = Array.from({ length: ops }, (_, i) => ({ op: 'put', key: `marker/${i}/${n}`, value, rev: null }))
        const answer = await store.commit({ tenant: 'bank', id: hot ? 'u:hot' : `u:${n % 9973}` }, list, { now: now + n, rev })
        if (!answer.ok) throw new Error('a fresh marker was refused')
      })
    },
    batchMean: () => Number((commits / batches).toPrecision(3)),
    end: () => store.close(),
  }
}

/** The statement that writes such a record without asking anything. @param {Server} server @param {number} sessions */
async function rawInserts(server, sessions) {
  const pool = new pg.Pool({ connectionString: server.url, max: sessions })
  const table = await freshTable(fromPg(pool))
  const text = `insert into ${table} (p, k, v, r, n, x) values ($1, $2, $3, $4, $5, $6)
    on conflict (p, k) do update set v = excluded.v, r = excluded.r, n = excluded.n, x = excluded.x`
  return {
    /** @param {Work} work */
    run: (work) =>
      inFlight(work, (n) =>
        pool.query({
          name: 'raw',
          text,
          values: [`bank:u:${n % 9973}`, `marker/0/${n}`, value, rev, 0, Number.MAX_SAFE_INTEGER],
        }),
      ),
    end: () => pool.end(),
  }
}

/** @param {Work} work @param {(n: number, work: Work) => Promise<unknown>} one */
function inFlight(work, one) {
  return timed(work.count, () =>
    Promise.all(
      Array.from({ length: work.inFlight }, async () => {
        for (let i = 0; i < work.count / work.inFlight; i++) await one(++keys, work)
      }),
    ),
  )
}

/** @param {import('@postern/store/postgres').PgPort} port */
async function freshTable(port) {
  const table = `b${++tables}_kv`
  await migratePostgres(port, { table })
  return table
}

/** @param {Server} server @param {string} table */
async function bytesARecord(server, table) {
  const seen = await server.psql(`select round(pg_total_relation_size('${table}')::numeric / count(*)) from ${table}`)
  return Number(seen)
}

/** µs of one appended page and its sync on the server's file system. @param {string} folder */
function fdatasync(folder) {
  const fd = openSync(join(folder, 'sync'), 'w')
  const page = new Uint8Array(8192)
  const times = Array.from({ length: 200 }, () => {
    const start = process.hrtime.bigint()
    writeSync(fd, page)
    fdatasyncSync(fd)
    return Number(process.hrtime.bigint() - start) / 1000
  })
  closeSync(fd)
  return median(times)
}
