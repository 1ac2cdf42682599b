/** The memory driver: for tests, for development, and for markers that may die with the process. */
import { PosternError } from '@postern/core/errors'
import type { Rec, Store } from './contract.js'
import { blocks } from './internal/blocks.js'
import { after, holds, type Kept, liveKept, shown, told } from './internal/judge.js'
import { checkedKeys, checkedNow, checkedOps, checkedPage, type Page, partOf, placeOf } from './internal/validate.js'

export interface MemoryOptions {
  /** How long an expired record is kept for nodes whose clocks run behind. @defaultValue 60,000 ms */
  readonly graceMs?: number
}

/** Records of one partition; `order` is its sorted keys, until one is added. */
interface Shelf {
  readonly recs: Map<string, Kept>
  order: readonly string[] | null
}

/** Sweeping a record takes well under a microsecond, so that a budget in ms is counted in records and needs no clock. */
const RECORDS_A_MS = 1000

/** A store in this process's memory. A commit is one synchronous section; guarantees: none. */
export function memoryStore({ graceMs = 60_000 }: MemoryOptions = {}): Store {
  const shelves = new Map<string, Shelf>()
  const unsent = new Map<string, { readonly place: string; readonly key: string }>()
  let cursor = shelves.entries()
  let closed = false

  const open = (): void => {
    if (closed) throw new PosternError('store.closed')
  }
  const room = blocks()
  const stored = (bytes: Uint8Array): Uint8Array => {
    const copy = room(bytes.length)
    copy.set(bytes)
    return copy
  }
  const keep = (shelf: Shelf, place: string, key: string, rec: Kept | null): void => {
    const { recs } = shelf
    const { size } = recs
    if (rec === null) recs.delete(key)
    else recs.set(key, rec)
    if (recs.size !== size) {
      shelf.order = null
      if (recs.size === 0) shelves.delete(place)
      else if (size === 0) shelves.set(place, shelf)
    }
    if (!key.startsWith('e/')) return
    if (rec === null) unsent.delete(`${key} ${place}`)
    else unsent.set(`${key} ${place}`, { place, key })
  }

  return {
    guarantees: { durable: 'none', failover: 'none' },

    async read(part, keys, { now }) {
      open()
      const shelf = shelves.get(placeOf(part))
      checkedNow(now)
      return checkedKeys(keys).map((key) => shown(liveKept(shelf?.recs.get(key), now)))
    },

    async commit(part, ops, { now, rev }) {
      open()
      const place = placeOf(part)
      const checked = checkedOps(ops, { now, rev })
      const shelf = shelves.get(place) ?? { recs: new Map<string, Kept>(), order: null }
      const currents: (Kept | null)[] = []
      for (let at = 0; at < checked.length; at++) {
        const op = checked[at]!
        const current = liveKept(shelf.recs.get(op.key), now)
        if (!holds(op, current)) return { ok: false, at, current: shown(current) }
        currents.push(current)
      }
      const recs: (Rec | null)[] = []
      for (let i = 0; i < checked.length; i++) {
        const op = checked[i]!
        const rec = after(op, currents[i]!, rev)
        // The bytes of a put are the call's own copy, and go back with the answer; what stays is another.
        recs.push(op.op === 'put' ? told(rec) : shown(rec))
        if (op.op === 'put') keep(shelf, place, op.key, { ...rec!, value: stored(op.value) })
        else if (op.op !== 'check') keep(shelf, place, op.key, rec)
      }
      return { ok: true, recs }
    },

    async list(part, prefix, o) {
      open()
      const place = placeOf(part)
      return pageOf(shelves.get(place), checkedPage(prefix, o))
    },

    async outbox(o) {
      open()
      const { now, after, limit } = checkedPage('e/', o)
      const found: (Rec & { part: { tenant: string; id: string } })[] = []
      for (const id of [...unsent.keys()].sort()) {
        const { place, key } = unsent.get(id)!
        const rec = key > after ? liveKept(shelves.get(place)?.recs.get(key), now) : null
        if (rec !== null) found.push({ ...shown(rec), part: partOf(place) })
        if (found.length === limit) break
      }
      return found
    },

    async sweep(now, budgetMs) {
      open()
      const before = checkedNow(now) - graceMs
      let swept = 0
      let seen = 0
      // From where the last sweep stopped, at most once around.
      for (let turn = shelves.size; turn > 0 && seen <= budgetMs * RECORDS_A_MS; turn--) {
        let next = cursor.next()
        if (next.done) next = (cursor = shelves.entries()).next()
        if (next.done) break
        const [place, shelf] = next.value
        for (const [key, { expiresAt }] of shelf.recs) {
          seen++
          if (expiresAt > before) continue
          keep(shelf, place, key, null)
          swept++
        }
      }
      return swept
    },

    async close() {
      closed = true
      shelves.clear()
      unsent.clear()
    },
  }
}

function pageOf(shelf: Shelf | undefined, { prefix, now, after, limit }: Page): readonly Rec[] {
  if (shelf === undefined) return []
  shelf.order ??= [...shelf.recs.keys()].sort()
  const { order } = shelf
  const found: Rec[] = []
  for (let i = firstFrom(order, after > prefix ? after : prefix); i < order.length && found.length < limit; i++) {
    const key = order[i]!
    if (!key.startsWith(prefix)) break
    const rec = key > after ? liveKept(shelf.recs.get(key), now) : null
    if (rec !== null) found.push(shown(rec))
  }
  return found
}

/** The index of the first key at or after `start`; keys are ASCII, so that string order is byte order. */
function firstFrom(order: readonly string[], start: string): number {
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (order[middle]! < start) low = middle + 1
    else high = middle
  }
  return low
}
