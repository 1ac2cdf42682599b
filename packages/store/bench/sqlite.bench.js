// @ts-check
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { sqliteStore } from '@postern/store/sqlite'
import Libsql from 'libsql'
import { compare, median, timed } from './measure.js'

/** @typedef {{ inFlight: number, count: number, two?: boolean, hot?: boolean, rounds?: number }} Work */
/** @typedef {{ name: string, open: (file: string) => import('@postern/store/sqlite').SqliteDatabase }} Client */

const now = 1_767_225_600_000
const rev = 'AAAAAAAAAAAAAAAA'
const value = new Uint8Array(300).fill(7)
// A disk, where there is one: a file system in memory would make every sync free.
const folder = mkdtempSync(join(process.env['POSTERN_BENCH_DIR'] ?? process.cwd(), '.bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.once(signal, () => process.exit(1))
let files = 0
let keys = 0

/** @type {readonly [suffix: string, work: Work][]} */
const works = [
  ['1', { inFlight: 1, count: 300 }],
  ['1.hot', { inFlight: 1, count: 300, hot: true }],
  ['32', { inFlight: 32, count: 1600 }],
  ['32.hot', { inFlight: 32, count: 1600, hot: true }],
  ['32.two-op', { inFlight: 32, count: 960, two: true }],
  ['256', { inFlight: 256, count: 2560 }],
  ['256.hot', { inFlight: 256, count: 2560, hot: true }],
]

/** Put-if-absent of 300 bytes, against raw upserts in FULL transactions of the same size, same client, same file system. */
export async function sqliteCases() {
  const only = process.env['POSTERN_BENCH_CASE']
  const fdatasync_us = Math.round(fdatasync())
  const lines = []
  for (const client of [libsql, betterSqlite()]) {
    if ('skipped' in client) {
      lines.push({ case: `sqlite.commit.${client.name}`, skipped: client.skipped })
      continue
    }
    for (const [suffix, work] of works) {
      const name = `sqlite.commit.${suffix}${client === libsql ? '' : `.${client.name}`}`
      if (only !== undefined && only !== name) continue
      const { inFlight, rounds = 15 } = work
      const ours = driver(client, work)
      const peer = raw(client, work)
      const peerName = `${client.name}: raw ${inFlight === 1 ? 'autocommit upsert' : 'upserts, one FULL transaction for as many'}`
      const line = await compare(name, { postern: ours.run, peer: peer.run, peerName, limit_us: fdatasync_us / inFlight, rounds })
      lines.push({ ...line, batch_mean: ours.batchMean(), bytes_a_record: ours.bytesARecord(), fdatasync_us })
      await ours.end()
      peer.end()
    }
  }
  return lines
}

/** @type {Client} */
const libsql = { name: 'libsql', open: (file) => new Libsql(file) }

/** Installed with the runtime tests, for Node 20. @returns {Client | { name: string, skipped: string }} */
function betterSqlite() {
  const name = 'better-sqlite3'
  try {
    const Database = createRequire(new URL('../../../runtime-tests/package.json', import.meta.url))(name)
    new Database(':memory:').close()
    return { name, open: (file) => new Database(file) }
  } catch {
    return { name, skipped: 'not installed for this Node: npm run test:runtimes installs it' }
  }
}

/** @param {Client} client @param {Work} work */
function driver({ open }, { inFlight, count, two = false, hot = false }) {
  const db = open(join(folder, `${++files}.db`))
  let commits = 0
  let batches = 0
  /** @type {import('@postern/store/sqlite').SqliteDatabase} */
  const counted = {
    exec: (sql) => db.exec(sql),
    close: () => db.close(),
    prepare(sql) {
      const statement = db.prepare(sql)
      if (sql !== 'commit') return statement
      const run = () => {
        batches++
        return statement.run()
      }
      return { run, get: () => statement.get(), all: () => statement.all() }
    },
  }
  const store = sqliteStore(counted)
  const one = async () => {
    const n = ++keys
    /** @type {import('@postern/store').Op[]} */
    const ops = [{ op: 'put', key: `marker/${n}`, value, rev: null }]
    if (two) ops.push({ op: 'put', key: `fam/${n}`, value, rev: null })
    const answer = await store.commit({ tenant: 'bank', id: hot ? 'u:hot' : `u:${n % 997}` }, ops, { now, rev })
    if (!answer.ok) throw new Error('a fresh marker was refused')
    commits++
  }
  const each = async () => {
    for (let i = 0; i < count / inFlight; i++) await one()
  }
  return {
    run: () => timed(count, () => Promise.all(Array.from({ length: inFlight }, each))),
    batchMean: () => Number((commits / batches).toPrecision(4)),
    bytesARecord() {
      db.exec('pragma wal_checkpoint(truncate)')
      const { bytes } = /** @type {{ bytes: number }} */ (
        db.prepare('select page_count * page_size as bytes from pragma_page_count, pragma_page_size').get()
      )
      return Math.round(bytes / (commits * (two ? 2 : 1)))
    },
    end: () => store.close(),
  }
}

/** @param {Client} client @param {Work} work */
function raw({ open }, { inFlight, count, two = false, hot = false }) {
  const db = open(join(folder, `${++files}.db`))
  db.exec('pragma journal_mode = wal')
  db.exec('pragma synchronous = full; pragma fullfsync = 1')
  db.exec(`create table kv (p text not null, k text not null, v blob not null, r text not null, n integer not null, x integer not null,
    primary key (p, k)) strict, without rowid`)
  const upsert = db.prepare(
    'insert into kv values (?, ?, ?, ?, ?, ?) on conflict (p, k) do update set v = excluded.v, r = excluded.r, n = excluded.n, x = excluded.x',
  )
  const [begin, commit] = [db.prepare('begin immediate'), db.prepare('commit')]
  const one = () => {
    const n = ++keys
    const p = hot ? 'bank:u:hot' : `bank:u:${n % 997}`
    upsert.run(p, `marker/${n}`, value, rev, 0, Number.MAX_SAFE_INTEGER)
    if (two) upsert.run(p, `fam/${n}`, value, rev, 0, Number.MAX_SAFE_INTEGER)
  }
  return {
    run: () =>
      timed(count, () => {
        for (let i = 0; i < count; i += inFlight) {
          if (inFlight > 1) begin.run()
          for (let j = 0; j < inFlight; j++) one()
          if (inFlight > 1) commit.run()
        }
      }),
    end: () => db.close(),
  }
}

/** µs of one appended page and its sync on the same file system: what a single commit cannot go below. */
function fdatasync() {
  const fd = openSync(join(folder, 'sync'), 'w')
  const page = new Uint8Array(4096)
  const times = Array.from({ length: 200 }, () => {
    const start = process.hrtime.bigint()
    writeSync(fd, page)
    fdatasyncSync(fd)
    return Number(process.hrtime.bigint() - start) / 1000
  })
  closeSync(fd)
  return median(times)
}
