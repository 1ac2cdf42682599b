/**
 * One op in one statement: the shared lock of its partition, the conditional write, and, when nothing was written, the record as the
 * statement's snapshot saw it. Two such statements never wait for each other beyond their row; the function for many ops excludes them.
 *
 * A success stands at its row lock, where PostgreSQL judges the newest version of the row again. A failure stands at the snapshot, and
 * only if the snapshot's record fails the condition: where it does not, the commit lost a race and is judged again by the function.
 */
import type { Commit } from '../../contract.js'
import { after, holds, liveKept, told } from '../judge.js'
import type { Queued } from './encode.js'
import { keptOf, keptOfText, type Row } from './rows.js'
import { KEEPS_ALL, lockOf, type Names } from './schema.js'
import type { Statement } from './statements.js'

type FastName = 'put' | 'create' | 'swap' | 'del' | 'delIf' | 'add' | 'takeBack'

export type FastStatements = Readonly<Record<FastName, Statement>>

/** What the one column of an answer begins with, where it is not a record that was seen. */
const WRITTEN = '+'
const LOST = '!'

/** Whether the statement wrote nothing, since the settings have changed. */
export function wasLost(row: Row | undefined): boolean {
  return row?.['s'] === LOST
}

/**
 * The statements for one table. An answer without a row: it was written. A row, of one column since each more costs both sides: the record
 * that was seen instead, as text; for counters also the one that was written.
 * @param locks - whether the engine has advisory locks
 * @param lossless - whether to read the settings again
 */
export function fastStatements({ table }: Names, locks: boolean, lossless: boolean): FastStatements {
  const lock = locks ? `pg_advisory_xact_lock_shared(${lockOf('$2::text')})` : '1'
  // An offset of 0 keeps the planner from moving the lock behind the write.
  const l = `(select ${lock} from set_config('lock_timeout', $1::text, true)${lossless ? ` where ${KEEPS_ALL}` : ''} offset 0) l`
  const insert = `insert into ${table} as t (p, k, v, r, n, x) select $2, $3::text,`
  const replace = `from ${l} on conflict (p, k) do update set v = excluded.v, r = excluded.r, n = excluded.n, x = excluded.x`
  const one = 't.p = $2 and t.k = $3::text'
  const record = `t.r || ' ' || t.n || ' ' || t.x || ' ' || encode(t.v, 'hex')`
  // First, since the record that stands there is seen as well when nothing could be written.
  const lost = lossless ? `select '${LOST}' as s where not (${KEEPS_ALL})` : null
  const seen = `select (select ${record} from ${table} t where ${one}) as s where not exists (select from w)`

  const named = (name: FastName, text: string): Statement => ({
    name: `${table}:${name}${locks ? '' : '_s'}${lossless ? '_l' : ''}`,
    text,
  })
  const and = (...selects: readonly string[]): string => [lost ?? [], selects].flat().join(' union all ')
  const always = (name: FastName, write: string): Statement => named(name, lost ? `with w as (${write}) ${lost}` : write)
  const unless = (name: FastName, write: string): Statement => named(name, `with w as (${write} returning 1) ${and(seen)}`)
  const counted = (name: FastName, write: string): Statement =>
    named(name, `with w as (${write} returning '${WRITTEN}' || ${record} as s) ${and('select s from w', seen)}`)
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

/** Which statement writes this op, and with what behind the lock time-out; `null` when it can only be read. */
export function fastCall({
  place,
  ops,
  now,
  rev,
}: Queued): { readonly name: FastName; readonly values: readonly unknown[] } | null {
  const op = ops[0]!
  const { key } = op
  if (op.op === 'check') return null
  if (op.op === 'put') {
    const written = [place, key, op.value, rev, op.expiresAt]
    if (op.rev === undefined) return { name: 'put', values: written }
    return op.rev === null ? { name: 'create', values: [...written, now] } : { name: 'swap', values: [...written, now, op.rev] }
  }
  if (op.op === 'del')
    return op.rev === undefined ? { name: 'del', values: [place, key] } : { name: 'delIf', values: [place, key, now, op.rev] }
  const { by, max, expiresAt } = op
  if (by < 0) return { name: 'takeBack', values: [place, key, now, rev, by] }
  return by > max ? null : { name: 'add', values: [place, key, now, rev, by, expiresAt, max - by] }
}

/** What the answer says of the one op; `'race'` when the record that was seen would not have failed, `'lost'` when the settings changed. */
export function fastAnswer({ ops, now, rev }: Queued, row: Row | undefined): Commit | 'race' | 'lost' {
  const op = ops[0]!
  const s = row?.['s'] as string | null | undefined
  if (s === undefined) return { ok: true, recs: [told(after(op, null, rev))] }
  if (s === LOST) return 'lost'
  if (s?.startsWith(WRITTEN)) return { ok: true, recs: [told(keptOfText(s.slice(1), op.key))] }
  const current = liveKept(s === null ? null : keptOfText(s, op.key), now)
  return holds(op, current) ? 'race' : { ok: false, at: 0, current: told(current) }
}

/** An op that can only be read, over the record that stands there: a check, or an add of more than its bound. */
export function readAnswer({ ops }: Queued, row: Row | undefined): Commit {
  const op = ops[0]!
  const current = row === undefined ? null : told(keptOf(row, op.key))
  return holds(op, current) ? { ok: true, recs: [current] } : { ok: false, at: 0, current }
}
