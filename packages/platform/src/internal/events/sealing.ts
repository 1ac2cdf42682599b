/** Recounting: once an hour is over, its row is made anew from the log, so that a graph is a recount whatever a crash has lost. */
import type { PosternEvent } from '@postern/core/events'
import type { Random } from '@postern/core/runtime'
import { seal } from '@postern/insight/seal'
import { newRev, type Part, type Store } from '@postern/store'
import { decodeRecord, encodeRecord } from '../record.js'
import type { EventLog } from './log.js'

export interface Sealing {
  /** Whether the event's hour is over by `now`; then it is noted, and recounting it will count the event. */
  late(event: PosternEvent, now: number): boolean
  seal(now: number): Promise<void>
}

const HOUR_MS = 3_600_000
/** Live rows are gone after 48 hours: what is older cannot be recounted in time anyway. */
const BACK_HOURS = 47
/** An event reaches the log a little after it happened. */
const SETTLED_MS = 60_000
const TRIES = 4

export function createSealing(o: { store: Store; tenant: string; random: Random; log: EventLog }): Sealing {
  const { store, tenant, random, log } = o
  const part: Part = { tenant, id: 'ins' }
  const dirty = new Set<number>()
  let sealed: number | null = null

  async function sealOne(hour: number, now: number): Promise<void> {
    const events = await eventsOf(log, hour, now)
    const list = async (_: number, __: number, after: string | null, limit: number): Promise<readonly PosternEvent[]> => {
      const from = after === null ? 0 : events.findIndex(({ id }) => id > after)
      return from < 0 ? [] : events.slice(from, from + limit)
    }
    // Another node may have recounted at the same time, from a log that lacked an event: once more, over its rows.
    for (let tries = 0; tries < TRIES; tries++)
      if ((await seal(store, { list }, hour, { tenant, now, random })) !== 'conflict') return
  }

  function fail(hour: number, error: unknown): never {
    dirty.add(hour)
    throw error
  }

  return {
    late({ at }, now) {
      const hour = Math.floor(at / HOUR_MS)
      const over = hour < Math.floor(now / HOUR_MS)
      if (over) dirty.add(hour)
      return over
    },
    async seal(now) {
      const last = Math.floor((now - SETTLED_MS) / HOUR_MS) - 1
      if (sealed === null) {
        const [rec] = await store.read(part, ['sealed'], { now })
        const before = rec ? decodeRecord<{ hour: number }>(rec.value).hour : last - BACK_HOURS
        sealed = Math.max(before, last - BACK_HOURS)
      }
      const from = sealed
      for (const hour of [...dirty]) {
        // First: an event that arrives during the recount makes it one to do again.
        dirty.delete(hour)
        // What lies between the mark and the last hour is recounted on the way there.
        if (hour <= from || hour > last) await sealOne(hour, now).catch((error) => fail(hour, error))
      }
      if (sealed >= last) return
      while (sealed < last) {
        await sealOne(sealed + 1, now)
        sealed += 1
      }
      await store.commit(part, [{ op: 'put', key: 'sealed', value: encodeRecord({ hour: sealed }) }], {
        now,
        rev: newRev(random),
      })
    },
  }
}

/** All events of an hour, ascending. */
async function eventsOf(log: EventLog, hour: number, now: number): Promise<readonly PosternEvent[]> {
  const all: PosternEvent[] = []
  for (let after: string | undefined, more = true; more; ) {
    const range = { from: hour * HOUR_MS, to: (hour + 1) * HOUR_MS, limit: 1000 }
    const page = await log.query({ ...range, ...(after === undefined ? {} : { after }) }, now)
    all.push(...page.events)
    after = page.next ?? undefined
    more = page.next !== null
  }
  return all.reverse()
}
