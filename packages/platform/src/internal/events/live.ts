/** Listeners of this node, bounded in number and in what each may leave unread. */
import type { PosternEvent } from '@postern/core/events'

export interface Subscription {
  /** The next events, at least one; `null` once the subscription has ended. */
  next(): Promise<readonly PosternEvent[] | null>
  end(): void
}

export interface Live {
  publish(events: readonly PosternEvent[]): void
  /** `null` when as many listen as may. One that leaves too much unread is ended: it resumes from the log by its last id. */
  subscribe(): Subscription | null
}

const MAX_LISTENERS = 64
const MAX_UNREAD = 1_000

export function createLive(): Live {
  const listeners = new Set<(events: readonly PosternEvent[]) => void>()
  return {
    publish(events) {
      if (events.length > 0) for (const listen of listeners) listen(events)
    },
    subscribe() {
      if (listeners.size >= MAX_LISTENERS) return null
      let unread: PosternEvent[] = []
      let ended = false
      let wake: (() => void) | null = null
      const notify = (): void => {
        wake?.()
        wake = null
      }
      const listen = (events: readonly PosternEvent[]): void => {
        unread.push(...events)
        if (unread.length > MAX_UNREAD) end()
        notify()
      }
      const end = (): void => {
        ended = true
        unread = []
        listeners.delete(listen)
        notify()
      }
      listeners.add(listen)
      return {
        async next() {
          while (unread.length === 0 && !ended)
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          if (ended) return null
          const taken = unread
          unread = []
          return taken
        },
        end,
      }
    },
  }
}
