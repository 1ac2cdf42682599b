/**
 * The SQLite driver, over a handle that the host opened: `node:sqlite`, `libsql`, `better-sqlite3` or `bun:sqlite`, unchanged.
 * All commits of one turn of the event loop share one transaction and one sync of the disk; none is answered before it.
 */
import { PosternError } from '@postern/core/errors'
import type { Store } from './contract.js'
import { told } from './internal/judge.js'
import type { Scanned, Visit } from './internal/scan.js'
import { groupCommit } from './internal/sqlite/groupCommit.js'
import { scan } from './internal/sqlite/scan.js'
import { keptOf, openTable, type Row, type Statements } from './internal/sqlite/schema.js'
import { sweeper } from './internal/sqlite/sweep.js'
import { nextTurn, type Schedule } from './internal/turn.js'
import { checkedKeys, checkedNow, checkedOps, checkedPage, partOf, placeOf } from './internal/validate.js'

export type { Scanned, Visit } from './internal/scan.js'
export type { Schedule } from './internal/turn.js'

export type SqlValue = string | number | Uint8Array

/** What the driver asks of a prepared statement; every synchronous SQLite client has it. */
export interface SqliteStatement {
  run(...values: SqlValue[]): { changes: number | bigint }
  get(...values: SqlValue[]): unknown
  all(...values: SqlValue[]): unknown[]
}

export interface SqliteDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  close(): unknown
}

export interface SqliteOptions {
  /** Lower-case letters, digits and `_`. @defaultValue 'postern_kv' */
  readonly table?: string
  /** `FULL` survives a power cut; `NORMAL` the death of the process alone, and says so in `guarantees`. @defaultValue 'FULL' */
  readonly synchronous?: 'FULL' | 'NORMAL'
  /** Runs a task in a later turn of the event loop, `delayMs` (0 or more) from now. @defaultValue setImmediate, setTimeout */
  readonly schedule?: Schedule
  /** Commits that may wait; one more gets `store.overloaded`. @defaultValue 10,000 */
  readonly maxQueue?: number
  /** How long an expired record is kept for nodes whose clocks run behind. @defaultValue 60,000 ms */
  readonly graceMs?: number
}

const TABLE = 'postern_kv'

/**
 * A store in one SQLite file. `close()` flushes what waits and closes the handle.
 *
 * @example
 * import Database from 'libsql'
 * const store = sqliteStore(new Database('postern.db'))
 */
export function sqliteStore(db: SqliteDatabase, o: SqliteOptions = {}): Store {
  const { table = TABLE, synchronous = 'FULL', schedule = nextTurn, maxQueue = 10_000, graceMs = 60_000 } = o
  const sql = openTable(db, checkedTable(table), synchronous)
  const sweep = sweeper(sql, graceMs, schedule)
  const group = groupCommit(sql, schedule, maxQueue)
  let closed = false

  const usable = (): void => {
    if (closed) throw new PosternError('store.closed')
    if (group.stuck()) throw new PosternError('store.unavailable', { reason: 'a transaction could not be ended' })
  }

  return {
    guarantees: { durable: durability(sql), failover: 'none' },

    async read(part, keys, { now }) {
      usable()
      const place = placeOf(part)
      const wanted = checkedKeys(keys)
      checkedNow(now)
      if (wanted.length === 1) {
        const row = ask(() => sql.get.get(place, wanted[0]!, now))
        return [row ? told(keptOf(row as Row)) : null]
      }
      const rows = ask(() => sql.getAll.all(place, JSON.stringify(wanted), now)) as Row[]
      const byKey = new Map(rows.map((row) => [row.k, row]))
      return wanted.map((key) => (byKey.has(key) ? told(keptOf(byKey.get(key)!)) : null))
    },

    // Not `async`: a promise around the queue's would cost each commit two more turns of the microtasks.
    commit(part, ops, o) {
      try {
        usable()
        const { now, rev } = o
        return group.push({ place: placeOf(part), ops: checkedOps(ops, { now, rev }), now, rev })
      } catch (error) {
        return Promise.reject(error)
      }
    },

    async list(part, prefix, o) {
      usable()
      const place = placeOf(part)
      const { now, after, limit } = checkedPage(prefix, o)
      // '\x7f' sorts behind every character of a key.
      const rows = ask(() => sql.list.all(place, prefix, after, `${prefix}\x7f`, now, limit)) as Row[]
      return rows.map((row) => told(keptOf(row)))
    },

    async outbox(o) {
      usable()
      const { now, after, limit } = checkedPage('e/', o)
      const rows = ask(() => sql.outbox.all(after, now, limit)) as Row[]
      return rows.map((row) => ({ ...told(keptOf(row)), part: partOf(row.p) }))
    },

    async sweep(now, budgetMs) {
      usable()
      return sweep(checkedNow(now), budgetMs)
    },

    async close() {
      if (closed) return
      closed = true
      group.drain()
      db.close()
    },
  }
}

/**
 * Walks every record, live or expired, by partition and key, for maintenance: re-sealing under a new key, migrating values. The handle may
 * be the one of a store that is in use; commits go on between pages of 200.
 * @param visit - gives the bytes to put in place of the value, or `null` to leave it; rev, count and expiry stay. A record that was
 *   written in the meantime keeps what was written, and is not counted.
 * @param o.after - where an earlier walk stopped
 * @param o.limit - records to visit at most, 1 or more
 * @throws PosternError `store.invalid` `store.unavailable` `store.overloaded` `store.outcome_unknown`: walk again from where it was started
 */
export async function scanSqlite(
  db: SqliteDatabase,
  visit: Visit,
  o: { readonly after?: string | null; readonly limit?: number; readonly table?: string; readonly schedule?: Schedule } = {},
): Promise<Scanned> {
  const { after = null, limit = Number.POSITIVE_INFINITY, table = TABLE, schedule = nextTurn } = o
  if (!(limit >= 1)) throw new PosternError('store.invalid', { publicMessage: 'A scan visits at least one record.' })
  return scan(db, visit, { table: checkedTable(table), after, limit, schedule })
}

function checkedTable(table: string): string {
  if (/^[a-z_][a-z0-9_]{0,50}$/.test(table)) return table
  throw new PosternError('store.invalid', { publicMessage: 'A table is [a-z_][a-z0-9_]{0,50}.' })
}

/** What the handle itself says it survives; a database without a file survives nothing. */
function durability(sql: Statements): 'none' | 'process' | 'power' {
  const { file } = sql.file.get() as { file: string | null }
  const { synchronous } = sql.synchronous.get() as { synchronous: number }
  if (!file || synchronous === 0) return 'none'
  return synchronous >= 2 ? 'power' : 'process'
}

function ask<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new PosternError('store.unavailable', { cause })
  }
}
