/** `events`: pages newest first, a whole answer line by line, and what happens from now on. */
import { utf8 } from '@postern/core/bytes'
import type { EventQuery } from '../events/log.js'
import type { AdminOptions } from './admin.js'
import type { Answer, Call, Room } from './call.js'
import { eventParameters, eventQueryOf, isEventId } from './eventQuery.js'
import { eventStream } from './eventStream.js'
import { invalid, nextLink } from './query.js'

const PAGE = 100
const EXPORT_PAGE = 500

export function eventRooms(o: AdminOptions, base: string): readonly Room[] {
  const { log, runtime } = o

  async function page(call: Call): Promise<Answer> {
    const { events, next } = await log.query(eventQueryOf(call.query, PAGE), runtime.clock())
    const answer = { body: { events } }
    return next === null ? answer : { ...answer, headers: nextLink(base, '/v1/events', call.query, next) }
  }

  /** One event a line, page by page as the reader reads: all that match, or `limit` of them. */
  function lines(call: Call): Answer {
    const asked = eventQueryOf(call.query, EXPORT_PAGE)
    let left = call.query.has('limit') ? asked.limit : Number.POSITIVE_INFINITY
    let after = asked.after
    const value = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const q: EventQuery = { ...asked, limit: Math.min(EXPORT_PAGE, left), ...(after === undefined ? {} : { after }) }
        const { events, next } = await log.query(q, runtime.clock())
        if (events.length > 0) controller.enqueue(utf8(events.map((event) => `${JSON.stringify(event)}\n`).join('')))
        left -= events.length
        after = next ?? undefined
        if (next === null || left <= 0 || runtime.clock() >= call.operator.expiresAt) controller.close()
      },
    })
    return { stream: { type: 'application/x-ndjson', value } }
  }

  function live(call: Call): Promise<Answer> {
    const since = call.request.headers.get('last-event-id')
    if (since !== null && since !== '' && !isEventId(since)) throw invalid('Last-Event-ID is the id of an event.')
    for (const name of ['after', 'limit', 'to']) if (call.query.has(name)) throw invalid(`A stream does not take ${name}.`)
    return eventStream(o, eventQueryOf(call.query, 1000), since === '' ? null : since, call.operator)
  }

  return [
    {
      method: 'GET',
      path: /^\/v1\/events$/,
      scope: 'events:read',
      query: eventParameters,
      async answer(call) {
        const accept = (call.request.headers.get('accept') ?? '').toLowerCase()
        if (accept.includes('text/event-stream')) return live(call)
        if (accept.includes('application/x-ndjson')) return lines(call)
        return page(call)
      },
    },
  ]
}
