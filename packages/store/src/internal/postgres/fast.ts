/**
 * One op in one statement: the shared lock of its partition, and the conditional write. Two such statements never wait for each other
 * beyond their row; the function for many ops excludes them.
 *
 * A success stands at its row lock, where PostgreSQL judges the newest version of the row again. What wrote nothing looks at the record:
 * a failure stands at that look, and only if what it saw fails the condition; where it does not, the commit lost a race and is judged
 * again by the function. To look in the statement itself would cost every success a third more of the server.
 */
import type { Commit } from '../../contract.js'
import { after, holds, told } from '../judge.js'
import type { Queued } from './encode.js'
import { keptOf, type Row } from './rows.js'
import { KEEPS_ALL, lockOf, type Names } from './schema.js'
import type { Statement } from './statements.js'

type FastName = 'put' | 'create' | 'swap' | 'del' | 'delIf' | 'add' | 'takeBack'

export type FastStatements = Readonly<Record<FastName, Statement>>

/**
 * The statements for one table. They answer with a row when they wrote: of a counter the record, of others nothing of use. Those
 * without a condition answer nothing, unless `lossless`.
 * @param locks - whether the engine has advisory locks
 * @param lossless - whether to read the settings again, and to write nothing when they have changed
 */
export function fastStatements({ table }: Names, locks: boolean, lossless: boolean): FastStatements {
  // The time-out decides whether there is a lock to ask for, so that it is set by then.
  const timed = `case when set_config('lock_timeout', $1::text, true) <> '' then ${lockOf('$2::text')} end`
  const lock = locks ? `pg_advisory_xact_lock_shared(${timed})` : `set_config('lock_timeout', $1::text, true)`
  // An offset of 0 keeps the planner from moving the lock behind the write.
  const l = `(select ${lock}${lossless ? ` where ${KEEPS_ALL}` : ''} offset 0) l`
  const insert = `insert into ${table} as t (p, k, v, r, n, x) select $2, $3::text,`
  const replace = `from ${l} on conflict (p, k) do update set v = excluded.v, r = excluded.r, n = excluded.n, x = excluded.x`
  const one = 't.p = $2 and t.k = $3::text'

  const named = (name: FastName, text: string): Statement => ({
    name: `${table}:${name}${locks ? '' : '_s'}${lossless ? '_l' : ''}`,
    text,
    tellsWhenWritten: true,
  })
  const always = (name: FastName, write: string): Statement => named(name, lossless ? `${write} returning 1` : write)
  const unless = (name: FastName, write: string): Statement => named(name, `${write} returning 1`)
  const counted = (name: FastName, write: string): Statement => named(name, `${write} returning t.v, t.r, t.n, t.x`)
  return {
    put: always('put', `${insert} $4::bytea, $5::text, 0, $6::bigint ${replace}`),
    create: unless('create', `${insert} $4::bytea, $5::text, 0, $6::bigint ${replace} where t.x <= $7::bigint`),
    swap: unless(
      'swap',
      `update ${table} t set v = $4::bytea, r = $5::text, n = 0, x = $6::bigint from ${l} where ${one} and t.x > $7::bigint and t.r = $8::text`,
    ),
    del: always('del', `delete from ${table} t using ${l} where ${one}`),
    delIf: unless('delIf', `delete from ${table} t using ${l} where ${one} and t.x > $4::bigint and t.r = $5::text`),
    add: counted(
      'add',
      `${insert} ''::bytea, $5::text, $6::bigint, $7::bigint from ${l} on conflict (p, k) do update set r = excluded.r,
        v = case when t.x <= $4::bigint then excluded.v else t.v end, n = case when t.x <= $4 then excluded.n else t.n + excluded.n end,
        x = case when t.x <= $4 then excluded.x else t.x end where t.x <= $4 or t.n <= $8::bigint`,
    ),
    takeBack: counted(
      'takeBack',
      `update ${table} t set n = t.n + $6::bigint, r = $5::text from ${l} where ${one} and t.x > $4::bigint and t.n >= -$6::bigint`,
    ),
  }
}

export interface FastCall {
  readonly name: FastName
  readonly values: readonly unknown[]
  /** There is no condition that could fail. */
  readonly always?: boolean
}

/** Which statement writes this op, and with what behind the lock time-out; `null` when it can only be read. */
export function fastCall({ place, ops, now, rev }: Queued): FastCall | null {
  const op = ops[0]!
  const { key } = op
  if (op.op === 'check') return null
  if (op.op === 'put') {
    const written = [place, key, op.value, rev, op.expiresAt]
    if (op.rev === undefined) return { name: 'put', values: written, always: true }
    return op.rev === null ? { name: 'create', values: [...written, now] } : { name: 'swap', values: [...written, now, op.rev] }
  }
  if (op.op === 'del')
    return op.rev === undefined
      ? { name: 'del', values: [place, key], always: true }
      : { name: 'delIf', values: [place, key, now, op.rev] }
  const { by, max, expiresAt } = op
  if (by < 0) return { name: 'takeBack', values: [place, key, now, rev, by] }
  return by > max ? null : { name: 'add', values: [place, key, now, rev, by, expiresAt, max - by] }
}

/** The answer when the statement wrote. */
export function writtenAnswer({ ops, rev }: Queued, row: Row | undefined): Commit {
  const op = ops[0]!
  return { ok: true, recs: [told(op.op === 'add' ? keptOf(row!, op.key) : after(op, null, rev))] }
}

/** Over the record that stands there: of a check, or of what wrote nothing. */
export function readAnswer({ ops }: Queued, row: Row | undefined): Commit {
  const op = ops[0]!
  const current = row === undefined ? null : told(keptOf(row, op.key))
  return holds(op, current) ? { ok: true, recs: [current] } : { ok: false, at: 0, current }
}
