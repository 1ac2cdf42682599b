/** Writes known-length messages. @see RFC 9292 §3.1 */
import type { BhttpRequest, BhttpResponse, EncodeOptions } from '../bhttp.js'
import { checkControl, checkFields, type FieldLine } from './fieldRules.js'
import { checkStatus, KNOWN_REQUEST, KNOWN_RESPONSE, lengthOf } from './framing.js'
import { DEFAULT_PAD, paddedLength } from './padme.js'
import { varintLength } from './varint.js'
import { sectionLength, textLength, type Writer, writerOf } from './writer.js'

type Lines = readonly FieldLine[]

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
