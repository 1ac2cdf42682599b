/** Where rows are: partition `ins:<yyyymmdd>:<shard>`, keys `m/<hhmm>/<family>/<node>` (live) and `h/<hh>/<family>` (sealed). UTC. */
import type { Part } from '@postern/store'
import type { FamilyId } from '../families.js'

export const MINUTE = 60_000
export const HOUR = 3_600_000
export const DAY = 86_400_000
/** Live rows outlive the sealing of their hour by far. */
export const minuteLifeMs: number = 48 * HOUR
/** As long as the widest range that a query may ask for. */
export const hourLifeMs: number = 400 * DAY

/** @param at - any moment of the day, ms */
export function partOf(tenant: string, at: number): Part {
  const d = new Date(at)
  return { tenant, id: `ins:${d.getUTCFullYear()}${two(d.getUTCMonth() + 1)}${two(d.getUTCDate())}:0` }
}

export function minuteKey(at: number, family: FamilyId, node: string): string {
  const d = new Date(at)
  return `m/${two(d.getUTCHours())}${two(d.getUTCMinutes())}/${family}/${node}`
}

export function hourKey(at: number, family: FamilyId): string {
  return `h/${two(new Date(at).getUTCHours())}/${family}`
}

export function two(n: number): string {
  return n < 10 ? `0${n}` : String(n)
}
