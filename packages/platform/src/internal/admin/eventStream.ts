/** Events as they come, as server-sent events; a reader that lost its connection goes on after the last one it saw. */
import { utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { PosternEvent } from '@postern/core/events'
import { type EventQuery, matches } from '../events/log.js'
import type { AdminOptions } from './admin.js'
import type { Answer, Operator } from './call.js'

/** More missed events than one page holds: the reader pages through the log instead. */
const GAP = 'event: gap\ndata: {}\n\n'

/**
 * @param since - id of the last event seen, or `null` for what happens from now on
 * @throws PosternError `store.overloaded` when as many listen as may
 */
export async function eventStream(
  { watch, log, runtime }: Pick<AdminOptions, 'watch' | 'log' | 'runtime'>,
  asked: EventQuery,
  since: string | null,
  operator: Operator,
): Promise<Answer> {
  // Listening begins before the log is read, so that nothing falls in between; what both bring is sent once.
  const live = watch.subscribe()
  if (live === null) throw new PosternError('store.overloaded')
  let missed: Missed = { events: [], gap: false }
  try {
    if (since !== null) missed = await missedSince(log, asked, since, runtime.clock())
  } catch (error) {
    live.end()
    throw error
  }
  const sent = new Set(missed.events.map(({ id }) => id))
  let begun = false
  const value = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!begun) {
          begun = true
          return controller.enqueue(utf8(`retry: 3000\n\n${missed.gap ? GAP : ''}${missed.events.map(message).join('')}`))
        }
        for (;;) {
          const events = await live.next()
          // The token's end is the stream's; the reader comes back with a new one and its last id.
          if (events === null || runtime.clock() >= operator.expiresAt) {
            live.end()
            return controller.close()
          }
          const fresh = events.filter((event) => matches(event, asked) && !sent.has(event.id))
          if (fresh.length > 0) return controller.enqueue(utf8(fresh.map(message).join('')))
        }
      },
      cancel: () => live.end(),
    },
    { highWaterMark: 0 },
  )
  return { stream: { type: 'text/event-stream', value } }
}

interface Missed {
  readonly events: readonly PosternEvent[]
  readonly gap: boolean
}

async function missedSince(log: AdminOptions['log'], asked: EventQuery, since: string, now: number): Promise<Missed> {
  const { events, next } = await log.query({ ...asked, from: Math.max(asked.from ?? 0, timeOf(since)) }, now)
  // Ids of one millisecond have no order among themselves: sent twice is seen once, not sent is lost.
  return { events: events.filter(({ id }) => id !== since).reverse(), gap: next !== null }
}

/** One message. JSON of an event has no line break of its own (H11). */
function message(event: PosternEvent): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

/** Milliseconds of a ULID. */
function timeOf(id: string): number {
  let at = 0
  for (const character of id.slice(0, 10)) at = at * 32 + '0123456789abcdefghjkmnpqrstvwxyz'.indexOf(character)
  return at
}
