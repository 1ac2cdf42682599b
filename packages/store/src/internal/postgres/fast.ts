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
import { keptOf, type Row } from './rows.js'
import { KEEPS_ALL, lockOf, type Names } from './schema.js'
import type { Statement } from './statements.js'

type FastName = 'put' | 'create' | 'swap' | 'del' | 'delIf' | 'add' | 'takeBack'

export type FastStatements = Readonly<Record<FastName, Statement>>

/** How a row of an answer came about. */
const SEEN = 0
const WRITTEN = 1
const LOST = 2

/** Whether the statement wrote nothing, since the settings have changed. */
export function wasLost(row: Row | undefined): boolean {
  return row !== undefined && Number(row['state']) === LOST
}

/** The statements for one table. @param locks - whether the engine has advisory locks @param lossless - whether to read the settings again */
export function fastStatements({ table }: Names, locks: boolean, lossless: boolean): FastStatements {
  const lock = locks ? `pg_advisory_xact_lock_shared(${lockOf('$2::text')})` : '1'
  const insert = `insert into ${table} as t (p, k, v, r, n, x) select $2, $3::text,`
  const replace = 'from l on conflict (p, k) do update set v = excluded.v, r = excluded.r, n = excluded.n, x = excluded.x'
  const one = 't.p = $2 and t.k = $3::text'

  const statement = (name: FastName, write: string, answer: 'written' | 'record' | 'always'): Statement => {
    const nothing = 'null::bytea as v, null::text as r, null::bigint as n, null::bigint as x'
    const rows = [
      answer === 'record' ? `select ${WRITTEN} as state, v, r, n, x from w` : `select ${WRITTEN} as state, ${nothing} from w`,
      `select ${SEEN}, s.v, s.r, s.n, s.x from ${table} s where s.p = $2 and s.k = $3 and not exists (select from w)`,
      `select ${LOST}, ${nothing} where not exists (select from l)`,
    ]
    const chosen = [
      answer === 'always' ? `select ${WRITTEN} as state, ${nothing} from l` : rows.slice(0, 2),
      lossless ? rows[2]! : [],
    ]
    return {
      name: `${table}:${name}${locks ? '' : '_s'}${lossless ? '_l' : ''}`,
      text: `with l as materialized (select ${lock} from set_config('lock_timeout', $1::text, true)${lossless ? ` where ${KEEPS_ALL}` : ''}),
        w as (${write} returning ${answer === 'record' ? 't.v, t.r, t.n, t.x' : '1'})
        ${chosen.flat().join(' union all ')}`,
    }
  }
  return {
    put: statement('put', `${insert} $4::bytea, $5::text, 0, $6::bigint ${replace}`, 'always'),
    create: statement('create', `${insert} $4::bytea, $5::text, 0, $6::bigint ${replace} where t.x <= $7::bigint`, 'written'),
    swap: statement(
      'swap',
      `update ${table} t set v = $4::bytea, r = $5::text, n = 0, x = $6::bigint from l where ${one} and t.x > $7::bigint and t.r = $8::text`,
      'written',
    ),
    del: statement('del', `delete from ${table} t using l where ${one}`, 'always'),
    delIf: statement('delIf', `delete from ${table} t using l where ${one} and t.x > $4::bigint and t.r = $5::text`, 'written'),
    add: statement(
      'add',
      `${insert} ''::bytea, $5::text, $6::bigint, $7::bigint from l on conflict (p, k) do update set r = excluded.r,
        v = case when t.x <= $4::bigint then excluded.v else t.v end, n = case when t.x <= $4 then excluded.n else t.n + excluded.n end,
        x = case when t.x <= $4 then excluded.x else t.x end where t.x <= $4 or t.n <= $8::bigint`,
      'record',
    ),
    takeBack: statement(
      'takeBack',
      `update ${table} t set n = t.n + $6::bigint, r = $5::text from l where ${one} and t.x > $4::bigint and t.n >= -$6::bigint`,
      'record',
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

/** What a statement's row says of the one op; `'race'` when the snapshot's record would not have failed, `'lost'` when the settings changed. */
export function fastAnswer({ ops, now, rev }: Queued, row: Row | undefined): Commit | 'race' | 'lost' {
  const op = ops[0]!
  const state = row === undefined ? SEEN : Number(row['state'])
  if (wasLost(row)) return 'lost'
  if (state === WRITTEN) return { ok: true, recs: [told(op.op === 'add' ? keptOf(row!, op.key) : after(op, null, rev))] }
  const current = liveKept(row && keptOf(row, op.key), now)
  if (op.op === 'check' && holds(op, current)) return { ok: true, recs: [told(current)] }
  return holds(op, current) ? 'race' : { ok: false, at: 0, current: told(current) }
}
