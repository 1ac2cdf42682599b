/**
 * Strict `application/x-www-form-urlencoded`: every parameter once, every escape whole, nothing outside printable ASCII on the wire.
 * @see RFC 6749 §3.1, §3.2, Appendix B
 */
import { fromUtf8 } from './bytes.js'
import { PosternError } from './errors.js'

/** The bounds of one parse. */
export interface FormLimits {
  /** Characters of the body, which are bytes since all are ASCII; default 65,536. */
  readonly maxBytes?: number
  /** Default 64. */
  readonly maxParameters?: number
}

// Written forms percent-encode everything else; a raw character outside it was decoded by somebody else, perhaps differently.
const WIRE = /^[\x21-\x7e]*$/
const ESCAPED = /[%+]/

/**
 * The parameters of a form body or of a query string without its `?`.
 *
 * A parameter without a value is as if it had not been sent (RFC 6749 §3.1), but may not be repeated either.
 *
 * @returns values by name, decoded, never empty
 * @throws PosternError `form.malformed` (escapes, UTF-8, NUL, an empty name, `a[]`, `&&`) | `form.duplicate` | `form.too_large`
 */
export function parseForm(body: string, limits: FormLimits = {}): ReadonlyMap<string, string> {
  const { maxBytes = 65_536, maxParameters = 64 } = limits
  if (body.length > maxBytes) throw new PosternError('form.too_large', { reason: `more than ${maxBytes} bytes` })
  if (!WIRE.test(body)) throw malformed('a character outside printable ASCII')
  const values = new Map<string, string>()
  if (body === '') return values
  const pairs = body.split('&', maxParameters + 1)
  if (pairs.length > maxParameters) throw new PosternError('form.too_large', { reason: `more than ${maxParameters} parameters` })
  const seen = new Set<string>()
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    const name = decode(equals < 0 ? pair : pair.slice(0, equals))
    if (name === '') throw malformed('a parameter without a name')
    if (name.includes('[') || name.includes(']')) throw malformed('a bracket in a parameter name')
    if (seen.has(name)) throw new PosternError('form.duplicate')
    seen.add(name)
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1))
    if (value !== '') values.set(name, value)
  }
  return values
}

function decode(text: string): string {
  if (!ESCAPED.test(text)) return text
  const bytes = new Uint8Array(text.length)
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code !== 0x25) {
      bytes[length++] = code === 0x2b ? 0x20 : code
      continue
    }
    const high = nibble(text.charCodeAt(i + 1))
    const low = nibble(text.charCodeAt(i + 2))
    if (high < 0 || low < 0) throw malformed('a broken percent escape')
    if (high === 0 && low === 0) throw malformed('a NUL')
    bytes[length++] = high * 16 + low
    i += 2
  }
  const decoded = fromUtf8(bytes.subarray(0, length))
  if (decoded === null) throw malformed('an escape that is not UTF-8')
  return decoded
}

function nibble(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function malformed(reason: string): PosternError<'form.malformed'> {
  return new PosternError('form.malformed', { reason })
}
