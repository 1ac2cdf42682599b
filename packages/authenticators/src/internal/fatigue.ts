/** Fatigue: what the user refused keeps others from asking him for a while. One record `hold` a user; all in it is void after a day. */
import { concat, u8, u64 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { Op, Rec } from '@postern/store'
import { byteReader } from './reader.js'

export const holdKey = 'hold'
export const asksKey = 'asks'
/** Prompts an hour, unless one is approved. */
export const maxAsks = 10
export const asksMs = 3_600_000

const DAY_MS = 86_400_000
/** After the first, second, third and every further refusal within a day, ms. */
const HOLDS_MS = [30_000, 300_000, 1_800_000, DAY_MS] as const

export interface Hold {
  /** Nothing is asked before, ms; 0 for no hold. */
  readonly until: number
  /** When the user refused, ms, ascending: the last day's, at most the latest 4. */
  readonly refusals: readonly number[]
}

/** The hold of a record as read: `u8 1 ‖ u64 until ‖ u64 refusal…`. @throws PosternError `store.schema_unknown` | `store.corrupt` */
export function readHold(rec: Pick<Rec, 'value'> | null, now: number): Hold {
  if (rec === null) return { until: 0, refusals: [] }
  if (rec.value[0] !== 1) throw new PosternError('store.schema_unknown', { reason: 'hold' })
  const { length } = rec.value
  if (length % 8 !== 1 || length < 9) throw new PosternError('store.corrupt', { reason: 'hold' })
  const r = byteReader(rec.value.subarray(1))
  const [until = 0, ...all] = Array.from({ length: (length - 1) / 8 }, () => r.unsigned(8))
  return { until, refusals: all.filter((at) => at > now - DAY_MS) }
}

/** One refusal more; a report holds a day. Loses when another refusal came in between. */
export function planHold(rec: Pick<Rec, 'value' | 'rev'> | null, now: number, report: boolean): Op {
  const hold = readHold(rec, now)
  const refusals = [...hold.refusals, now].slice(-HOLDS_MS.length)
  const until = Math.max(hold.until, now + (report ? DAY_MS : HOLDS_MS[refusals.length - 1]!))
  const value = concat(u8(1), u64(until), ...refusals.map(u64))
  return { op: 'put', key: holdKey, value, rev: rec?.rev ?? null, expiresAt: now + DAY_MS }
}
