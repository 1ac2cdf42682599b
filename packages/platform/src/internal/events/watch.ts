/** Watching: what was shipped goes into the log, is counted by the minute, and reaches whoever listens now. */
import { hex } from '@postern/core/bytes'
import type { PosternEvent } from '@postern/core/events'
import type { Graph } from '@postern/insight/graphs'
import { graphOf } from '@postern/insight/graphs'
import { query, type Table } from '@postern/insight/query'
import { accept, emptyMinute, flush, type Minute, mergeMinutes } from '@postern/insight/rollup'
import type { Runtime } from '@postern/store'
import { createLive, type Live } from './live.js'
import type { EventLog } from './log.js'
import { createSealing } from './sealing.js'

/** How far back a graph looks. */
export type GraphRange = '24h' | '7d' | '30d'
const DAY_MS = 86_400_000
const rangeMs: Readonly<Record<GraphRange, number>> = { '24h': DAY_MS, '7d': 7 * DAY_MS, '30d': 30 * DAY_MS }

export interface Watch {
  /** Takes shipped events, each at least once: the node whose insertion into the log won counts it. */
  accept(events: readonly PosternEvent[]): Promise<void>
  /** Writes what was counted, and recounts every hour that is over or got a late event. */
  flush(now: number): Promise<void>
  /** A graph with its numbers up to now, this node's own included; `null` when no graph has this id. */
  graph(id: string, range: GraphRange): Promise<{ readonly graph: Graph; readonly table: Table } | null>
  /** Events as they come, from now on. @see Live.subscribe */
  readonly subscribe: Live['subscribe']
}

const FLUSH_MS = 1_000

export function createWatch(o: { runtime: Runtime; tenant: string; log: EventLog }): Watch {
  const { runtime, tenant, log } = o
  const { store, clock, random } = runtime
  // Rows are one a node: a name that no other process has, so that nodes never contend.
  const node = hex(random(8))
  const live = createLive()
  const sealing = createSealing({ store, tenant, random, log })
  let counted: Minute = emptyMinute
  let flushedAt = clock()
  let writing: Promise<void> = Promise.resolve()

  // One flush at a time: two would read the same row, and the second write would be refused.
  function written(now: number): Promise<void> {
    flushedAt = now
    writing = writing
      .catch(() => undefined)
      .then(async () => {
        if (counted.pending.size === 0) return
        const taken = counted
        counted = emptyMinute
        counted = mergeMinutes(counted, await flush(store, taken, { node, now, random }))
      })
    return writing
  }

  return {
    async accept(events) {
      const now = clock()
      const fresh = await log.insert(events, now)
      // An hour that is over is recounted from the log; the minutes of this one are counted as they come.
      for (const event of fresh) if (!sealing.late(event, now)) counted = accept(counted, event)
      live.publish(fresh)
      if (now - flushedAt >= FLUSH_MS) await written(now)
    },
    async flush(now) {
      await written(now)
      await sealing.seal(now)
    },
    async graph(id, range) {
      const graph = graphOf(id)
      if (graph === null) return null
      const now = clock()
      await written(now)
      return { graph, table: await query(store, { tenant, graph: id, from: now + 1 - rangeMs[range], to: now + 1, now }) }
    },
    subscribe: live.subscribe,
  }
}
