/** The statements of one table that are the same whatever is committed. */
import type { Names } from './schema.js'

/** A statement and the name it is prepared under; empty for one that is not worth preparing. */
export interface Statement {
  readonly name: string
  readonly text: string
  /** In a lossless store: no row means that nothing was written. */
  readonly tellsWhenWritten?: boolean
}

type Name = 'get' | 'getAll' | 'list' | 'outbox' | 'commit' | 'time'

export function statementsOf({ table, commit }: Names): Readonly<Record<Name, Statement>> {
  const columns = 'k, v, r, n, x'
  // An array travels as its text, which every client sends as it is.
  const array = (n: number, type: 'int' | 'bigint' | 'text'): string => `$${n}::text::${type}[]`
  const arrays = (type: 'int' | 'bigint' | 'text', ...ns: readonly number[]): string => ns.map((n) => array(n, type)).join(', ')
  const byName: Record<Name, string> = {
    /** p, k, now */
    get: `select ${columns} from ${table} where p = $1::text and k = $2::text and x > $3::bigint`,
    /** p, keys, now */
    getAll: `select ${columns} from ${table} where p = $1::text and k = any(${array(2, 'text')}) and x > $3::bigint`,
    /** p, from (inclusive), after (exclusive), before (exclusive), now, limit */
    list: `select ${columns} from ${table} where p = $1::text and k >= $2::text and k > $3::text and k < $4::text and x > $5::bigint
      order by k limit $6::int`,
    /** after (exclusive), now, limit; the bounds are those of the partial index */
    outbox: `select p, ${columns} from ${table} where k >= 'e/' and k < 'e0' and k > $1::text and x > $2::bigint order by k, p limit $3::int`,
    /** locks, lossless, lock time-out, lateness, then what `encodeBatch` gives */
    commit: `select * from ${commit}($1::text::boolean, $2::text::boolean, $3::text, $4::int, ${arrays('int', 5, 6, 7)},
      ${arrays('text', 8, 9, 10, 11)}, ${arrays('bigint', 12, 13, 14, 15)}, $16::bytea)`,
    time: 'select (extract(epoch from clock_timestamp()) * 1000)::bigint as ms',
  }
  const named = Object.entries(byName).map(([name, text]) => [name, { name: `${table}:${name}`, text }])
  return Object.fromEntries(named) as Record<Name, Statement>
}

/** A list as the text of an array. Quoted, since a key may be called `null`; no alphabet of the contract has a quote or a backslash. */
export function textArray(items: readonly string[]): string {
  return items.length === 0 ? '{}' : `{"${items.join('","')}"}`
}
