/// <reference types="node" />
/**
 * A Fetch handler as a `(req, res)` listener: for node:http, Express, Connect and whatever speaks their language.
 * The path is always the original one (a mount strips its prefix from `req.url`, and the issuer's path is ours to strip, once);
 * every `Set-Cookie` stays its own header beside those that earlier middleware set; a body that a parser already read is rebuilt.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { replyText } from '@postern/core/reply'
import { rebuiltBody } from './internal/parsedBody.js'

/** What the host knows about a request and no header may claim. */
export interface HostContext {
  /** The peer's address, from the socket or a proxy that the host trusts. */
  readonly ip?: string
  readonly clientCertificate?: Uint8Array
  /** Keeps work alive after the answer, where the runtime needs to be told. */
  readonly waitUntil?: (work: Promise<unknown>) => void
}

export interface NodeOptions {
  /** `https://bank.example`: scheme and authority of every URL handed on. The `Host` header is never believed. */
  readonly origin: string
  /** The peer's address; default the socket's. Read a forwarding header here only behind a proxy that always sets it. */
  readonly ip?: (req: IncomingMessage) => string | undefined
}

type Handler = (request: Request, host: HostContext) => Promise<Response>
type Listener = (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void) => void

/**
 * @example
 * app.use('/postern', toNode(platform.fetch, { origin: 'https://bank.example' }))
 */
export function toNode(handler: Handler, options: NodeOptions): Listener {
  return (req, res, next) => {
    answer(handler, options, req, res).catch((error: unknown) => {
      if (next) return next(error)
      if (!res.headersSent) res.writeHead(500)
      res.end()
    })
  }
}

async function answer(handler: Handler, options: NodeOptions, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const abort = new AbortController()
  res.once('close', () => {
    if (!res.writableFinished) abort.abort()
  })
  const url = urlOf((req as { originalUrl?: string }).originalUrl ?? req.url ?? '/', options.origin)
  if (url === null) return refuse(res, 400, 'The request target can be read in more than one way.')
  const method = req.method ?? 'GET'
  // What `Request` takes no more than a handler would.
  if (method === 'TRACE' || method === 'CONNECT') return refuse(res, 405, 'This method is not taken here.')
  const body = bodyOf(req)
  // A parser read the body and left a form that it cannot be rebuilt from: guessing would sign what was never sent.
  if (body === undefined)
    return refuse(res, 400, 'A body parser ahead of this mount read the body; mount it behind, or keep rawBody.')
  const ip = options.ip ? options.ip(req) : req.socket.remoteAddress
  const request = new Request(url, {
    method,
    headers: headersOf(req),
    signal: abort.signal,
    ...(body === null ? {} : { body: body as unknown as ReadableStream, duplex: 'half' }),
  } as RequestInit)
  const background: Promise<unknown>[] = []
  const response = await handler(request, {
    ...(ip === undefined ? {} : { ip }),
    waitUntil: (work) => void background.push(work.catch(() => undefined)),
  })
  await write(response, req, res)
  await Promise.all(background)
}

/**
 * The URL of a request target; `null` for one whose path a URL does not keep as it was sent: `//host/…`, `\\`, dot segments. Whoever stands in front
 * has judged that, and not what would come of it here.
 * @see RFC 9112 §3.2
 */
function urlOf(target: string, origin: string): URL | null {
  const path = target.replace(/^https?:\/\/[^/?#]*(?=\/|$)/i, '') || '/'
  const url = path.startsWith('//') || !URL.canParse(path, origin) ? null : new URL(path, origin)
  return url?.pathname === path.split(/[?#]/, 1)[0] ? url : null
}

function refuse(res: ServerResponse, status: 400 | 405, why: string): void {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  res.end(JSON.stringify({ error: status === 405 ? 'method_not_allowed' : 'invalid_request', error_description: why }))
}

/** `null` for no body, `undefined` when it was read and cannot be rebuilt. */
function bodyOf(req: IncomingMessage): ReadableStream | Uint8Array | null | undefined {
  if (req.method === 'GET' || req.method === 'HEAD') return null
  const parsed = req as { rawBody?: unknown; body?: unknown }
  if (parsed.rawBody instanceof Uint8Array) return new Uint8Array(parsed.rawBody)
  if (!req.readableEnded && !req.readableDidRead) {
    const empty = req.headers['content-length'] === undefined && req.headers['transfer-encoding'] === undefined
    return empty ? null : (Readable.toWeb(req) as ReadableStream)
  }
  return rebuiltBody(parsed.body, req.headers['content-type'])
}

function headersOf(req: IncomingMessage): Headers {
  const headers = new Headers()
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i]!
    // Never of use to a handler and not allowed in a Fetch request.
    if (!/^(connection|keep-alive|transfer-encoding|upgrade|expect|te)$/i.test(name)) headers.append(name, req.rawHeaders[i + 1]!)
  }
  return headers
}

async function write(response: Response, req: IncomingMessage, res: ServerResponse): Promise<void> {
  res.statusCode = response.status
  for (const [name, value] of response.headers) if (name !== 'set-cookie') res.setHeader(name, value)
  for (const cookie of response.headers.getSetCookie()) res.appendHeader('set-cookie', cookie)
  if (req.method === 'HEAD' || response.body === null) {
    await response.body?.cancel()
    res.end()
    return
  }
  const text = replyText(response)
  if (text !== null) {
    // One write, head and all.
    res.end(text)
    return
  }
  const reader = response.body.getReader()
  // Whoever made it learns that nobody reads it any more, even while it has nothing to say.
  const gone = () => void reader.cancel().catch(() => undefined)
  if (res.destroyed) return gone()
  res.once('close', gone)
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read())
      if (!res.write(chunk.value) && !res.destroyed)
        await new Promise<void>((resume) => res.once('drain', resume).once('close', resume))
    res.end()
  } catch (error) {
    res.destroy(error as Error)
  } finally {
    res.off('close', gone)
  }
}
