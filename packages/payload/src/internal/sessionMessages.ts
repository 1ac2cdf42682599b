/** The messages of a session, as bytes and as streams. */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { AeadId, HpkePorts, KemId } from '../hpke.js'
import type { HeldSession, SessionCall, SessionOpening, SessionSealing } from '../session.js'
import { openChunks, sealChunks } from './chunks.js'
import { andThen } from './now.js'
import { MAX_CHUNK_BYTES } from './ohttpWire.js'
import { openReply, openReplyStream } from './openReply.js'
import { beginOpening } from './openSession.js'
import { openStream } from './openStream.js'
import { refused, requestRefusal, truncated, wholeRefusal } from './refusals.js'
import { sealReplyInChunks, sealReplyStream } from './sealReply.js'
import { sealStream } from './sealStream.js'
import {
  beginSessionCall,
  ENC_BYTES,
  HEADER_BYTES,
  hasHeader,
  ID_BYTES,
  REPLY_LABEL,
  type SessionExchange,
  sessionExchange,
} from './sessionWire.js'
import { sourceOf } from './source.js'

/**
 * One call of a session. Two calls never share `counter`; should a client be cloned, eight random bytes keep its calls apart.
 * @throws RangeError for a counter above 2^32 - 1
 */
export function beginSessionRequest(
  ports: HpkePorts,
  session: Pick<HeldSession, 'id' | 'key' | 'aead' | 'chunkBytes'>,
  counter: number,
): Now<SessionSealing> {
  const { chunkBytes } = session
  return andThen(beginSessionCall(ports, session, counter), ({ head, exchange }) => ({
    ...exchange,
    seal: (message) => sealChunks(exchange.context, head, message, chunkBytes),
    sealStream: (message, { flush = false } = {}) => sealStream(exchange.context, head, message, { chunkBytes, flush }),
  }))
}

/** Begins an opening with a fresh key pair. @throws PosternError `hpke.invalid_key` for a KEM that is not known */
export function openSession(
  ports: HpkePorts,
  terms: { readonly kem: KemId; readonly aeads: readonly AeadId[] },
): Now<SessionOpening> {
  return beginOpening(ports, terms, beginSessionRequest)
}

/**
 * The message of a call that is here whole. Its counter is not claimed yet: what does not open must not use one up.
 * @throws PosternError `payload.session_unknown` for a session that is not held, or a counter beyond it; `payload.refused` for all else
 */
export function openSessionRequest(
  crypto: CryptoPort,
  find: (id: Uint8Array) => Now<HeldSession | null>,
  sealed: Uint8Array,
): Now<SessionCall & { readonly message: Uint8Array }> {
  return andThen(callOf(crypto, find, sealed), ({ session, counter, exchange }) =>
    andThen(
      openChunks(exchange.context, sealed.subarray(HEADER_BYTES + ENC_BYTES), session.chunkBytes, wholeRefusal),
      (message) => ({ session, counter, exchange, message }),
    ),
  )
}

/** The message of a call while it comes; as {@link openSessionRequest}. The message fails with `payload.truncated` without an authenticated end. */
export async function openSessionRequestStream(
  crypto: CryptoPort,
  find: (id: Uint8Array) => Now<HeldSession | null>,
  sealed: ReadableStream<Uint8Array>,
): Promise<SessionCall & { readonly message: ReadableStream<Uint8Array> }> {
  const source = sourceOf(sealed, (cause) => truncated('the source failed', cause))
  try {
    while (source.held < HEADER_BYTES + ENC_BYTES) if (!(await source.more())) throw refused('length')
    const call = await callOf(crypto, find, source.take(HEADER_BYTES + ENC_BYTES))
    const message = openStream(() => call.exchange.context, source, call.session.chunkBytes, requestRefusal)
    return { ...call, message }
  } catch (error) {
    await source.cancel(error)
    throw error
  }
}

function callOf(crypto: CryptoPort, find: (id: Uint8Array) => Now<HeldSession | null>, head: Uint8Array): Now<SessionCall> {
  if (head.length < HEADER_BYTES + ENC_BYTES) throw refused('length')
  const enc = head.slice(HEADER_BYTES, HEADER_BYTES + ENC_BYTES)
  const id = enc.slice(0, ID_BYTES)
  return andThen(find(id), (session) => {
    const counter = counterOf(enc)
    if (session === null || counter >= session.max) throw new PosternError('payload.session_unknown')
    if (!hasHeader(head, session.aead)) throw refused('header')
    return andThen(sessionExchange(crypto, session.key, session.aead, enc), (exchange) => ({ session, counter, exchange }))
  })
}

/** Above 2^53 it is rounded, which no session lets pass. */
function counterOf(enc: Uint8Array): number {
  let value = 0
  for (let i = ID_BYTES; i < ID_BYTES + 8; i++) value = value * 256 + enc[i]!
  return value
}

/** A message as reply to a call. */
export function sealSessionResponse(
  ports: HpkePorts,
  exchange: SessionExchange,
  message: Uint8Array,
  chunkBytes: number = MAX_CHUNK_BYTES,
): Now<Uint8Array> {
  return sealReplyInChunks(ports, exchange, REPLY_LABEL, message, chunkBytes)
}

/** A message as reply, read as it is sent. Where `message` fails so does it, without an end. */
export function sealSessionResponseStream(
  ports: HpkePorts,
  exchange: SessionExchange,
  message: ReadableStream<Uint8Array>,
  { chunkBytes = MAX_CHUNK_BYTES, flush = false }: { readonly chunkBytes?: number; readonly flush?: boolean } = {},
): Now<ReadableStream<Uint8Array>> {
  return sealReplyStream(ports, exchange, REPLY_LABEL, message, { chunkBytes, flush })
}

/** The message of a reply that is here whole. @throws PosternError `payload.reply_refused`; `payload.truncated` without an authenticated end */
export function openSessionResponse(
  crypto: CryptoPort,
  exchange: SessionExchange,
  sealed: Uint8Array,
  maxChunkBytes: number = MAX_CHUNK_BYTES,
): Now<Uint8Array> {
  return openReply(crypto, exchange, REPLY_LABEL, sealed, maxChunkBytes)
}

/** The message of a reply while it comes. It fails as {@link openSessionResponse} does. */
export function openSessionResponseStream(
  crypto: CryptoPort,
  exchange: SessionExchange,
  sealed: ReadableStream<Uint8Array>,
  maxChunkBytes: number = MAX_CHUNK_BYTES,
): ReadableStream<Uint8Array> {
  return openReplyStream(crypto, exchange, REPLY_LABEL, sealed, maxChunkBytes)
}
