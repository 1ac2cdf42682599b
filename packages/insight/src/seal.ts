/** The exact half of counting: an hour is recounted from the event log once it is over, and replaces whatever was live. */
import { equal } from '@postern/core/bytes'
import type { PosternEvent } from '@postern/core/events'
import type { Random } from '@postern/core/runtime'
import { newRev, type Op, type Store } from '@postern/store'
import { commitSettled } from '@postern/store/settle'
import { familyIds } from './families.js'
import { HOUR, hourKey, hourLifeMs, partOf } from './internal/place.js'
import { decodeRow, encodeRow } from './internal/row.js'
import { recount } from './internal/tally.js'

/** One tenant's log of events, passed in by the platform. */
export interface EventLog {
  /**
   * Events of one hour, ascending by id, `after` exclusive.
   * @param hour - hours since the epoch
   * @param shard - 0 until logs are sharded
   */
  list(hour: number, shard: number, after: string | null, limit: number): Promise<readonly PosternEvent[]>
}

/**
 * Recounts one hour. Repeat it when a late event arrives; the same events give the same rows.
 * @returns `conflict` when another node sealed at the same time: call again
 */
export async function seal(
  store: Store,
  log: EventLog,
  hour: number,
  o: { readonly tenant: string; readonly now: number; readonly random: Random },
): Promise<'sealed' | 'unchanged' | 'conflict'> {
  let after: string | null = null
  const counted = recount([])
  for (;;) {
    const page: readonly PosternEvent[] = await log.list(hour, 0, after, 1000)
    recount(
      page.filter((e) => after === null || e.id > after),
      counted,
    )
    if (page.length < 1000) break
    after = page[page.length - 1]!.id
  }
  const at = hour * HOUR
  const part = partOf(o.tenant, at)
  const keys = familyIds.map((id) => hourKey(at, id))
  const old = await store.read(part, keys, { now: o.now })
  const ops: Op[] = []
  for (const [i, id] of familyIds.entries()) {
    const rec = old[i] ?? null
    const seq = rec === null ? 0 : decodeRow(rec.value).seq
    const cells = counted.get(id)!
    if (rec !== null && equal(rec.value, encodeRow({ seq, cells }))) continue
    ops.push({
      op: 'put',
      key: keys[i]!,
      value: encodeRow({ seq: seq + 1, cells }),
      rev: rec?.rev ?? null,
      expiresAt: at + hourLifeMs,
    })
  }
  if (ops.length === 0) return 'unchanged'
  return (await commitSettled(store, part, ops, { now: o.now, rev: newRev(o.random) })).ok ? 'sealed' : 'conflict'
}
