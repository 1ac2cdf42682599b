/** The table, its statements and its rows. Plain `?` parameters only: numbered ones bind differently in the clients. */
import type { SqliteDatabase, SqliteStatement } from '../../sqlite.js'
import type { Kept } from '../judge.js'
import { copyOf } from '../validate.js'

/** A row as the clients return it: blobs come as Buffer, Uint8Array or ArrayBuffer. */
export interface Row {
  readonly p: string
  readonly k: string
  readonly v: Uint8Array | ArrayBuffer
  readonly r: string
  readonly n: number
  readonly x: number
}

export type Statements = { readonly [S in keyof ReturnType<typeof texts>]: SqliteStatement }

/** Opens the table: write-ahead log, a sync a commit, and no busy wait, which would stop the event loop. */
export function openTable(db: SqliteDatabase, table: string, synchronous: 'FULL' | 'NORMAL'): Statements {
  // At start-up alone another process may hold the file for a moment.
  db.exec('pragma busy_timeout = 5000')
  db.exec('pragma journal_mode = wal')
  db.exec(`pragma synchronous = ${synchronous}; pragma fullfsync = 1; pragma trusted_schema = off;`)
  db.exec(`create table if not exists ${table} (p text not null, k text not null, v blob not null, r text not null, n integer not null,
    x integer not null, primary key (p, k)) strict, without rowid`)
  db.exec(`create index if not exists ${table}_outbox on ${table} (k, p) where k >= 'e/' and k < 'e0'`)
  db.exec('pragma busy_timeout = 0')
  const sql = texts(table)
  return Object.fromEntries(Object.entries(sql).map(([name, text]) => [name, db.prepare(text)])) as Statements
}

function texts(table: string) {
  const columns = 'p, k, v, r, n, x'
  const insert = `insert into ${table} (${columns}) values (?, ?, ?, ?, ?, ?) on conflict (p, k) do update set`
  const replaced = 'v = excluded.v, r = excluded.r, n = excluded.n, x = excluded.x'
  return {
    begin: 'begin immediate',
    commit: 'commit',
    rollback: 'rollback',
    /** p, k, now */
    get: `select ${columns} from ${table} where p = ? and k = ? and x > ?`,
    /** p, keys as JSON, now: one statement, so one snapshot */
    getAll: `select ${columns} from ${table} where p = ? and k in (select value from json_each(?)) and x > ?`,
    /** p, from (inclusive), after (exclusive), before (exclusive), now, limit */
    list: `select ${columns} from ${table} where p = ? and k >= ? and k > ? and k < ? and x > ? order by k limit ?`,
    /** after (exclusive), now, limit */
    outbox: `select ${columns} from ${table} indexed by ${table}_outbox where k >= 'e/' and k < 'e0' and k > ? and x > ? order by k, p limit ?`,
    /** p, k, v, r, n, x */
    put: `${insert} ${replaced}`,
    /** p, k, v, r, x, now: over nothing, or over what is expired */
    create: `insert into ${table} (${columns}) values (?, ?, ?, ?, 0, ?) on conflict (p, k) do update set ${replaced} where ${table}.x <= ?`,
    /** v, r, x, p, k, rev, now */
    swap: `update ${table} set v = ?, r = ?, n = 0, x = ? where p = ? and k = ? and r = ? and x > ?`,
    /** p, k */
    del: `delete from ${table} where p = ? and k = ?`,
    /** p, k, rev, now */
    delIf: `delete from ${table} where p = ? and k = ? and r = ? and x > ?`,
    /** p, k, v, r, n, x, now three times, then now and the highest n that leaves room */
    add: `${insert} r = excluded.r, v = case when ${table}.x <= ? then excluded.v else ${table}.v end,
      n = case when ${table}.x <= ? then excluded.n else ${table}.n + excluded.n end,
      x = case when ${table}.x <= ? then excluded.x else ${table}.x end where ${table}.x <= ? or ${table}.n <= ? returning ${columns}`,
    /** by, r, p, k, now, the lowest n that may be taken from */
    takeBack: `update ${table} set n = n + ?, r = ? where p = ? and k = ? and x > ? and n >= ? returning ${columns}`,
    /** p, k, how many rows to step over */
    step: `select p, k from ${table} where (p, k) > (?, ?) order by p, k limit 1 offset ?`,
    /** p, k (exclusive), p, k (inclusive), x */
    sweepTo: `delete from ${table} where (p, k) > (?, ?) and (p, k) <= (?, ?) and x <= ?`,
    /** p, k (exclusive), x */
    sweepRest: `delete from ${table} where (p, k) > (?, ?) and x <= ?`,
    time: "select cast((julianday('now') - 2440587.5) * 86400000 as integer) as ms",
    file: "select file from pragma_database_list where name = 'main'",
    synchronous: 'pragma synchronous',
  }
}

/** A row as a record with bytes of its own. */
export function keptOf({ k, v, r, n, x }: Row): Kept {
  return { key: k, value: v instanceof Uint8Array ? copyOf(v) : new Uint8Array(v), n: Number(n), rev: r, expiresAt: Number(x) }
}
