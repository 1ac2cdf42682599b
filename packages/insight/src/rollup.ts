/** The live half of counting: an accumulator of minutes, flushed to the store every second or so. What it may lose in a crash, sealing recounts. */

import { isPosternError } from '@postern/core/errors'
import type { PosternEvent } from '@postern/core/events'
import type { Random } from '@postern/core/runtime'
import { newRev, type Op, type Store } from '@postern/store'
import { commitSettled } from '@postern/store/settle'
import type { FamilyId } from './families.js'
import { type Cell, type Cells, mergeCells } from './internal/cells.js'
import { MINUTE, minuteKey, minuteLifeMs, partOf } from './internal/place.js'
import { decodeRow, encodeRow } from './internal/row.js'
import { tally } from './internal/tally.js'

/** What was counted since the last flush, by tenant, minute and family. Immutable. */
export interface Minute {
  readonly pending: ReadonlyMap<
    string,
    { readonly tenant: string; readonly at: number; readonly family: FamilyId; readonly cells: Cells }
  >
}

export const emptyMinute: Minute = { pending: new Map() }

/**
 * Counts one event. Pure; call it where the event's insertion into the log was won, so that it is counted once.
 * An event without a usable time is ignored: no graph could place it.
 */
export function accept(acc: Minute, e: PosternEvent): Minute {
  if (!Number.isFinite(e.at) || e.at < 0 || e.at > 8.64e15) return acc
  const at = Math.floor(e.at / MINUTE) * MINUTE
  const pending = new Map(acc.pending)
  const touched = new Map<FamilyId, Map<string, Cell>>()
  tally(e, (family) => {
    const key = `${e.tenant}|${at}|${family}`
    const cells = touched.get(family) ?? new Map(pending.get(key)?.cells)
    touched.set(family, cells)
    pending.set(key, { tenant: e.tenant, at, family, cells })
    return cells
  })
  return { pending }
}

/** Both together, in any order. */
export function mergeMinutes(a: Minute, b: Minute): Minute {
  const pending = new Map(a.pending)
  for (const [key, row] of b.pending)
    pending.set(key, { ...row, cells: mergeCells(pending.get(key)?.cells ?? new Map(), row.cells) })
  return { pending }
}

export interface FlushOptions {
  /** This process's own name, `[a-z0-9-]{1,32}`: no two processes that run at once may share one. */
  readonly node: string
  readonly now: number
  readonly random: Random
}

/**
 * Adds what was counted to this node's rows. Never throws on a failing store: what is certainly not written comes back, to be merged into the
 * next accumulator; a write of unknown outcome counts as written (sealing will tell).
 * @example
 * const taken = acc; acc = emptyMinute
 * acc = mergeMinutes(acc, await flush(store, taken, { node, now: clock(), random }))
 */
export async function flush(store: Store, acc: Minute, o: FlushOptions): Promise<Minute> {
  const left = new Map(acc.pending)
  const groups = new Map<string, string[]>()
  for (const [key, { tenant, at }] of acc.pending) {
    const name = `${tenant}|${partOf(tenant, at).id}`
    const keys = groups.get(name) ?? []
    groups.set(name, keys)
    keys.push(key)
  }
  for (const keys of groups.values())
    for (let i = 0; i < keys.length; i += 16)
      if (await written(store, acc, keys.slice(i, i + 16), o)) for (const key of keys.slice(i, i + 16)) left.delete(key)
  return { pending: left }
}

/** One partition, up to 16 rows, one commit; `false` when it was certainly not applied. */
async function written(store: Store, acc: Minute, names: readonly string[], o: FlushOptions): Promise<boolean> {
  const rows = names.map((name) => acc.pending.get(name)!)
  const part = partOf(rows[0]!.tenant, rows[0]!.at)
  const keys = rows.map((row) => minuteKey(row.at, row.family, o.node))
  try {
    const old = await store.read(part, keys, { now: o.now })
    const ops = rows.map((row, i): Op => {
      const rec = old[i] ?? null
      const before = rec === null ? { seq: 0, cells: new Map() } : decodeRow(rec.value)
      const value = encodeRow({ seq: before.seq + 1, cells: mergeCells(before.cells, row.cells) })
      return { op: 'put', key: keys[i]!, value, rev: rec?.rev ?? null, expiresAt: row.at + minuteLifeMs }
    })
    return (await commitSettled(store, part, ops, { now: o.now, rev: newRev(o.random) })).ok
  } catch (error) {
    return isPosternError(error, 'store.outcome_unknown')
  }
}
