/** A sealed request as it comes in: which format, which key, and its message, whole where it is small. */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import type { KemKey, KemRing } from '../keys.js'
import {
  CHUNKED_REPLY_TYPE,
  CHUNKED_REQUEST_TYPE,
  type Exchange,
  openChunkedRequest,
  openRequest,
  openRequestStream,
  REPLY_TYPE,
  REQUEST_TYPE,
} from '../ohttp.js'
import type { HeldSession } from '../session.js'
import { filled, streamOf } from './messages.js'
import { refused } from './refusals.js'
import { openSessionRequest, openSessionRequestStream } from './sessionMessages.js'
import { SESSION_REPLY_TYPE, SESSION_REQUEST_TYPE, type SessionExchange } from './sessionWire.js'
import { sourceOf } from './source.js'

export type Format = 'single' | 'chunked' | 'session'

/** The call that a request opened as. */
export type Opened =
  | { readonly format: 'single' | 'chunked'; readonly exchange: Exchange; readonly key: KemKey; readonly message: Message }
  | {
      readonly format: 'session'
      readonly exchange: SessionExchange
      readonly session: HeldSession
      readonly counter: number
      readonly message: Message
    }

type Message = Uint8Array | ReadableStream<Uint8Array>

export interface InboundPorts {
  readonly crypto: CryptoPort
  readonly ring: KemRing
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly find: (id: Uint8Array) => Now<HeldSession | null>
  /** Up to here a message is held and authenticated whole; a chunked one beyond it comes as a stream. */
  readonly bufferBytes: number
  /** Single-shot messages alone: they cannot but be held whole. */
  readonly requestBytes: number
}

const FORMATS: Readonly<Record<string, Format>> = {
  [REQUEST_TYPE]: 'single',
  [CHUNKED_REQUEST_TYPE]: 'chunked',
  [SESSION_REQUEST_TYPE]: 'session',
}
export const REPLY_TYPES: Readonly<Record<Format, string>> = {
  single: REPLY_TYPE,
  chunked: CHUNKED_REPLY_TYPE,
  session: SESSION_REPLY_TYPE,
}
/** What sealing adds to a message that is still held whole: header, encapsulation, tags. */
const OVERHEAD_BYTES = 4096

/** The format of a media type, `null` for another. */
export function formatOf(type: string): Format | null {
  return Object.hasOwn(FORMATS, type) ? FORMATS[type]! : null
}

/**
 * @returns `null` when it is too large to be held
 * @throws PosternError `payload.key_unknown` | `payload.session_unknown` | `payload.refused`; a stream may still fail with the last, or `payload.truncated`
 */
export async function openInbound(
  format: Format,
  body: ReadableStream<Uint8Array> | null,
  o: InboundPorts,
): Promise<Opened | null> {
  const { crypto, ring, now } = o
  const find = (keyId: number): KemKey | null => ring.find(keyId, now)
  const withKey = (format: 'single' | 'chunked', { message, exchange }: { message: Message; exchange: Exchange }): Opened => ({
    format,
    exchange,
    key: find(exchange.keyId)!,
    message,
  })
  if (body === null) throw refused('length')
  // Whoever breaks off gets what whatever does not open gets.
  const source = sourceOf(body, (cause) => refused('the source failed', cause))
  if (format === 'single') {
    if (await filled(source, o.requestBytes)) return withKey(format, await openRequest(crypto, find, source.take(source.held)))
    await source.cancel()
    return null
  }
  if (await filled(source, o.bufferBytes + OVERHEAD_BYTES)) {
    const sealed = source.take(source.held)
    return format === 'chunked'
      ? withKey(format, await openChunkedRequest(crypto, find, sealed))
      : { format, ...(await openSessionRequest(crypto, o.find, sealed)) }
  }
  const sealed = streamOf(source)
  return format === 'chunked'
    ? withKey(format, await openRequestStream(crypto, find, sealed))
    : { format, ...(await openSessionRequestStream(crypto, o.find, sealed)) }
}
