/**
 * Binary HTTP messages: with known length where the content is in memory, with indeterminate length where it comes as a stream; both are
 * read in either way. Strict: fields of one hop, pseudo-fields, CONNECT, a `host` or `content-length` that says something else, and
 * padding that is not zero are refused.
 * @see RFC 9292
 */
import type { PosternError } from '@postern/core/errors'
import type { FieldLine } from './internal/fieldRules.js'
import type { Pad } from './internal/padme.js'

export { decodeRequest, decodeResponse } from './internal/decodeMessage.js'
export { decodeRequestStream, decodeResponseStream } from './internal/decodeMessageStream.js'
export { encodeRequest, encodeResponse } from './internal/encodeMessage.js'
export { encodeRequestStream, encodeResponseStream } from './internal/encodeMessageStream.js'
export type { FieldLine } from './internal/fieldRules.js'
export { DEFAULT_PAD, type Pad } from './internal/padme.js'

/** A request. `fields` and `trailers` are in wire order, repeated lines stay several; strings hold one character a byte. */
export interface BhttpRequest {
  readonly method: string
  readonly scheme: string
  readonly authority: string
  /** Path and query, beginning with `/`. */
  readonly path: string
  readonly fields: readonly FieldLine[]
  readonly content: Uint8Array
  readonly trailers: readonly FieldLine[]
}

/** A final response, 200–599. */
export interface BhttpResponse {
  readonly status: number
  readonly fields: readonly FieldLine[]
  readonly content: Uint8Array
  readonly trailers: readonly FieldLine[]
}

/** A request whose content is read as it comes. */
export interface BhttpRequestStream extends Omit<BhttpRequest, 'content' | 'trailers'> {
  /** Ends when the whole message has, its trailers and padding included; fails where any of it is not well-formed. */
  readonly content: ReadableStream<Uint8Array>
  /** Fields after the content: there when it has been read to its end; rejects where it fails. */
  readonly trailers: Promise<readonly FieldLine[]>
}

/** A final response whose content is read as it comes; its members as in {@link BhttpRequestStream}. */
export interface BhttpResponseStream extends Omit<BhttpResponse, 'content' | 'trailers'> {
  readonly content: ReadableStream<Uint8Array>
  readonly trailers: Promise<readonly FieldLine[]>
}

/** What can be encoded as a stream: trailers may be known from the start or only after the content. */
export type Streamed<M extends BhttpRequestStream | BhttpResponseStream> = Omit<M, 'trailers'> & {
  readonly trailers?: readonly FieldLine[] | M['trailers']
}

export interface EncodeOptions {
  /** @defaultValue `{ floor: 256 }` */
  readonly pad?: Pad
}

export interface DecodeOptions {
  /** Bytes of the message with its padding, default 64 MiB; of a stream of indeterminate length by default none, since it is never held whole. */
  readonly maxBytes?: number
}

export interface DecodeRequestOptions extends DecodeOptions {
  /** Schemes that a request may name, default `https` alone. */
  readonly schemes?: readonly string[]
}

/** Every code that the codec throws. */
export type BhttpError = PosternError<'bhttp.malformed' | 'bhttp.limit'>
