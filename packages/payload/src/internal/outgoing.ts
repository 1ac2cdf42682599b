/** One sealing of a call, in a session or to a key, and how its reply opens. */
import { isPosternError, PosternError } from '@postern/core/errors'
import { decodeResponse, decodeResponseStream, encodeRequest, encodeRequestStream, type FieldLine, type Pad } from '../bhttp.js'
import type { HpkeContext, HpkePorts } from '../hpke.js'
import {
  beginChunkedRequest,
  beginRequest,
  CHUNK_BYTES,
  CHUNKED_REPLY_TYPE,
  CHUNKED_REQUEST_TYPE,
  openChunkedResponse,
  openResponse,
  openResponseStream,
  REPLY_TYPE,
  REQUEST_TYPE,
} from '../ohttp.js'
import type { ClientSession } from '../session.js'
import { encodeOne } from './keyConfig.js'
import type { Target } from './knownKeys.js'
import { bodyOf, type Content, type RequestHead, streamOf, streams } from './messages.js'
import { openSessionResponse, openSessionResponseStream } from './sessionMessages.js'
import { SESSION_REPLY_TYPE, SESSION_REQUEST_TYPE } from './sessionWire.js'
import { sourceOf } from './source.js'

/** A call that was begun: what it exports can still go into it. */
export interface Begun {
  readonly requestType: string
  readonly replyType: string
  readonly context: HpkeContext
  readonly enc: Uint8Array
  /** Key configuration that it is sealed to; empty in a session. */
  readonly keyConfig: Uint8Array
  seal(message: Uint8Array): Promise<Uint8Array>
  sealStream(message: ReadableStream<Uint8Array>): ReadableStream<Uint8Array>
  open(sealed: Uint8Array): Promise<Uint8Array>
  /** `null` for a reply that cannot but be read whole. */
  openStream: ((sealed: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>) | null
}

/** The head of a reply, and its content while it comes where the reply streams. */
export interface Reply {
  readonly status: number
  readonly fields: readonly FieldLine[]
  readonly content: Exclude<Content, null>
}

/** A call in a session; `null` when it has no calls left. */
export async function beginInSession(ports: HpkePorts, session: ClientSession): Promise<Begun | null> {
  const sealing = await session.begin(ports)
  if (sealing === null) return null
  const { crypto } = ports
  return {
    requestType: SESSION_REQUEST_TYPE,
    replyType: SESSION_REPLY_TYPE,
    context: sealing.context,
    enc: sealing.enc,
    keyConfig: new Uint8Array(0),
    seal: async (message) => sealing.seal(message),
    sealStream: (message) => sealing.sealStream(message),
    open: async (sealed) => openSessionResponse(crypto, sealing, sealed),
    openStream: (sealed) => openSessionResponseStream(crypto, sealing, sealed),
  }
}

/** A call sealed to a key: single-shot, or in chunks where its content streams. @throws PosternError `payload.keys_untrusted` for a key that is none */
export async function beginToKey(ports: HpkePorts, target: Target, inChunks: boolean, chunkBytes?: number): Promise<Begun> {
  const { config, aead, session } = target
  const { crypto } = ports
  const keyConfig = encodeOne(config)
  try {
    if (!inChunks) {
      const sealing = await beginRequest(ports, config, aead)
      return {
        ...{ requestType: REQUEST_TYPE, replyType: REPLY_TYPE, context: sealing.context, enc: sealing.enc, keyConfig },
        seal: async (message) => sealing.seal(message),
        sealStream: () => {
          throw new PosternError('payload.body_too_large')
        },
        open: async (sealed) => openResponse(crypto, sealing, sealed),
        openStream: null,
      }
    }
    const peer = session?.chunk ?? CHUNK_BYTES
    const sealing = await beginChunkedRequest(ports, config, aead, { chunkBytes: Math.min(chunkBytes ?? peer, peer) })
    return {
      ...{
        requestType: CHUNKED_REQUEST_TYPE,
        replyType: CHUNKED_REPLY_TYPE,
        context: sealing.context,
        enc: sealing.enc,
        keyConfig,
      },
      seal: async (message) => sealing.seal(message),
      sealStream: (message) => sealing.sealStream(message),
      open: async (sealed) => openChunkedResponse(crypto, sealing, sealed),
      openStream: (sealed) => openResponseStream(crypto, sealing, sealed),
    }
  } catch (cause) {
    if (isPosternError(cause, 'hpke.invalid_key')) throw new PosternError('payload.keys_untrusted', { reason: cause.code, cause })
    throw cause
  }
}

/** The sealed message of a call, as bytes or as a stream. */
export async function sealed(
  begun: Begun,
  head: RequestHead,
  content: Exclude<Content, null>,
  pad: Pad,
): Promise<Uint8Array | ReadableStream<Uint8Array>> {
  if (content instanceof Uint8Array) return begun.seal(encodeRequest({ ...head, content, trailers: [] }, { pad }))
  return begun.sealStream(encodeRequestStream({ ...head, content }, { pad }))
}

/**
 * A reply, up to the content at least.
 * @throws PosternError `payload.reply_refused`; `payload.truncated` where it ends or breaks off before its content
 */
export async function received(begun: Begun, outer: Response, maxBytes: number): Promise<Reply> {
  try {
    if (begun.openStream !== null && streams(outer.body)) {
      const { status, fields, content, trailers } = await decodeResponseStream(begun.openStream(outer.body))
      trailers.catch(() => undefined)
      return { status, fields, content }
    }
    const bytes = await whole(outer, maxBytes)
    const { status, fields, content } = decodeResponse(await begun.open(bytes), { maxBytes })
    return { status, fields, content }
  } catch (cause) {
    if (isPosternError(cause, 'bhttp.malformed', 'bhttp.limit'))
      throw new PosternError('payload.reply_refused', { reason: 'message', cause })
    throw cause
  }
}

/** @throws PosternError `payload.reply_refused` | `payload.truncated` */
async function whole(outer: Response, maxBytes: number): Promise<Uint8Array> {
  const bytes = await bodyOf(outer, maxBytes).catch((cause: unknown) => {
    throw new PosternError('payload.truncated', { reason: 'the source failed', cause })
  })
  if (bytes === null) throw new PosternError('payload.reply_refused', { reason: 'too large' })
  return bytes
}

/** The content with errors of this layer's names; where the signal aborted, its reason. */
export function guarded(content: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const source = sourceOf(content, (cause) => {
    if (signal.aborted) return signal.reason
    if (!isPosternError(cause, 'bhttp.malformed', 'bhttp.limit')) return cause
    return new PosternError('payload.reply_refused', { reason: 'message', cause })
  })
  return streamOf(source)
}
