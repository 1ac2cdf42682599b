/** Events on their way: made complete, written beside the change they tell of, shipped after the answer. */
import { decodeEvent, type EventSink, type PosternEvent } from '@postern/core/events'
import { ulid } from '@postern/core/ids'
import type { Part, Runtime } from '@postern/store'
import { shipEvents } from '@postern/store/outbox'
import type { HostContext } from '../node.js'

/** An event without what the journal adds. */
export type EventDraft = PosternEvent extends infer E ? (E extends PosternEvent ? Omit<E, 'id' | 'at' | 'tenant'> : never) : never

export interface Journal {
  /** The complete event. */
  event(draft: EventDraft): PosternEvent
  /** Ships what a commit has written, after the answer where the host can wait. */
  shipped(part: Part, events: readonly PosternEvent[], host: HostContext | undefined): Promise<void>
  /** Ships what somebody else's commits have left in a partition. */
  left(part: Part, host: HostContext | undefined): Promise<void>
  /** An event of a refusal that changed no record: straight to the sinks, at most so many a second. */
  refusal(draft: EventDraft, host: HostContext | undefined): Promise<void>
}

const REFUSALS_A_SECOND = 200

export function createJournal(o: { runtime: Runtime; tenant: string; sink: EventSink }): Journal {
  const { runtime, tenant, sink } = o
  let second = 0
  let inSecond = 0
  const later = async (work: () => Promise<void>, host: HostContext | undefined): Promise<void> => {
    // A sink that fails leaves the events in the outbox; the sweep finds them.
    const done = work().catch(() => undefined)
    if (host?.waitUntil) host.waitUntil(done)
    else await done
  }
  const event = (draft: EventDraft): PosternEvent =>
    ({ ...draft, id: ulid(runtime.clock, runtime.random), at: runtime.clock(), tenant }) as PosternEvent
  return {
    event,
    shipped: (part, events, host) => later(() => shipEvents(runtime.store, part, events, sink, { now: runtime.clock() }), host),
    left: (part, host) =>
      later(async () => {
        const now = runtime.clock()
        const rows = await runtime.store.list(part, 'e/', { now, limit: 32 })
        const events = rows.flatMap(({ value }) => decodeEvent(value) ?? [])
        await shipEvents(runtime.store, part, events, sink, { now })
      }, host),
    refusal: (draft, host) => {
      const now = Math.floor(runtime.clock() / 1000)
      if (now !== second) [second, inSecond] = [now, 0]
      inSecond += 1
      if (inSecond > REFUSALS_A_SECOND) return Promise.resolve()
      return later(async () => sink([event(draft)]), host)
    },
  }
}
