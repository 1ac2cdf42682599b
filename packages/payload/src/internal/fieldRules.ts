/** What may stand in a Binary HTTP message here. @see RFC 9110 §5, RFC 9292 §3.4–3.6 */
import { PosternError } from '@postern/core/errors'
import { malformed } from './reader.js'

/** A field line: lower-case name, value with one character a byte. */
export type FieldLine = readonly [name: string, value: string]

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const AUTHORITY = /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/
const PATH = /^\/[\x21-\x22\x24-\x7e]*$/
export const MAX_PATH_BYTES = 8192
export const MAX_LINES = 128
export const MAX_FIELD_BYTES = 32_768

/** Fields of one hop (RFC 9110 §7.6.1): they have no meaning inside. */
export const HOP_FIELDS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** @throws PosternError `bhttp.malformed` | `bhttp.limit` */
export function checkControl(
  { method, scheme, authority, path }: { method: string; scheme: string; authority: string; path: string },
  schemes: readonly string[],
): void {
  if (!METHOD.test(method) || method === 'CONNECT') throw malformed('method') //                    RFC 9110 §9.1
  if (!schemes.includes(scheme)) throw malformed('scheme')
  if (path.length > MAX_PATH_BYTES || authority.length > MAX_PATH_BYTES) throw tooLarge('control data')
  if (!AUTHORITY.test(authority)) throw malformed('authority') //                                   RFC 9110 §4.2.4: no userinfo
  if (!PATH.test(path)) throw malformed('path')
}

/** Checks one field section of a message; `contentLength` is known where the content is here. */
export function checkFields(
  lines: readonly FieldLine[],
  about: { readonly authority?: string; readonly contentLength?: number },
): void {
  if (lines.length > MAX_LINES) throw tooLarge('field lines')
  let bytes = 0
  // Two lines that differ say nothing, whatever the content is.
  let length = about.contentLength === undefined ? undefined : String(about.contentLength)
  for (const [name, value] of lines) {
    bytes += name.length + value.length
    if (bytes > MAX_FIELD_BYTES) throw tooLarge('field bytes')
    if (!TOKEN.test(name)) throw malformed('field name')
    if (!VALUE.test(value)) throw malformed('field value')
    if (HOP_FIELDS.has(name)) throw malformed('field of one hop')
    if (name === 'te' && value !== 'trailers') throw malformed('te')
    if (name === 'host' && about.authority !== undefined && value !== about.authority) throw malformed('host') // RFC 9292 §3.4
    if (name === 'content-length' && value !== (length ??= value)) throw malformed('content-length')
  }
}

/** Bounds while reading, before anything is kept. */
export function checkGrowth(lines: number, bytes: number): void {
  if (lines > MAX_LINES) throw tooLarge('field lines')
  if (bytes > MAX_FIELD_BYTES) throw tooLarge('field bytes')
}

export function tooLarge(reason: string): PosternError<'bhttp.limit'> {
  return new PosternError('bhttp.limit', { reason })
}
