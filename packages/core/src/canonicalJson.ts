/** One text for one value: what hashes and signatures over JSON are made of. @see RFC 8785 */
import { utf8 } from './bytes.js'
import { PosternError } from './errors.js'
import type { JsonValue } from './json.js'

const MAX_DEPTH = 128
const LONE_SURROGATE = /[\ud800-\udfff]/u

/**
 * The canonical UTF-8 bytes of a JSON value: members sorted by UTF-16 code units, numbers and strings as ECMAScript writes them, no white space.
 * @throws PosternError `json.malformed` for what JSON cannot say (`undefined`, NaN, infinities, lone surrogates, class instances) |
 *   `json.too_large` deeper than 128
 * @see RFC 8785 §3.2
 */
export function canonicalJson(value: JsonValue): Uint8Array {
  return utf8(write(value, 0))
}

function write(value: JsonValue, depth: number): string {
  if (depth > MAX_DEPTH) throw new PosternError('json.too_large', { reason: `deeper than ${MAX_DEPTH}` })
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return writeString(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw malformed('a number that is not finite')
    return JSON.stringify(value)
  }
  if (Array.isArray(value))
    return `[${Array.from(value as readonly JsonValue[], (element) => write(element, depth + 1)).join(',')}]`
  if (!isPlain(value)) throw malformed(`a ${typeof value} that is no JSON value`)
  const members = Object.keys(value).sort()
  return `{${members.map((name) => `${writeString(name)}:${write(value[name]!, depth + 1)}`).join(',')}}`
}

function writeString(text: string): string {
  if (LONE_SURROGATE.test(text)) throw malformed('a lone surrogate')
  return JSON.stringify(text)
}

function isPlain(value: unknown): value is { readonly [member: string]: JsonValue } {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

function malformed(reason: string): PosternError<'json.malformed'> {
  return new PosternError('json.malformed', { reason })
}
