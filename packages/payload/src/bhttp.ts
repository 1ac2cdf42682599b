/**
 * Binary HTTP messages: with known length where the content is in memory, with indeterminate length where it comes as a stream; both are
 * read in either way. Strict: fields of one hop, pseudo-fields, CONNECT, a `host` or `content-length` that says something else, and
 * padding that is not zero are refused.
 * @see RFC 9292
 */
import type { PosternError } from '@postern/core/errors'
import { checkControl, checkFields, type FieldLine, MAX_PATH_BYTES, tooLarge } from './internal/fieldRules.js'
import { MAX_BYTES, type MessageDecoder, messageDecoder } from './internal/messageDecoder.js'
import { messageStream } from './internal/messageEncoder.js'
import { type Pad, paddedLength } from './internal/padme.js'
import { malformed, type Reader, readerOf } from './internal/reader.js'
import { readOpenSection, readSection } from './internal/sections.js'
import { sourceOf } from './internal/source.js'
import { varintLength } from './internal/varint.js'
import { sectionLength, textLength, type Writer, writerOf } from './internal/writer.js'

export type { FieldLine } from './internal/fieldRules.js'
export type { Pad } from './internal/padme.js'

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

export const DEFAULT_PAD: { readonly floor: number } = { floor: 256 }
const MAX_INFORMATIONAL = 8
const KNOWN_REQUEST = 0
const KNOWN_RESPONSE = 1
const INDETERMINATE_REQUEST = 2
const INDETERMINATE_RESPONSE = 3

/** A request as known-length message. @throws PosternError `bhttp.malformed` | `bhttp.limit` @see RFC 9292 §3.1 */
export function encodeRequest(request: BhttpRequest, { pad = DEFAULT_PAD }: EncodeOptions = {}): Uint8Array {
  const { method, scheme, authority, path, fields, content, trailers } = request
  checkControl({ method, scheme, authority, path }, ['https', 'http'])
  checkFields(fields, { authority, contentLength: content.length })
  checkFields(trailers, {})
  const control = 1 + textLength(method) + textLength(scheme) + textLength(authority) + textLength(path)
  const length = (size: number): number => paddedLength(size, pad)
  const out = writerOf(length(control + sectionsLength(fields, content, trailers)))
  out.varint(KNOWN_REQUEST)
  out.latin1(method)
  out.latin1(scheme)
  out.latin1(authority)
  out.latin1(path)
  writeSections(out, fields, content, trailers)
  return out.finish(length)
}

/** A response as known-length message. @throws PosternError `bhttp.malformed` | `bhttp.limit` @see RFC 9292 §3.1 */
export function encodeResponse(response: BhttpResponse, { pad = DEFAULT_PAD }: EncodeOptions = {}): Uint8Array {
  const { status, fields, content, trailers } = response
  checkStatus(status)
  checkFields(fields, lengthOf(content))
  checkFields(trailers, {})
  const length = (size: number): number => paddedLength(size, pad)
  const out = writerOf(length(3 + sectionsLength(fields, content, trailers)))
  out.varint(KNOWN_RESPONSE)
  out.varint(status)
  writeSections(out, fields, content, trailers)
  return out.finish(length)
}

/**
 * A request as indeterminate-length message, its content read as it is sent. Padding comes at the end, where the length is known.
 * @throws PosternError `bhttp.malformed` | `bhttp.limit` at once for what comes before the content; the stream fails with them for the rest
 * @see RFC 9292 §3.2
 */
export function encodeRequestStream(
  request: Streamed<BhttpRequestStream>,
  { pad = DEFAULT_PAD }: EncodeOptions = {},
): ReadableStream<Uint8Array> {
  const { method, scheme, authority, path, fields, content, trailers = [] } = request
  checkControl({ method, scheme, authority, path }, ['https', 'http'])
  checkFields(fields, { authority })
  const out = writerOf()
  out.varint(INDETERMINATE_REQUEST)
  for (const text of [method, scheme, authority, path]) out.latin1(text)
  out.openFields(fields)
  return messageStream(out.finish(asIs), { announced: lengthIn(fields), content, trailers }, pad)
}

/** A response as indeterminate-length message; as {@link encodeRequestStream}. @throws PosternError `bhttp.malformed` | `bhttp.limit` */
export function encodeResponseStream(
  response: Streamed<BhttpResponseStream>,
  { pad = DEFAULT_PAD }: EncodeOptions = {},
): ReadableStream<Uint8Array> {
  const { status, fields, content, trailers = [] } = response
  checkStatus(status)
  checkFields(fields, {})
  const out = writerOf()
  out.varint(INDETERMINATE_RESPONSE)
  out.varint(status)
  out.openFields(fields)
  return messageStream(out.finish(asIs), { announced: lengthIn(fields), content, trailers }, pad)
}

type Lines = readonly FieldLine[]

const asIs = (length: number): number => length

function lengthIn(fields: Lines): string | undefined {
  return fields.find(([name]) => name === 'content-length')?.[1]
}

/** A reply to HEAD names a length and has no content (RFC 9110 §8.6). */
function lengthOf({ length }: Uint8Array): { contentLength?: number } {
  return length === 0 ? {} : { contentLength: length }
}

function checkStatus(status: number): void {
  if (!Number.isInteger(status) || status < 200 || status > 599) throw malformed('status')
}

function sectionsLength(fields: Lines, { length }: Uint8Array, trailers: Lines): number {
  const [head, tail] = [sectionLength(fields), sectionLength(trailers)]
  return varintLength(head) + head + varintLength(length) + length + varintLength(tail) + tail
}

function writeSections(out: Writer, fields: Lines, content: Uint8Array, trailers: Lines): void {
  out.fields(fields)
  out.varint(content.length)
  out.bytes(content)
  out.fields(trailers)
}

/**
 * The request of a message, known- or indeterminate-length. Nothing returned shares memory with `bytes`.
 * @throws PosternError `bhttp.malformed` | `bhttp.limit`
 */
export function decodeRequest(bytes: Uint8Array, options: DecodeRequestOptions = {}): BhttpRequest {
  const { schemes = ['https'], maxBytes = MAX_BYTES } = options
  const source = open(bytes, maxBytes)
  const framing = source.varint()
  if (framing !== KNOWN_REQUEST && framing !== INDETERMINATE_REQUEST) throw malformed('not a request')
  const method = source.latin1(source.varint())
  const scheme = source.latin1(source.varint())
  const authority = source.latin1(source.varint())
  const path = source.latin1(source.varint())
  checkControl({ method, scheme, authority, path }, schemes)
  const { fields, content, trailers } = readSections(source, framing === KNOWN_REQUEST)
  checkFields(fields, { authority, contentLength: content.length })
  return { method, scheme, authority, path, fields, content, trailers }
}

/**
 * The final response of a message; informational ones (at most 8) are skipped.
 * @throws PosternError `bhttp.malformed` | `bhttp.limit`
 */
export function decodeResponse(bytes: Uint8Array, { maxBytes = MAX_BYTES }: DecodeOptions = {}): BhttpResponse {
  const source = open(bytes, maxBytes)
  const framing = source.varint()
  if (framing !== KNOWN_RESPONSE && framing !== INDETERMINATE_RESPONSE) throw malformed('not a response')
  const known = framing === KNOWN_RESPONSE
  let status = source.varint()
  for (let skipped = 0; status >= 100 && status < 200; status = source.varint()) {
    if (++skipped > MAX_INFORMATIONAL) throw tooLarge('informational responses')
    checkFields(readFields(source, known), {})
  }
  checkStatus(status)
  const { fields, content, trailers } = readSections(source, known)
  checkFields(fields, lengthOf(content))
  return { status, fields, content, trailers }
}

/**
 * The request of a message while it comes, known- or indeterminate-length: answers when its fields are here.
 * @throws PosternError `bhttp.malformed` | `bhttp.limit`, and what `message` fails with; so do `content` and `trailers`
 */
export function decodeRequestStream(
  message: ReadableStream<Uint8Array>,
  { schemes = ['https'], maxBytes }: DecodeRequestOptions = {},
): Promise<BhttpRequestStream> {
  return decodeStream(message, maxBytes, async (source) => {
    const known = await source.framing(KNOWN_REQUEST, INDETERMINATE_REQUEST)
    const method = await source.text(MAX_PATH_BYTES)
    const scheme = await source.text(MAX_PATH_BYTES)
    const authority = await source.text(MAX_PATH_BYTES)
    const path = await source.text(MAX_PATH_BYTES)
    checkControl({ method, scheme, authority, path }, schemes)
    const fields = await source.fields(known)
    checkFields(fields, { authority })
    return { method, scheme, authority, path, fields, ...source.rest(known, lengthIn(fields), false) }
  })
}

/** The final response of a message while it comes; as {@link decodeRequestStream}. @throws PosternError `bhttp.malformed` | `bhttp.limit` */
export function decodeResponseStream(
  message: ReadableStream<Uint8Array>,
  { maxBytes }: DecodeOptions = {},
): Promise<BhttpResponseStream> {
  return decodeStream(message, maxBytes, async (source) => {
    const known = await source.framing(KNOWN_RESPONSE, INDETERMINATE_RESPONSE)
    let status = await source.varint()
    for (let skipped = 0; status >= 100 && status < 200; status = await source.varint()) {
      if (++skipped > MAX_INFORMATIONAL) throw tooLarge('informational responses')
      checkFields(await source.fields(known), {})
    }
    checkStatus(status)
    const fields = await source.fields(known)
    checkFields(fields, {})
    return { status, fields, ...source.rest(known, lengthIn(fields), true) }
  })
}

async function decodeStream<M>(
  message: ReadableStream<Uint8Array>,
  maxBytes: number | undefined,
  read: (source: MessageDecoder) => Promise<M>,
): Promise<M> {
  const source = messageDecoder(sourceOf(message), maxBytes)
  try {
    return await read(source)
  } catch (error) {
    await source.cancel(error)
    throw error
  }
}

function open(bytes: Uint8Array, maxBytes: number): Reader {
  if (bytes.length > maxBytes) throw tooLarge('message')
  return readerOf(bytes)
}

function readSections(source: Reader, known: boolean): Pick<BhttpResponse, 'fields' | 'content' | 'trailers'> {
  // Sections may be left out from the end, never cut inside one (RFC 9292 §3.8).
  const fields = source.ended ? [] : readFields(source, known)
  const content = source.ended ? new Uint8Array(0) : known ? source.bytes(source.varint()).slice() : readChunks(source)
  const trailers = source.ended ? [] : readFields(source, known)
  checkFields(trailers, {})
  if (!source.restIsZero()) throw malformed('padding that is not zero')
  return { fields, content, trailers }
}

function readFields(source: Reader, known: boolean): readonly FieldLine[] {
  return known ? readSection(source.bytes(source.varint())) : readOpenSection(source)
}

function readChunks(source: Reader): Uint8Array {
  const chunks: Uint8Array[] = []
  let length = 0
  for (let size = source.varint(); size !== 0; size = source.varint()) {
    chunks.push(source.bytes(size))
    length += size
  }
  const out = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}
