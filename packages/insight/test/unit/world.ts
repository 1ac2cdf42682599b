/** A store, a log by hour, and a seeded stand-in for randomness: revs need only differ. */
import type { PosternEvent } from '@postern/core/events'
import type { Random } from '@postern/core/runtime'
import type { Store } from '@postern/store'
import { type EventLog, seal } from '../../src/seal.js'

export const HOUR = 3_600_000

export function counter(): Random {
  let n = 0
  return (size) => {
    const out = new Uint8Array(size)
    new DataView(out.buffer).setUint32(0, ++n)
    return out
  }
}

export function logOf(events: readonly PosternEvent[]): EventLog {
  const byHour = new Map<number, PosternEvent[]>()
  for (const e of events) {
    const hour = Math.floor(e.at / HOUR)
    const list = byHour.get(hour) ?? []
    byHour.set(hour, list)
    list.push(e)
  }
  for (const list of byHour.values()) list.sort((a, b) => (a.id < b.id ? -1 : 1))
  return {
    list: async (hour, _shard, after, limit) =>
      (byHour.get(hour) ?? []).filter((e) => after === null || e.id > after).slice(0, limit),
  }
}

export async function sealAll(store: Store, events: readonly PosternEvent[], from: number, to: number): Promise<void> {
  const [log, random] = [logOf(events), counter()]
  for (let at = from; at < to; at += HOUR) await seal(store, log, at / HOUR, { tenant: 'demo', now: to, random })
}
