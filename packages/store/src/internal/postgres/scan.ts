/** A walk over every record, live or not, along the primary key: re-sealing and migration of values. */
import { PosternError } from '@postern/core/errors'
import type { Part, Rec } from '../../contract.js'
import { told } from '../judge.js'
import { MAX_VALUE_BYTES, partOf } from '../validate.js'
import type { Ask } from './ask.js'
import { keptOf } from './rows.js'
import { lockOf, type Names } from './schema.js'

export interface Scanned {
  /** Records that were visited. */
  readonly seen: number
  /** Values that were replaced; one whose record changed in the meantime was not. */
  readonly rewritten: number
  /** Where to go on; `null` once the end was reached. */
  readonly after: string | null
}

export type Visit = (rec: Rec & { readonly part: Part }) => Uint8Array | null | Promise<Uint8Array | null>

const PAGE = 200

export async function scan(ask: Ask, { table }: Names, visit: Visit, after: string | null, limit: number): Promise<Scanned> {
  const page = {
    name: `${table}:page`,
    text: `select p, k, v, r, n, x from ${table} where (p, k) > ($1::text, $2::text) order by p, k limit $3::int`,
  }
  // The lock keeps it out of a commit that has read the value and will write it back with another count.
  const rewrite = {
    name: `${table}:rewrite`,
    text: `with l as materialized (select pg_advisory_xact_lock_shared(${lockOf('$1::text')})),
      w as (update ${table} t set v = $4::bytea from l where t.p = $1 and t.k = $2::text and t.r = $3::text returning 1)
      select count(*) as written from w`,
  }
  let [seen, rewritten] = [0, 0]
  let [p = '', k = ''] = after?.split(' ') ?? []
  while (seen < limit) {
    const size = Math.min(PAGE, limit - seen)
    const rows = await ask('read', page, [p, k, size])
    for (const row of rows) {
      ;[p, k] = [row['p'] as string, row['k'] as string]
      const rec = told(keptOf(row, k)!)
      const value = await visit({ ...rec, part: partOf(p) })
      seen++
      if (value === null) continue
      const [done] = await ask('write', rewrite, [p, k, rec.rev, checked(value)])
      rewritten += Number(done?.['written'])
    }
    if (rows.length < size) return { seen, rewritten, after: null }
  }
  return { seen, rewritten, after: `${p} ${k}` }
}

function checked(value: Uint8Array): Uint8Array {
  if (value instanceof Uint8Array && value.length <= MAX_VALUE_BYTES) return value
  throw new PosternError('store.invalid', {
    publicMessage: `A new value is a Uint8Array of at most ${MAX_VALUE_BYTES} bytes, or null.`,
  })
}
