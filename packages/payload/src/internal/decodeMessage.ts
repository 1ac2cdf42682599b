/** Reads messages that are here whole. @see RFC 9292 §3.1, §3.2 */
import { joined } from '@postern/core/bytes'
import type { BhttpRequest, BhttpResponse, DecodeOptions, DecodeRequestOptions } from '../bhttp.js'
import { checkControl, checkFields, type FieldLine, tooLarge } from './fieldRules.js'
import {
  checkStatus,
  INDETERMINATE_REQUEST,
  INDETERMINATE_RESPONSE,
  isInformational,
  KNOWN_REQUEST,
  KNOWN_RESPONSE,
  lengthOf,
  MAX_BYTES,
} from './framing.js'
import { malformed, type Reader, readerOf } from './reader.js'
import { readOpenSection, readSection } from './sections.js'

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
  for (let skipped = 1; isInformational(status, skipped); skipped++, status = source.varint())
    checkFields(readFields(source, known), {})
  checkStatus(status)
  const { fields, content, trailers } = readSections(source, known)
  checkFields(fields, lengthOf(content))
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
  return known ? readSection(source.bytes(source.varint())) : readOpenSection(source)
}

function readChunks(source: Reader): Uint8Array {
  const chunks: Uint8Array[] = []
  for (let size = source.varint(); size !== 0; size = source.varint()) chunks.push(source.bytes(size))
  return joined(chunks)
}
