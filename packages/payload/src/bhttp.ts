/**
 * Binary HTTP messages: known-length both ways, indeterminate-length to read. Strict: fields of one hop, pseudo-fields, CONNECT, a
 * `host` or `content-length` that says something else, and padding that is not zero are refused.
 * @see RFC 9292
 */
import type { PosternError } from '@postern/core/errors'
import { checkControl, checkFields, checkGrowth, type FieldLine, tooLarge } from './internal/fieldRules.js'
import { paddedLength } from './internal/padme.js'
import { malformed, type Reader, readerOf } from './internal/reader.js'
import { varintLength } from './internal/varint.js'
import { sectionLength, textLength, type Writer, writerOf } from './internal/writer.js'

export type { FieldLine } from './internal/fieldRules.js'

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

/** How a message is padded: to at least `floor` bytes and then to a Padmé length, so that sizes tell little. `false`: not at all. */
export type Pad = false | { readonly floor: number }

export interface EncodeOptions {
  /** @defaultValue `{ floor: 256 }` */
  readonly pad?: Pad
}

export interface DecodeOptions {
  /** Bytes of the message with its padding, default 64 MiB. */
  readonly maxBytes?: number
}

export interface DecodeRequestOptions extends DecodeOptions {
  /** Schemes that a request may name, default `https` alone. */
  readonly schemes?: readonly string[]
}

/** Every code that the codec throws. */
export type BhttpError = PosternError<'bhttp.malformed' | 'bhttp.limit'>

export const DEFAULT_PAD: { readonly floor: number } = { floor: 256 }
const MAX_BYTES = 64 * 1024 * 1024
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
  if (!Number.isInteger(status) || status < 200 || status > 599) throw malformed('status')
  checkFields(fields, {})
  checkFields(trailers, {})
  const length = (size: number): number => paddedLength(size, pad)
  const out = writerOf(length(3 + sectionsLength(fields, content, trailers)))
  out.varint(KNOWN_RESPONSE)
  out.varint(status)
  writeSections(out, fields, content, trailers)
  return out.finish(length)
}

type Lines = readonly FieldLine[]

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
  if (status < 200 || status > 599) throw malformed('status')
  const { fields, content, trailers } = readSections(source, known)
  checkFields(fields, {})
  return { status, fields, content, trailers }
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
  const inner = known ? readerOf(source.bytes(source.varint())) : source
  const lines: FieldLine[] = []
  let bytes = 0
  while (!(known && inner.ended)) {
    const nameLength = inner.varint()
    if (nameLength === 0) {
      if (known) throw malformed('field name')
      break
    }
    checkGrowth(lines.length + 1, (bytes += nameLength))
    const name = inner.latin1(nameLength)
    const valueLength = inner.varint()
    checkGrowth(lines.length + 1, (bytes += valueLength))
    lines.push([name, inner.latin1(valueLength)])
  }
  return lines
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
