// @ts-check
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import { compare, median, timed } from './measure.js'

const now = 1_767_225_600_000
const value = new Uint8Array(300).fill(7)
// A disk, where there is one: a file system in memory would make every sync free.
const folder = mkdtempSync(join(process.env['POSTERN_BENCH_DIR'] ?? process.cwd(), '.bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.once(signal, () => process.exit(1))
let files = 0
let keys = 0

/** Put-if-absent of 300 bytes, against raw upserts in FULL transactions of the same size, same client, same file system. */
export async function sqliteCases() {
  const sync_us = fdatasync()
  const note = { fdatasync_us: Math.round(sync_us) }
  const upserts = { peerName: 'libsql: raw upserts, one FULL transaction for as many' }
  return [
    await compare('sqlite.commit.1', { postern: ours(1, 400), peer: raw(1, 400), ...upserts, limit_us: sync_us, note }),
    await compare('sqlite.commit.32', {
      postern: ours(32, 3200),
      peer: raw(32, 3200),
      ...upserts,
      limit_us: sync_us / 32,
      note,
    }),
    await compare('sqlite.commit.32.two-op', {
      postern: ours(32, 1600, true),
      peer: raw(32, 1600, true),
      ...upserts,
      limit_us: sync_us / 32,
      note,
    }),
    await compare('sqlite.commit.256', {
      postern: ours(256, 6400),
      peer: raw(256, 6400),
      ...upserts,
      limit_us: sync_us / 256,
      note,
    }),
  ]
}

/** @param {number} inFlight @param {number} count @param {boolean} [two] */
function ours(inFlight, count, two = false) {
  const store = sqliteStore(new Database(join(folder, `${++files}.db`)))
  return () =>
    timed(count, () =>
      Promise.all(
        Array.from({ length: inFlight }, async () => {
          for (let i = 0; i < count / inFlight; i++) {
            const n = ++keys
            /** @type {import('@postern/store').Op[]} */
            const ops = [{ op: 'put', key: `marker/${n}`, value, rev: null }]
            if (two) ops.push({ op: 'put', key: `fam/${n}`, value, rev: null })
            const answer = await store.commit({ tenant: 'bank', id: `u:${n % 997}` }, ops, { now, rev: 'AAAAAAAAAAAAAAAA' })
            if (!answer.ok) throw new Error('a fresh marker was refused')
          }
        }),
      ),
    )
}

/** @param {number} size @param {number} count @param {boolean} [two] */
function raw(size, count, two = false) {
  const db = new Database(join(folder, `${++files}.db`))
  db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma fullfsync = 1')
  db.exec(`create table kv (p text not null, k text not null, v blob not null, r text not null, n integer not null, x integer not null,
    primary key (p, k)) strict, without rowid`)
  const upsert = db.prepare(
    'insert into kv values (?, ?, ?, ?, ?, ?) on conflict (p, k) do update set v = excluded.v, r = excluded.r, n = excluded.n, x = excluded.x',
  )
  const [begin, commit] = [db.prepare('begin immediate'), db.prepare('commit')]
  return () =>
    timed(count, () => {
      for (let i = 0; i < count; i += size) {
        begin.run()
        for (let j = 0; j < size; j++) {
          const n = ++keys
          upsert.run(`bank:u:${n % 997}`, `marker/${n}`, value, 'AAAAAAAAAAAAAAAA', 0, Number.MAX_SAFE_INTEGER)
          if (two) upsert.run(`bank:u:${n % 997}`, `fam/${n}`, value, 'AAAAAAAAAAAAAAAA', 0, Number.MAX_SAFE_INTEGER)
        }
        commit.run()
      }
    })
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
