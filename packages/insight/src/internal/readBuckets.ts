/** Stored rows of a range, merged to the steps of a query: sealed hours where there are any, live minutes elsewhere. */
import type { Rec, Store } from '@postern/store'
import type { FamilyId } from '../families.js'
import { type Cells, mergeCells } from './cells.js'
import { DAY, HOUR, hourKey, MINUTE, partOf, two } from './place.js'
import { decodeRow } from './row.js'

export type Bucket = ReadonlyMap<FamilyId, Cells>

/** One bucket a step; `null` where no row exists. `from` and `to` are multiples of `stepMs`. */
export async function readBuckets(
  store: Store,
  tenant: string,
  ids: readonly FamilyId[],
  o: { readonly from: number; readonly to: number; readonly stepMs: number; readonly now: number },
): Promise<readonly (Bucket | null)[]> {
  const buckets: (Map<FamilyId, Cells> | null)[] = new Array((o.to - o.from) / o.stepMs).fill(null)
  const put = (at: number, id: FamilyId, cells: Cells) => {
    if (at < o.from || at >= o.to) return
    const index = Math.floor((at - o.from) / o.stepMs)
    const bucket = (buckets[index] ??= new Map())
    bucket.set(id, bucket.has(id) ? mergeCells(bucket.get(id)!, cells) : cells)
  }
  for (let day = Math.floor(o.from / DAY) * DAY; day < o.to; day += DAY) {
    const hours = Array.from({ length: 24 }, (_, h) => day + h * HOUR).filter((hour) => hour + HOUR > o.from && hour < o.to)
    const sealed = o.stepMs < HOUR ? new Set<number>() : await readSealed(store, tenant, ids, hours, o.now, put)
    const open = hours.filter((hour) => !sealed.has(hour) && hour <= o.now)
    if (open.length > 0) await readLive(store, tenant, ids, day, new Set(open), o.now, put)
  }
  return buckets
}

async function readSealed(
  store: Store,
  tenant: string,
  ids: readonly FamilyId[],
  hours: readonly number[],
  now: number,
  put: (at: number, id: FamilyId, cells: Cells) => void,
): Promise<Set<number>> {
  const wanted = hours.flatMap((hour) => ids.map((id) => ({ hour, id })))
  const found = new Set<number>()
  for (let i = 0; i < wanted.length; i += 64) {
    const some = wanted.slice(i, i + 64)
    const keys = some.map(({ hour, id }) => hourKey(hour, id))
    for (const [j, rec] of (await store.read(partOf(tenant, some[0]!.hour), keys, { now })).entries()) {
      if (rec === null) continue
      found.add(some[j]!.hour)
      put(some[j]!.hour, some[j]!.id, decodeRow(rec.value).cells)
    }
  }
  return found
}

async function readLive(
  store: Store,
  tenant: string,
  ids: readonly FamilyId[],
  day: number,
  hours: ReadonlySet<number>,
  now: number,
  put: (at: number, id: FamilyId, cells: Cells) => void,
): Promise<void> {
  // A few open hours are listed by themselves; a day of them in one go.
  const prefixes = hours.size <= 4 ? [...hours].map((hour) => `m/${two(new Date(hour).getUTCHours())}`) : ['m/']
  for (const prefix of prefixes) {
    let after: string | undefined
    for (;;) {
      const page: readonly Rec[] = await store.list(partOf(tenant, day), prefix, {
        now,
        limit: 1000,
        ...(after === undefined ? {} : { after }),
      })
      for (const rec of page) {
        const [, hhmm = '', id = ''] = rec.key.split('/')
        const at = day + Number(hhmm.slice(0, 2)) * HOUR + Number(hhmm.slice(2)) * MINUTE
        if (hours.has(Math.floor(at / HOUR) * HOUR) && ids.includes(id as FamilyId))
          put(at, id as FamilyId, decodeRow(rec.value).cells)
      }
      if (page.length < 1000) break
      after = page[page.length - 1]!.key
    }
  }
}
