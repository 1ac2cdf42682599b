/** The answer of a handler, sealed in the format of its request: at once where it is small, otherwise as it comes. */
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { Random } from '@postern/core/runtime'
import { encodeResponse, encodeResponseStream, type FieldLine } from '../bhttp.js'
import { sealChunkedResponse, sealResponse, sealResponseStream } from '../ohttp.js'
import { type Opened, REPLY_TYPES } from './inbound.js'
import { filled, linesOf, mediaType, readAll, streamOf } from './messages.js'
import { sealSessionResponse, sealSessionResponseStream } from './sessionMessages.js'
import { type Source, sourceOf } from './source.js'

export interface OutboundPorts {
  readonly crypto: CryptoPort
  readonly random: Random
  /** Up to here an answer is sealed whole. */
  readonly bufferBytes: number
  /** Single-shot replies alone: they cannot but be held whole. */
  readonly replyBytes: number
}

interface Head {
  readonly status: number
  readonly fields: readonly FieldLine[]
}

/** @returns `null` for an answer that is too large, broken off before it began, or that cannot be said */
export async function sealOutbound(
  ports: OutboundPorts,
  opened: Opened,
  reply: Response,
  own: readonly FieldLine[],
): Promise<Response | null> {
  try {
    const head = { status: reply.status, fields: [...linesOf(reply.headers), ...own] }
    const sealed = await seal(ports, opened, reply, head)
    if (sealed === null) return null
    const incremental: Record<string, string> = opened.format === 'single' ? {} : { incremental: '?1' }
    const headers = { 'content-type': REPLY_TYPES[opened.format], 'cache-control': 'no-store', ...incremental }
    return new Response(sealed as Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>, { status: 200, headers })
  } catch {
    return null
  }
}

async function seal(
  ports: OutboundPorts,
  opened: Opened,
  reply: Response,
  head: Head,
): Promise<Uint8Array | ReadableStream<Uint8Array> | null> {
  if (opened.format === 'single') {
    const content = await readAll(reply.body, ports.replyBytes)
    return content === null ? null : sealResponse(ports, opened.exchange, encodeResponse({ ...head, content, trailers: [] }))
  }
  const source = reply.body === null ? null : sourceOf(reply.body)
  try {
    return await sealFrom(ports, opened, source, head, mediaType(reply.headers) === 'text/event-stream')
  } catch (error) {
    void source?.cancel(error)
    throw error
  }
}

/** @param flush - events are sent as they happen; their sizes show */
async function sealFrom(
  ports: OutboundPorts,
  opened: Exclude<Opened, { format: 'single' }>,
  source: Source | null,
  head: Head,
  flush: boolean,
): Promise<Uint8Array | ReadableStream<Uint8Array>> {
  if (source === null || (!flush && (await filled(source, ports.bufferBytes)))) {
    const content = source === null ? new Uint8Array(0) : source.take(source.held)
    const message = encodeResponse({ ...head, content, trailers: [] })
    return opened.format !== 'session'
      ? sealChunkedResponse(ports, opened.exchange, message)
      : sealSessionResponse(ports, opened.exchange, message, opened.session.chunkBytes)
  }
  const message = encodeResponseStream({ ...head, content: streamOf(source) })
  return opened.format !== 'session'
    ? sealResponseStream(ports, opened.exchange, message, { flush })
    : sealSessionResponseStream(ports, opened.exchange, message, { flush, chunkBytes: opened.session.chunkBytes })
}
