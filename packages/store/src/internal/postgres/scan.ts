/** A walk over every record, live or expired, along the primary key: pages are read, visited, and written back a statement a page. */
import { joined } from '@postern/core/bytes'
import { told } from '../judge.js'
import { checkedRewrite, type Scanned, type Visit } from '../scan.js'
import { partOf } from '../validate.js'
import type { Ask } from './ask.js'
import { keptOf } from './rows.js'
import { lockOf, type Names } from './schema.js'
import { textArray } from './statements.js'

const PAGE = 200

interface Rewrite {
  readonly p: string
  readonly k: string
  readonly r: string
  readonly value: Uint8Array
}

export async function scan(ask: Ask, { table }: Names, visit: Visit, after: string | null, limit: number): Promise<Scanned> {
  // Unnamed, so that they are planned for the table as it is.
  const page = {
    name: '',
    text: `select p, k, v, r, n, x from ${table} where (p, k) > ($1::text, $2::text) order by p, k limit $3::int`,
  }
  // The locks, in the order that commits keep, shut out one that has read a value and will write it back beside another count.
  const rewrite = {
    name: '',
    text: `with l as materialized (select count(pg_advisory_xact_lock_shared(d.h)) from (
        select distinct ${lockOf('u.p')} as h from unnest($1::text::text[]) u(p) order by 1) d),
      w as (update ${table} t set v = substring($6::bytea from u.a for u.m)
        from l, unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::int[], $5::text::int[]) u(p, k, r, a, m)
        where t.p = u.p and t.k = u.k and t.r = u.r returning 1)
      select count(*) as written from w`,
  }
  const write = async (rewrites: readonly Rewrite[]): Promise<number> => {
    let bytes = 0
    const offsets = rewrites.map(({ value }) => (bytes += value.length) - value.length + 1)
    const [done] = await ask('write', rewrite, [
      textArray(rewrites.map(({ p }) => p)),
      textArray(rewrites.map(({ k }) => k)),
      textArray(rewrites.map(({ r }) => r)),
      `{${offsets}}`,
      `{${rewrites.map(({ value }) => value.length)}}`,
      joined(rewrites.map(({ value }) => value)),
    ])
    return Number(done?.['written'])
  }

  let [seen, rewritten] = [0, 0]
  let [p = '', k = ''] = after?.split(' ') ?? []
  while (seen < limit) {
    const size = Math.min(PAGE, limit - seen)
    const rows = await ask('read', page, [p, k, size])
    const rewrites: Rewrite[] = []
    for (const row of rows) {
      ;[p, k] = [row['p'] as string, row['k'] as string]
      const rec = told(keptOf(row, k)!)
      const value = await visit({ ...rec, part: partOf(p) })
      if (value !== null) rewrites.push({ p, k, r: rec.rev, value: new Uint8Array(checkedRewrite(value)) })
    }
    if (rewrites.length > 0) rewritten += await write(rewrites)
    seen += rows.length
    if (rows.length < size) return { seen, rewritten, after: null }
  }
  return { seen, rewritten, after: `${p} ${k}` }
}
