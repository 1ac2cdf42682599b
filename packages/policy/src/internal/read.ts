/** Strict readers of parsed JSON: closed member sets, and a pointer in every refusal. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'

/** `policy.document_invalid` at a JSON pointer (RFC 6901). */
export function invalid(pointer: string, what: string): PosternError<'policy.document_invalid'> {
  return new PosternError('policy.document_invalid', { publicMessage: `${pointer || '/'}: ${what}`, reason: pointer })
}

export function tooLarge(what: string): PosternError<'policy.too_large'> {
  return new PosternError('policy.too_large', { publicMessage: `The policy has ${what}.` })
}

/** One step down a pointer. */
export function under(pointer: string, member: string | number): string {
  return `${pointer}/${String(member).replace(/~/g, '~0').replace(/\//g, '~1')}`
}

/** An object with these members and no others. */
export function object(
  value: JsonValue | undefined,
  at: string,
  required: readonly string[],
  optional: readonly string[] = [],
): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw invalid(at, 'must be an object')
  const found = value as JsonObject
  for (const member of required) if (!(member in found)) throw invalid(at, `lacks the member ${member}`)
  for (const member of Object.keys(found))
    if (!required.includes(member) && !optional.includes(member))
      throw invalid(under(at, member), 'is not a member that exists here')
  return found
}

/** An object of any members. */
export function record(value: JsonValue | undefined, at: string): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw invalid(at, 'must be an object')
  return value as JsonObject
}

export function list(value: JsonValue | undefined, at: string, max: number = Number.MAX_SAFE_INTEGER): readonly JsonValue[] {
  if (!Array.isArray(value)) throw invalid(at, 'must be an array')
  if (value.length > max) throw tooLarge(`more than ${max} entries at ${at}`)
  return value as readonly JsonValue[]
}

export function text(value: JsonValue | undefined, at: string, max = 256): string {
  if (typeof value !== 'string' || value === '' || value.length > max)
    throw invalid(at, `must be a string of 1 to ${max} characters`)
  return value
}

export function choice<T extends string>(value: JsonValue | undefined, at: string, of: readonly T[]): T {
  if (typeof value !== 'string' || !(of as readonly string[]).includes(value))
    throw invalid(at, `must be one of ${of.join(', ')}`)
  return value as T
}

export function integer(value: JsonValue | undefined, at: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max)
    throw invalid(at, `must be an integer from ${min} to ${max}`)
  return value as number
}
