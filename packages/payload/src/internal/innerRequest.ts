/** The inner message of an opened call as the request that handlers see. */
import { isPosternError } from '@postern/core/errors'
import { decodeRequest, decodeRequestStream } from '../bhttp.js'
import type { Opened } from './inbound.js'
import { type RequestHead, readAll, toRequest } from './messages.js'

export interface InnerRules {
  /** Schemes that a request may name. */
  readonly schemes: readonly string[]
  /** Largest message on routes that do not stream. */
  readonly requestBytes: number
  readonly streams: (method: string, url: URL) => boolean
}

/** What the inner message says, method and target as the request says them: what a route wants is asked of what its handler sees. */
export interface Inner extends RequestHead {
  readonly request: Request
  readonly url: URL
}

/** The inner message is none: thrown apart from whatever a handler may throw. */
export class Unreadable extends Error {
  readonly code: 'bhttp.malformed' | 'bhttp.limit'
  constructor(code: 'bhttp.malformed' | 'bhttp.limit') {
    super(code)
    this.code = code
  }
}

/**
 * Whole where the route does not stream: then it is authenticated to its end.
 * @throws Unreadable; PosternError `payload.refused` | `payload.truncated` where a later chunk does not open
 */
export async function readInner(opened: Opened, outer: AbortSignal, rules: InnerRules): Promise<Inner> {
  const { schemes, requestBytes, streams } = rules
  try {
    const { message } = opened
    if (message instanceof Uint8Array) {
      const { content, ...head } = decodeRequest(message, { schemes, maxBytes: requestBytes })
      const request = toRequest(head, content, outer)
      return { ...head, method: request.method, request, url: new URL(request.url) }
    }
    const { content, ...head } = await decodeRequestStream(message, { schemes })
    // Whoever does not read to the end has nobody to tell.
    head.trailers.catch(() => undefined)
    const { method, url: target } = toRequest(head, null, outer)
    const url = new URL(target)
    if (streams(method, url)) return { ...head, method, url, ...streaming(head, content, outer) }
    const whole = await readAll(content, requestBytes)
    if (whole === null) throw new Unreadable('bhttp.limit')
    return { ...head, method, url, request: toRequest(head, whole, outer) }
  } catch (error) {
    if (isPosternError(error, 'bhttp.malformed', 'bhttp.limit')) throw new Unreadable(error.code)
    throw error
  }
}

/** The request's head as a request of its own: reading the content is the handler's. */
export function withoutContent({ url, method, headers }: Request): Request {
  return new Request(url, { method, headers })
}

/** A request whose content is still coming: should its end not be authenticated, its signal says so as well. */
function streaming(head: RequestHead, content: ReadableStream<Uint8Array>, outer: AbortSignal): { readonly request: Request } {
  const broken = new AbortController()
  const reader = content.getReader()
  const watched = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (done) controller.close()
          else controller.enqueue(value)
        } catch (error) {
          broken.abort(error)
          throw error
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
  return { request: toRequest(head, watched, AbortSignal.any([outer, broken.signal])) }
}
