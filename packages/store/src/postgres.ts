/**
 * The PostgreSQL driver, over a client that the host opened: `pg`, `postgres` or PGlite. A commit is one statement; while all sessions
 * are busy commits gather and travel together. Locks are of transactions and nothing is kept in a session, so poolers fit between.
 */
import { PosternError } from '@postern/core/errors'
import type { Commit, Rec, Store } from './contract.js'
import { naturalBatcher } from './internal/batch.js'
import { told } from './internal/judge.js'
import { asker } from './internal/postgres/ask.js'
import { committer } from './internal/postgres/commit.js'
import type { Queued } from './internal/postgres/encode.js'
import { migrate } from './internal/postgres/migrate.js'
import { type PgPool, portOfPg } from './internal/postgres/pg.js'
import { type PgliteDatabase, portOfPglite } from './internal/postgres/pglite.js'
import { type PostgresJs, type PostgresJsOptions, portOfPostgresJs } from './internal/postgres/postgresJs.js'
import { probe, type Topology } from './internal/postgres/probe.js'
import { keptOf, type Row } from './internal/postgres/rows.js'
import { scan } from './internal/postgres/scan.js'
import { DEFAULT_TABLE, migrationsOf, namesOf, type PostgresMigration, versionTable } from './internal/postgres/schema.js'
import { type Statement, statementsOf, textArray } from './internal/postgres/statements.js'
import { sweeper } from './internal/postgres/sweep.js'
import type { Scanned, Visit } from './internal/scan.js'
import { platformTimer, type Timer } from './internal/timer.js'
import { checkedKeys, checkedNow, checkedOps, checkedPage, partOf, placeOf } from './internal/validate.js'

export type { PgClient, PgPool } from './internal/postgres/pg.js'
export type { PgliteDatabase } from './internal/postgres/pglite.js'
export type { Notice } from './internal/postgres/ports.js'
export type { PostgresJs, PostgresJsOptions, PostgresJsReserved } from './internal/postgres/postgresJs.js'
export type { Topology } from './internal/postgres/probe.js'
export type { PostgresMigration } from './internal/postgres/schema.js'
export type { Scanned, Visit } from './internal/scan.js'
export type { Timer } from './internal/timer.js'

/** One connection to the server, used by one caller at a time. */
export interface PgSession {
  /**
   * Runs one statement by the extended protocol. `name` is what to prepare it under, empty for not at all; `values` are strings, safe
   * integers and Uint8Arrays; `warnings` are the messages of severity WARNING that came with it. Rejects with the client's error: one of
   * the server has its SQLSTATE in `code`, and a `severity`.
   */
  query(
    name: string,
    text: string,
    values: readonly unknown[],
  ): Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[]; readonly warnings: readonly string[] }>
}

/** How the driver reaches the server: see {@link fromPg}, {@link fromPostgresJs} and {@link fromPglite}. */
export interface PgPort {
  /** Runs `use` on a session of its own. Rejects before `use` when none can be had; a session that `use` threw on is closed, never used again. */
  withSession<T>(use: (session: PgSession) => Promise<T>): Promise<T>
  close(): Promise<void>
  /** Set where what the server says of its durability means nothing. */
  readonly durable?: 'none'
}

export interface PostgresOptions {
  readonly port: PgPort
  /**
   * How the server is replicated. `single`: there is no standby. `sync-standby`: commits wait until a standby has them on disk, which is
   * checked at open and at every write. Undeclared or `async-standby`: acknowledged commits may be lost at failover.
   */
  readonly topology?: Topology
  /** Batches that may be under way at once; the pool needs as many sessions, and some for reads. @defaultValue 2 */
  readonly connections?: number
  /** Commits a batch at most. @defaultValue 64 */
  readonly maxBatch?: number
  /** Commits that may wait, and reads; one more gets `store.overloaded`. @defaultValue 10,000 */
  readonly maxQueue?: number
  /** How long to wait for a session, and then for an answer. @defaultValue 10,000 ms */
  readonly commitTimeoutMs?: number
  /** How long to wait for each lock. @defaultValue 2,000 ms */
  readonly lockTimeoutMs?: number
  /** `serializable` for engines without advisory locks: three round trips a call. @defaultValue 'advisory' */
  readonly locking?: 'advisory' | 'serializable'
  /** How long an expired record is kept for nodes whose clocks run behind. @defaultValue 60,000 ms */
  readonly graceMs?: number
  /** Lower-case letters, digits and `_`. @defaultValue 'postern_kv' */
  readonly table?: string
  /** Runs a task later. @defaultValue setImmediate, setTimeout */
  readonly timer?: Timer
}

/** For a page, which nobody waits for. */
const SCAN_TIMEOUT_MS = 60_000

/**
 * A store in one PostgreSQL database, prepared by {@link migratePostgres}. `close()` answers what waits and closes the port.
 *
 * @throws PosternError `store.schema_unknown` for a database that was not migrated, or for newer programs alone
 * @throws PosternError `store.guarantee_lost` when `sync-standby` is declared and the server waits for none
 * @throws PosternError `store.unavailable` · `store.invalid`
 * @example
 * const port = fromPg(new Pool({ connectionString, max: 10 }))
 * await migratePostgres(port)
 * const store = await postgresStore({ port, topology: 'single' })
 */
export async function postgresStore(o: PostgresOptions): Promise<Store> {
  const { port, connections = 2, maxBatch = 64, maxQueue = 10_000, commitTimeoutMs = 10_000, lockTimeoutMs = 2_000 } = o
  const { topology, locking = 'advisory', graceMs = 60_000, table = DEFAULT_TABLE, timer = platformTimer } = o
  const names = namesOf(table)
  checkCounts({ connections, maxBatch, maxQueue, commitTimeoutMs, lockTimeoutMs })
  const times = { timer, timeoutMs: commitTimeoutMs }
  const guarantees = await probe(asker(port, times), names, topology, port.durable)
  const lossless = guarantees.failover === 'lossless'
  const ask = asker(port, { ...times, serializable: locking === 'serializable', lossless })
  const sql = statementsOf(names)
  const sweep = sweeper(asker(port, times), names, graceMs)
  const batcher = naturalBatcher<Queued, Commit>({
    lanes: connections,
    maxBatch,
    maxQueue,
    maxWaitMs: commitTimeoutMs,
    timer,
    send: committer(ask, names, { locks: locking === 'advisory', lossless, lockTimeoutMs, lateMs: commitTimeoutMs }),
  })
  let asking = 0
  let closed = false

  const usable = (): void => {
    if (closed) throw new PosternError('store.closed')
  }
  const look = async (statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> => {
    if (asking >= maxQueue) throw new PosternError('store.overloaded', { reason: 'as many reads wait as may' })
    asking++
    try {
      return await ask('read', statement, values)
    } finally {
      asking--
    }
  }

  return {
    guarantees,

    async read(part, keys, { now }) {
      usable()
      const place = placeOf(part)
      const wanted = checkedKeys(keys)
      checkedNow(now)
      if (wanted.length === 0) return []
      const rows = await (wanted.length === 1
        ? look(sql.get, [place, wanted[0]!, now])
        : look(sql.getAll, [place, textArray(wanted), now]))
      const byKey = new Map(rows.map((row) => [row['k'], row]))
      return wanted.map((key) => (byKey.has(key) ? recOf(byKey.get(key)!) : null))
    },

    async commit(part, ops, { now, rev }) {
      usable()
      const checked = checkedOps(ops, { now, rev })
      const bytes = checked.reduce((sum, op) => sum + (op.op === 'put' ? op.value.length : 0), 0)
      return batcher.push({ place: placeOf(part), ops: checked, now, rev, bytes })
    },

    async list(part, prefix, o) {
      usable()
      const place = placeOf(part)
      const { now, after, limit } = checkedPage(prefix, o)
      // '\x7f' sorts behind every character of a key.
      return (await look(sql.list, [place, prefix, after, `${prefix}\x7f`, now, limit])).map(recOf)
    },

    async outbox(o) {
      usable()
      const { now, after, limit } = checkedPage('e/', o)
      const rows = await look(sql.outbox, [after, now, limit])
      return rows.map((row) => ({ ...recOf(row), part: partOf(row['p'] as string) }))
    },

    async sweep(now, budgetMs) {
      usable()
      return sweep(checkedNow(now), budgetMs)
    },

    async time() {
      usable()
      return Number((await look(sql.time, []))[0]?.['ms'])
    },

    async close() {
      if (closed) return
      closed = true
      await batcher.drained()
      await port.close()
    },
  }
}

/** A lock time-out of 0 would be none, and no lane would send nothing for ever. */
function checkCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts))
    if (!(Number.isInteger(count) && count >= 1 && count < 2 ** 31))
      throw new PosternError('store.invalid', { publicMessage: `\`${name}\` is a whole number from 1 up.` })
}

function recOf(row: Row): Rec {
  return told(keptOf(row, row['k'] as string)!)
}

/**
 * A port over a pool of `pg`. A client is checked out for a statement at a time and given back.
 * @param o.prepare - `false` for a pooler that keeps no prepared statements
 */
export function fromPg(pool: PgPool, { prepare = true }: { readonly prepare?: boolean } = {}): PgPort {
  return portOfPg(pool, prepare)
}

/**
 * A port over `postgres`, which takes its listener for warnings only when it is made: so the port makes its connections itself.
 * @param connect - is given options that must be passed on
 * @param o.max - connections that are kept open at most; 10 by default
 * @example
 * const port = fromPostgresJs((o) => postgres(url, o))
 */
export function fromPostgresJs(
  connect: (o: PostgresJsOptions) => PostgresJs,
  { prepare = true, max = 10 }: { readonly prepare?: boolean; readonly max?: number } = {},
): PgPort {
  return portOfPostgresJs(connect, prepare, max)
}

/** A port over PGlite, for tests without a server. It says durable `none`: what it keeps, it keeps for this process. */
export function fromPglite(db: PgliteDatabase): PgPort {
  return portOfPglite(db)
}

/**
 * Brings the schema up to this program's; does nothing when it is. Runs in one transaction under an advisory lock, so every node may
 * call it at once. Needs the right to create tables and functions.
 * @returns the version before (0: none) and after
 * @throws PosternError `store.schema_unknown` for a schema newer than this program; nothing is changed
 */
export async function migratePostgres(
  port: PgPort,
  { table = DEFAULT_TABLE }: { readonly table?: string } = {},
): Promise<{ readonly from: number; readonly to: number }> {
  return migrate(port, namesOf(table))
}

/** The schema as SQL, for a host with a migration tool of its own: that tool also records the version, in the table that comes first. */
export function postgresSchema({ table = DEFAULT_TABLE }: { readonly table?: string } = {}): {
  readonly versions: string
  readonly migrations: readonly PostgresMigration[]
} {
  const names = namesOf(table)
  return { versions: versionTable(names), migrations: migrationsOf(names) }
}

/**
 * Walks every record, live or expired, by partition and key, for maintenance: re-sealing under a new key, migrating values. Commits go on
 * between pages of 200.
 * @param visit - gives the bytes to put in place of the value, or `null` to leave it; rev, count and expiry stay. A record that was
 *   written in the meantime keeps what was written, and is not counted.
 * @param o.after - where an earlier walk stopped
 * @param o.limit - records to visit at most, 1 or more
 * @throws PosternError `store.invalid` `store.unavailable` `store.overloaded` `store.outcome_unknown`: walk again from where it was started
 */
export async function scanPostgres(
  port: PgPort,
  visit: Visit,
  o: { readonly after?: string | null; readonly limit?: number; readonly table?: string; readonly timer?: Timer } = {},
): Promise<Scanned> {
  const { after = null, limit = Number.POSITIVE_INFINITY, table = DEFAULT_TABLE, timer = platformTimer } = o
  if (!(limit >= 1)) throw new PosternError('store.invalid', { publicMessage: 'A scan visits at least one record.' })
  return scan(asker(port, { timer, timeoutMs: SCAN_TIMEOUT_MS }), namesOf(table), visit, after, limit)
}
