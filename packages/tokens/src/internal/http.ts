/** Bounded bodies, strict forms, replies that nobody caches. */
import { fromUtf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { parseForm } from '@postern/core/form'
import { readBody } from '@postern/core/readBody'
import { genuineReply, lightReply } from '@postern/core/reply'
import { wireError } from './wire.js'

/** What no reply of a token server may lack (RFC 6749 §5.1). */
const NO_STORE: Readonly<Record<string, string>> = { 'cache-control': 'no-store', pragma: 'no-cache' }
const FORM = /^application\/x-www-form-urlencoded(?:\s*;\s*charset=utf-8)?$/i
const JSON_TYPE = /^application\/json(?:\s*;\s*charset=utf-8)?$/i

/** A JSON reply, never cached. */
export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return reply(status, 'application/json', JSON.stringify(body), headers)
}

/** A reply of text, never cached. */
export function reply(status: number, type: string, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return lightReply({
    status,
    headers: { 'cache-control': 'no-store', pragma: 'no-cache', 'content-type': type, ...headers },
    text,
  })
}

/** A reply as its request was: who brings a `Request` gets a `Response`; a bridge that brings the few members read here gets its parts. */
export function likeIts(request: Request, answer: Response): Response {
  return request instanceof Request ? genuineReply(answer) : answer
}

/** A reply without body, never cached. */
export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(null, { status, headers: { ...NO_STORE, ...headers } })
}

/** The JSON of an error (RFC 6749 §5.2), with the registry's code beside the RFC's word. */
export function errorReply(error: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const { status, error: word, description, code } = wireError(error)
  const extra = status === 503 ? { 'retry-after': '1' } : {}
  return json(status, { error: word, error_description: description, code }, { ...extra, ...headers })
}

/** The parameters of a form POST. @throws PosternError `request.method` `request.malformed` `request.too_large` `form.*` */
export async function readForm(request: Request, maxBytes: number = 65_536): Promise<ReadonlyMap<string, string>> {
  if (request.method !== 'POST') throw new PosternError('request.method')
  if (!FORM.test(request.headers.get('content-type') ?? ''))
    throw new PosternError('request.malformed', { publicMessage: 'Content-Type must be application/x-www-form-urlencoded.' })
  return parseForm(await boundedText(request, maxBytes), { maxBytes })
}

/** The text of a JSON body. @throws PosternError `request.malformed` `request.too_large` */
export async function readJsonText(request: Request, maxBytes: number): Promise<string> {
  if (!JSON_TYPE.test(request.headers.get('content-type') ?? ''))
    throw new PosternError('request.malformed', { publicMessage: 'Content-Type must be application/json.' })
  return boundedText(request, maxBytes)
}

async function boundedText(request: Request, maxBytes: number): Promise<string> {
  const declared = request.headers.get('content-length')
  if (declared !== null) {
    // The HTTP layer delivers no more than it declared, so the body is bounded and a lazy request stays lazy.
    if (!/^\d{1,9}$/.test(declared) || Number(declared) > maxBytes) throw new PosternError('request.too_large')
    // A bridge may bring text() alone; then it answers for the decoding itself.
    if (request.arrayBuffer === undefined) return request.text()
    return strictText(new Uint8Array(await request.arrayBuffer()))
  }
  const bytes = await readBody((request.body as ReadableStream<Uint8Array> | undefined) ?? null, maxBytes)
  if (bytes === null) throw new PosternError('request.too_large')
  return strictText(bytes)
}

/** Bytes that are no UTF-8, or begin with a byte order mark, are refused and never mended (H07). */
function strictText(bytes: Uint8Array): string {
  const text = fromUtf8(bytes)
  if (text === null || text.startsWith('\ufeff')) throw new PosternError('request.malformed')
  return text
}
