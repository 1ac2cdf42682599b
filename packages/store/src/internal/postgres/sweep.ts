/** Removal of what expired: slices of the heap, so that no index on expiry doubles the writes of a marker. */
import type { Ask } from './ask.js'
import { lockOf, type Names } from './schema.js'
import type { Statement } from './statements.js'

/** Under 5,000 rows even of the smallest, which take 72 bytes. */
const PAGES_A_SLICE = 44

/** Sweeps from where it stopped, at most once around; the budget is measured by the database's clock. */
export function sweeper(ask: Ask, names: Names, graceMs: number): (now: number, budgetMs: number) => Promise<number> {
  const sql = sweepStatements(names)
  /** The page to go on from. */
  let cursor = 0

  return async (now, budgetMs) => {
    const [start = {}] = await ask('read', sql.measure, [])
    const pages = Number(start['pages'])
    const ending = Number(start['ms']) + budgetMs
    let swept = 0
    for (let left = pages; left > 0; left -= PAGES_A_SLICE) {
      if (cursor >= pages) cursor = 0
      // As a read: whether a slice whose answer was lost was removed is of no interest.
      const answer = ask('read', sql.slice, [`(${cursor},0)`, `(${cursor + PAGES_A_SLICE},0)`, now - graceMs])
      const [slice] = await answer.catch((error: unknown) => {
        if (swept === 0) throw error
        return []
      })
      // Another node sweeps already, or the server is gone: the rest waits for the next time.
      if (slice === undefined || Number(slice['mine']) === 0) return swept
      swept += Number(slice['swept'])
      cursor += PAGES_A_SLICE
      if (Number(slice['ms']) >= ending) return swept
    }
    return swept
  }
}

function sweepStatements({ table }: Names): { readonly measure: Statement; readonly slice: Statement } {
  const ms = '(extract(epoch from clock_timestamp()) * 1000)::bigint as ms'
  return {
    measure: {
      name: `${table}:measure`,
      text: `select pg_relation_size('${table}') / current_setting('block_size')::int as pages, ${ms}`,
    },
    // Rows that a commit holds are left for the next time; one that was written again since is judged again.
    slice: {
      name: `${table}:slice`,
      text: `with turn as materialized (select pg_try_advisory_xact_lock(${lockOf(`'${table} sweep'`)}) as mine),
        due as materialized (select ctid from ${table} where (select mine from turn) and ctid >= $1::text::tid and ctid < $2::text::tid
          and x <= $3::bigint for update skip locked),
        gone as (delete from ${table} where ctid = any(array(select ctid from due)) and x <= $3::bigint returning 1)
        select (select mine from turn)::int as mine, (select count(*) from gone) as swept, ${ms}`,
    },
  }
}
