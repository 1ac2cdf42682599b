/** A body that middleware parsed before us, as bytes again. Duplicate members and parameters are gone by then; the strict parsers cannot see them. */
import { utf8 } from '@postern/core/bytes'

/**
 * @returns the bytes, `null` when there was no body, `undefined` when what is left cannot say what was sent
 */
export function rebuiltBody(parsed: unknown, contentType: string | undefined): Uint8Array | null | undefined {
  if (parsed instanceof Uint8Array) return new Uint8Array(parsed)
  if (parsed === undefined || parsed === null) return undefined
  const type = (contentType ?? '').split(';')[0]!.trim().toLowerCase()
  if (typeof parsed === 'string') return utf8(parsed)
  if (typeof parsed !== 'object') return undefined
  if (Object.keys(parsed).length === 0 && contentType === undefined) return null
  if (type === 'application/json' || type.endsWith('+json')) return utf8(JSON.stringify(parsed))
  if (type !== 'application/x-www-form-urlencoded') return undefined
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(parsed)) {
    // An array was a duplicate, an object a nested name: both are refused by the strict parser, so they are written as what they were.
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one !== 'string') return undefined
      form.append(name, one)
    }
  }
  return utf8(form.toString())
}
