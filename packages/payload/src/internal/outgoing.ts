/** One sealing of a call, in a session or to a key, and how its reply opens. */
import { concat } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { BhttpResponse, Pad } from '../bhttp.js'
import type { AeadId, HpkeContext, HpkePorts } from '../hpke.js'
import { sealChunks } from './chunks.js'
import { decodeResponseStream, decodeWholeResponse } from './decodeMessageStream.js'
import { encodeRequest } from './encodeMessage.js'
import type { Target } from './knownKeys.js'
import { EMPTY } from './labels.js'
import { bodyOf, type Content, type RequestHead, streamOf, streams } from './messages.js'
import {
  beginExchange,
  CHUNK_BYTES,
  CHUNKED_REPLY_LABEL,
  CHUNKED_REPLY_TYPE,
  CHUNKED_REQUEST_LABEL,
  CHUNKED_REQUEST_TYPE,
  MAX_CHUNK_BYTES,
  REPLY_LABEL,
  REPLY_TYPE,
  REQUEST_LABEL,
  REQUEST_TYPE,
} from './ohttpWire.js'
import { openReply, openReplyStream } from './openReply.js'
import type { SessionOf } from './openSession.js'
import { replyRefusal, truncated } from './refusals.js'
import { type BegunCall, REPLY_LABEL as SESSION_REPLY_LABEL, SESSION_REPLY_TYPE, SESSION_REQUEST_TYPE } from './sessionWire.js'
import { sourceOf } from './source.js'

/** A session of the client's, whose calls are sealed here. */
export type CallSession = SessionOf<BegunCall>

/** A call that was begun: what it exports can still go into it. */
export interface Begun {
  readonly requestType: string
  readonly replyType: string
  readonly replyLabel: Uint8Array
  readonly suite: { readonly aead: AeadId }
  readonly enc: Uint8Array
  readonly context: HpkeContext
  /** Key configuration that it is sealed to; empty in a session. */
  readonly keyConfig: Uint8Array
  /** What stands before the sealed message. */
  readonly head: Uint8Array
  /** Plaintext of a chunk in bytes; `null` where request and reply are sealed in one piece each. */
  readonly chunkBytes: number | null
}

/** The head of a reply, and its content while it comes where the reply streams. */
export interface Reply {
  readonly status: number
  readonly fields: BhttpResponse['fields']
  readonly content: Exclude<Content, null>
}

/** A call in a session; `null` when it has no calls left. */
export async function beginInSession(ports: HpkePorts, session: CallSession): Promise<Begun | null> {
  const call = await session.begin(ports)
  if (call === null) return null
  return {
    ...call.exchange,
    requestType: SESSION_REQUEST_TYPE,
    replyType: SESSION_REPLY_TYPE,
    replyLabel: SESSION_REPLY_LABEL,
    keyConfig: EMPTY,
    head: call.head,
    chunkBytes: session.chunkBytes,
  }
}

/** A call sealed to a key: in one piece, or in chunks where its content streams. @throws PosternError `payload.keys_untrusted` for a key that is none */
export async function beginToKey(ports: HpkePorts, target: Target, inChunks: boolean, chunkBytes?: number): Promise<Begun> {
  const { config, configBytes: keyConfig, aead, session } = target
  const label = inChunks ? CHUNKED_REQUEST_LABEL : REQUEST_LABEL
  try {
    const { head, exchange } = await beginExchange(ports, config, aead, label)
    if (!inChunks)
      return {
        ...exchange,
        ...{ requestType: REQUEST_TYPE, replyType: REPLY_TYPE, replyLabel: REPLY_LABEL, keyConfig, head, chunkBytes: null },
      }
    const peer = session?.chunk ?? CHUNK_BYTES
    return {
      ...exchange,
      ...{ requestType: CHUNKED_REQUEST_TYPE, replyType: CHUNKED_REPLY_TYPE, replyLabel: CHUNKED_REPLY_LABEL },
      ...{ keyConfig, head, chunkBytes: Math.min(chunkBytes ?? peer, peer) },
    }
  } catch (cause) {
    if (isPosternError(cause, 'hpke.invalid_key')) throw new PosternError('payload.keys_untrusted', { reason: cause.code, cause })
    throw cause
  }
}

/** The sealed message of a call whose content is here. */
export async function sealed(
  { context, head, chunkBytes }: Begun,
  request: RequestHead,
  content: Uint8Array,
  pad: Pad,
): Promise<Uint8Array> {
  const message = encodeRequest({ ...request, content, trailers: [] }, { pad })
  if (chunkBytes !== null) return sealChunks(context, head, message, chunkBytes)
  return concat(head, await context.seal(EMPTY, message))
}

/**
 * A reply, up to the content at least.
 * @throws PosternError `payload.reply_refused`; `payload.truncated` where it ends or breaks off before its content
 */
export async function received(crypto: CryptoPort, begun: Begun, outer: Response, maxBytes: number): Promise<Reply> {
  const { replyLabel, chunkBytes } = begun
  try {
    if (chunkBytes !== null && streams(outer.body)) {
      const message = openReplyStream(crypto, begun, replyLabel, outer.body, MAX_CHUNK_BYTES)
      const { trailers, ...reply } = await decodeResponseStream(message)
      return reply
    }
    const bytes = await whole(outer, maxBytes)
    const message = await openReply(crypto, begun, replyLabel, bytes, chunkBytes === null ? null : MAX_CHUNK_BYTES)
    return await decodeWholeResponse(message, { maxBytes })
  } catch (cause) {
    throw ofReply(cause)
  }
}

/** @throws PosternError `payload.reply_refused` | `payload.truncated` */
async function whole(outer: Response, maxBytes: number): Promise<Uint8Array> {
  const bytes = await bodyOf(outer, maxBytes).catch((cause: unknown) => {
    throw truncated('the source failed', cause)
  })
  if (bytes === null) throw replyRefusal('refused', 'too large')
  return bytes
}

/** The content with errors of this layer's names; where the signal aborted, its reason. */
export function guarded(content: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  return streamOf(sourceOf(content, (cause) => (signal.aborted ? signal.reason : ofReply(cause))))
}

function ofReply(cause: unknown): unknown {
  return isPosternError(cause, 'bhttp.malformed', 'bhttp.limit') ? replyRefusal('refused', 'message', cause) : cause
}
