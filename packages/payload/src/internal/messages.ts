/** Between Fetch objects and Binary HTTP messages. */
import { PosternError } from '@postern/core/errors'
import type { BhttpRequest, FieldLine } from '../bhttp.js'
import { HOP_FIELDS } from './fieldRules.js'
import { type Source, sourceOf } from './source.js'

/** Dropped on the way in and out: fields of one hop, of the outer message, and of this layer. */
function stays(name: string): boolean {
  return (
    !HOP_FIELDS.has(name) &&
    name !== 'te' &&
    name !== 'trailer' &&
    name !== 'host' &&
    name !== 'content-length' &&
    !name.startsWith('payload-')
  )
}

/** Field lines of headers; `set-cookie` stays several. */
export function linesOf(headers: Headers): readonly FieldLine[] {
  const lines: FieldLine[] = []
  headers.forEach((value, name) => {
    if (stays(name) && name !== 'set-cookie') lines.push([name, value])
  })
  for (const cookie of headers.getSetCookie()) lines.push(['set-cookie', cookie])
  return lines
}

/** What comes before the content. */
export type RequestHead = Omit<BhttpRequest, 'content' | 'trailers'>
/** Content that is here, or comes; `null` for none. */
export type Content = Uint8Array | ReadableStream<Uint8Array> | null

/** The inner request as handlers see it. @throws PosternError `bhttp.malformed` for what Fetch cannot say: TRACE, content on GET and HEAD */
export function toRequest(head: RequestHead, content: Content, signal: AbortSignal): Request {
  const headers = new Headers()
  // Compression inside would leak by length what sealing hides (C15): no handler is asked for it.
  for (const [name, value] of head.fields) if (stays(name) && name !== 'accept-encoding') headers.append(name, value)
  const body = content instanceof Uint8Array ? (content.length === 0 ? null : (content as Uint8Array<ArrayBuffer>)) : content
  const init = { method: head.method, headers, body, signal, ...(body instanceof ReadableStream ? { duplex: 'half' } : {}) }
  try {
    return new Request(`${head.scheme}://${head.authority}${head.path}`, init)
  } catch (cause) {
    throw new PosternError('bhttp.malformed', { reason: 'a request that Fetch cannot say', cause })
  }
}

const NULL_BODY: ReadonlySet<number> = /* @__PURE__ */ new Set([204, 205, 304])

/** The reply as the caller of the sealed fetch sees it. */
export function toResponse(
  { status, fields }: { readonly status: number; readonly fields: readonly FieldLine[] },
  content: Exclude<Content, null>,
  url: string,
): Response {
  const headers = new Headers()
  for (const [name, value] of fields) if (stays(name)) headers.append(name, value)
  const body = NULL_BODY.has(status) ? null : (content as Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>)
  const response = new Response(body, { status, headers })
  Object.defineProperty(response, 'url', { value: url })
  return response
}

/** The value of a field that must stand once, or `null`. */
export function onlyValue(lines: readonly FieldLine[], name: string): string | null {
  const found = lines.filter((line) => line[0] === name)
  return found.length === 1 ? found[0]![1] : null
}

/** Milliseconds of an IMF-fixdate, or `null`. @see RFC 9110 §5.6.7 */
export function parseDate(text: string | null): number | null {
  if (text === null || !/^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/.test(text)) return null
  const at = Date.parse(text)
  return Number.isNaN(at) ? null : at
}

/** The media type of a message, lower-case and without parameters. */
export function mediaType(headers: Headers): string {
  return (headers.get('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase()
}

/** The whole body, or `null` when it is larger than `maxBytes`: the rest is not read. */
export async function readAll(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array | null> {
  if (body === null) return new Uint8Array(0)
  const source = sourceOf(body)
  if (await filled(source, maxBytes)) return source.take(source.held)
  await source.cancel()
  return null
}

/** Whether a body can be read as it comes: React Native has none, nor the global. */
export function streams(body: unknown): body is ReadableStream<Uint8Array> {
  return typeof (body as ReadableStream | null | undefined)?.getReader === 'function'
}

/** The whole body of a response, `null` when it is larger than `maxBytes`. */
export async function bodyOf(response: Response, maxBytes: number): Promise<Uint8Array | null> {
  if (response.body === null || streams(response.body)) return readAll(response.body, maxBytes)
  const bytes = new Uint8Array(await (response as Response).arrayBuffer())
  return bytes.length > maxBytes ? null : bytes
}

/** Reads up to `maxBytes`. @returns whether that is all there is; otherwise the source holds more than it, and goes on */
export async function filled(source: Source, maxBytes: number): Promise<boolean> {
  while (source.held <= maxBytes) if (!(await source.more())) return true
  return false
}

/** What a source holds and brings, as a stream: one piece each time that one is asked for. */
export function streamOf(source: Source): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        while (source.held === 0)
          if (!(await source.more())) {
            controller.close()
            return
          }
        controller.enqueue(source.some(source.held))
      },
      cancel: (reason) => source.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
