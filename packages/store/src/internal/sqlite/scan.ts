/** A walk over every record, live or expired, along the primary key: pages are read, visited, and written back a transaction a page. */
import { PosternError } from '@postern/core/errors'
import type { SqliteDatabase, SqliteStatement } from '../../sqlite.js'
import { told } from '../judge.js'
import { checkedRewrite, type Scanned, type Visit } from '../scan.js'
import type { Schedule } from '../turn.js'
import { partOf } from '../validate.js'
import { blob } from './apply.js'
import { isBusy } from './groupCommit.js'
import { keptOf, type Row } from './schema.js'

const PAGE = 200
/** About five seconds of another process writing. */
const BUSY_TURNS = 200

interface Rewrite {
  readonly row: Row
  readonly value: Uint8Array
}

export interface ScanOptions {
  readonly table: string
  readonly after: string | null
  readonly limit: number
  readonly schedule: Schedule
}

export async function scan(db: SqliteDatabase, visit: Visit, { table, after, limit, schedule }: ScanOptions): Promise<Scanned> {
  const sql = ask(() => statements(db, table))
  const turn = (delayMs: number): Promise<void> => new Promise((resolve) => schedule(resolve, delayMs))

  const write = async (rewrites: readonly Rewrite[]): Promise<number> => {
    for (let busyTurns = 0; ; busyTurns++) {
      try {
        sql.begin.run()
        break
      } catch (cause) {
        if (!isBusy(cause)) throw new PosternError('store.unavailable', { cause })
        if (busyTurns === BUSY_TURNS) throw new PosternError('store.overloaded', { cause })
        await turn(25)
      }
    }
    let committing = false
    try {
      const written = rewrites.map(({ row, value }) => Number(sql.rewrite.run(blob(value), row.p, row.k, row.r).changes))
      committing = true
      sql.commit.run()
      return written.reduce((sum, changes) => sum + changes, 0)
    } catch (cause) {
      try {
        sql.rollback.run()
      } catch {
        // The engine has ended the transaction itself.
      }
      throw new PosternError(committing ? 'store.outcome_unknown' : 'store.unavailable', { cause })
    }
  }

  let [seen, rewritten] = [0, 0]
  let [p = '', k = ''] = after?.split(' ') ?? []
  while (seen < limit) {
    const size = Math.min(PAGE, limit - seen)
    const rows = ask(() => sql.page.all(p, k, size)) as Row[]
    const rewrites: Rewrite[] = []
    for (const row of rows) {
      const value = await visit({ ...told(keptOf(row)), part: partOf(row.p) })
      if (value !== null) rewrites.push({ row, value: checkedRewrite(value) })
    }
    if (rewrites.length > 0) rewritten += await write(rewrites)
    seen += rows.length
    const last = rows.at(-1)
    if (last !== undefined) [p, k] = [last.p, last.k]
    if (rows.length < size) return { seen, rewritten, after: null }
    await turn(0)
  }
  return { seen, rewritten, after: `${p} ${k}` }
}

function statements(
  db: SqliteDatabase,
  table: string,
): Record<'begin' | 'commit' | 'rollback' | 'page' | 'rewrite', SqliteStatement> {
  return {
    begin: db.prepare('begin immediate'),
    commit: db.prepare('commit'),
    rollback: db.prepare('rollback'),
    /** p, k (exclusive), limit */
    page: db.prepare(`select p, k, v, r, n, x from ${table} where (p, k) > (?, ?) order by p, k limit ?`),
    /** v, p, k, r: a record that was written in the meantime has another rev */
    rewrite: db.prepare(`update ${table} set v = ? where p = ? and k = ? and r = ?`),
  }
}

function ask<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new PosternError('store.unavailable', { cause })
  }
}
