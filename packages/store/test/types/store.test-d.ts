/** What must not compile does not, and every client fits unchanged. Checked by tsc alone. */
import type { Commit, Op, Store } from '@postern/store'
import { type SqliteDatabase, sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'

export const overLibsql: Store = sqliteStore(new Database(':memory:'))
export const handle: SqliteDatabase = new Database(':memory:')

// @ts-expect-error absence is a check, not a condition of a del
export const absentDel: Op = { op: 'del', key: 'a', rev: null }
// @ts-expect-error a check says what it expects
export const emptyCheck: Op = { op: 'check', key: 'a' }
// @ts-expect-error a counter has a bound
export const unbounded: Op = { op: 'add', key: 'a', by: 1 }

declare const answer: Commit
// @ts-expect-error a commit that was not looked at has no records
export const recs: unknown = answer.recs
declare const store: Store
// @ts-expect-error a driver without an outbox has none to call
export const events: unknown = store.outbox({ now: 1, limit: 1 })
