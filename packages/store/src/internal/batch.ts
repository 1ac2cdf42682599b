/**
 * Natural batching: while every lane to the server is busy, commits gather, and a lane that comes free takes them together.
 * Nobody waits for company. One partition is in one lane at a time, and its commits keep their order.
 */
import { PosternError } from '@postern/core/errors'
import type { Timer } from './timer.js'

export interface Batchable {
  readonly place: string
  /** About what it weighs on the wire. */
  readonly bytes: number
}

/** What became of one of a batch. */
export type Settled<A> = { readonly answer: A } | { readonly error: unknown }

export interface BatcherOptions<C, A> {
  /** Batches that may be under way at once. */
  readonly lanes: number
  /** Commits a batch at most. */
  readonly maxBatch: number
  /** Commits that may wait; one more is refused. */
  readonly maxQueue: number
  /** What has waited so long, or up to twice as long, is refused. */
  readonly maxWaitMs: number
  readonly timer: Timer
  /** Sends a batch; one outcome for each, in their order. */
  send(batch: readonly C[]): Promise<readonly Settled<A>[]>
}

export interface Batcher<C, A> {
  /** @throws PosternError `store.overloaded` when the queue is full, or when its turn does not come in time; it was not sent */
  push(commit: C): Promise<A>
  /** Resolves once nothing waits and nothing is under way. */
  drained(): Promise<void>
}

interface Waiting<C, A> {
  readonly commit: C
  /** The tick it came in. */
  readonly since: number
  readonly resolve: (answer: A) => void
  readonly reject: (error: unknown) => void
}

/** A batch that weighs more would hold its lane for long. */
const MAX_BATCH_BYTES = 1_048_576

export function naturalBatcher<C extends Batchable, A>(o: BatcherOptions<C, A>): Batcher<C, A> {
  const { lanes, maxBatch, maxQueue, maxWaitMs, timer, send } = o
  /** What waits, by partition. */
  const shelves = new Map<string, Waiting<C, A>[]>()
  /** Partitions of which something waits and nothing is under way, in the order they came. */
  const ready = new Set<string>()
  const underWay = new Set<string>()
  let queued = 0
  let free = lanes
  let pumping = false
  let ticks = 0
  let callOffTick: (() => void) | null = null
  let idle: (() => void)[] = []

  const pumpSoon = (): void => {
    if (pumping || free === 0) return
    pumping = true
    timer(pump, 0)
  }

  const pump = (): void => {
    pumping = false
    while (free > 0 && ready.size > 0) void fly(take())
    watch()
    rest()
  }

  const take = (): readonly Waiting<C, A>[] => {
    const batch: Waiting<C, A>[] = []
    let bytes = 0
    for (const place of ready) {
      const shelf = shelves.get(place)!
      let taken = 0
      while (taken < shelf.length && batch.length < maxBatch && bytes < MAX_BATCH_BYTES) {
        bytes += shelf[taken]!.commit.bytes
        batch.push(shelf[taken++]!)
      }
      if (taken === shelf.length) shelves.delete(place)
      else shelf.splice(0, taken)
      ready.delete(place)
      underWay.add(place)
      if (batch.length >= maxBatch || bytes >= MAX_BATCH_BYTES) break
    }
    queued -= batch.length
    return batch
  }

  const fly = async (batch: readonly Waiting<C, A>[]): Promise<void> => {
    free--
    const outcomes = await send(batch.map(({ commit }) => commit)).catch((error: unknown) => batch.map(() => ({ error })))
    free++
    for (const { commit } of batch) {
      if (underWay.delete(commit.place) && shelves.has(commit.place)) ready.add(commit.place)
    }
    batch.forEach(({ resolve, reject }, i) => {
      const outcome = outcomes[i]!
      if ('answer' in outcome) resolve(outcome.answer)
      else reject(outcome.error)
    })
    if (queued > 0) pump()
    else rest()
  }

  const rest = (): void => {
    if (queued > 0 || free < lanes) return
    for (const resolve of idle) resolve()
    idle = []
  }

  /** While something waits, a tick every `maxWaitMs`: what was there at the last tick but one has waited too long. */
  const watch = (): void => {
    if (queued === 0) {
      callOffTick?.()
      callOffTick = null
    } else if (callOffTick === null) {
      callOffTick = timer(() => {
        callOffTick = null
        ticks++
        for (const [place, shelf] of shelves) {
          const late = shelf.findIndex(({ since }) => since >= ticks - 1)
          const gone = shelf.splice(0, late < 0 ? shelf.length : late)
          queued -= gone.length
          if (shelf.length === 0) {
            shelves.delete(place)
            ready.delete(place)
          }
          for (const { reject } of gone) reject(new PosternError('store.overloaded', { reason: 'waited too long to be sent' }))
        }
        watch()
      }, maxWaitMs)
    }
  }

  return {
    push(commit) {
      if (queued >= maxQueue) throw new PosternError('store.overloaded', { reason: 'the queue is full' })
      return new Promise((resolve, reject) => {
        const { place } = commit
        const waiting = { commit, since: ticks, resolve, reject }
        const shelf = shelves.get(place)
        if (shelf === undefined) shelves.set(place, [waiting])
        else shelf.push(waiting)
        if (!underWay.has(place)) ready.add(place)
        queued++
        if (free > 0) pumpSoon()
        else watch()
      })
    },
    drained() {
      if (queued === 0 && free === lanes) return Promise.resolve()
      return new Promise((resolve) => {
        idle.push(resolve)
      })
    },
  }
}
