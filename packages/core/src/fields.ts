/**
 * From a strict JSON value to a typed one: readers that compose, and refuse what they do not know.
 *
 * @example
 * const readLogin = object({ device: text({ max: 64 }), pin: optional(integer({ min: 0, max: 9999 })) })
 * const { device, pin } = readLogin(parseJson(body))
 */
import { PosternError } from './errors.js'
import type { JsonObject, JsonValue } from './json.js'

/** The typed value of a JSON value. @throws PosternError `json.shape`, its reason naming the member at `path`, never its content */
export type Reader<T> = (value: JsonValue, path?: string) => T

/** A reader of a member that may be absent. */
export interface OptionalReader<T> {
  readonly optional: Reader<T>
}

/** Readers by member name. */
export type Shape = Readonly<Record<string, Reader<unknown> | OptionalReader<unknown>>>

/** The object that a {@link Shape} reads. */
export type Read<S extends Shape> = {
  readonly [K in keyof S as S[K] extends Reader<unknown> ? K : never]: S[K] extends Reader<infer T> ? T : never
} & {
  readonly [K in keyof S as S[K] extends Reader<unknown> ? never : K]?: S[K] extends OptionalReader<infer T> ? T : never
}

/** Exactly these members; an unknown one is refused, for what we do not understand may be what protects us. */
export function object<S extends Shape>(shape: S): Reader<Read<S>> {
  const names = Object.keys(shape)
  return (value, path = '') => {
    const members = anyObject(value, path)
    for (const name of Object.keys(members)) if (!Object.hasOwn(shape, name)) throw wrong(path, 'has an unknown member')
    const out: Record<string, unknown> = {}
    for (const name of names) {
      const reader = shape[name]!
      const member = Object.hasOwn(members, name) ? members[name] : undefined
      if (member !== undefined) out[name] = (typeof reader === 'function' ? reader : reader.optional)(member, `${path}.${name}`)
      else if (typeof reader === 'function') throw wrong(`${path}.${name}`, 'is missing')
    }
    return out as Read<S>
  }
}

/** An object with any members. */
export function anyObject(value: JsonValue, path: string = ''): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'is not an object')
  return value as JsonObject
}

/** Marks a member that may be absent. `null` is a value like any other. */
export function optional<T>(reader: Reader<T>): OptionalReader<T> {
  return { optional: reader }
}

/** A string of `min` (default 0) to `max` UTF-16 units, which fits `pattern`. */
export function text({ min = 0, max, pattern }: { min?: number; max: number; pattern?: RegExp }): Reader<string> {
  return (value, path = '') => {
    if (typeof value !== 'string') throw wrong(path, 'is not a string')
    if (value.length < min || value.length > max) throw wrong(path, `is not of ${min} to ${max} characters`)
    if (pattern !== undefined && !pattern.test(value)) throw wrong(path, 'has a character or form that is not allowed')
    return value
  }
}

/** A safe integer of `min` to `max`, both included. */
export function integer({ min, max }: { min: number; max: number }): Reader<number> {
  return (value, path = '') => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrong(path, 'is not an integer')
    if (value < min || value > max) throw wrong(path, `is not between ${min} and ${max}`)
    return value
  }
}

/** `true` or `false`. */
export function boolean(value: JsonValue, path: string = ''): boolean {
  if (typeof value !== 'boolean') throw wrong(path, 'is not a boolean')
  return value
}

/** One of these strings. */
export function oneOf<const T extends string>(...values: readonly T[]): Reader<T> {
  return (value, path = '') => {
    if (!(values as readonly JsonValue[]).includes(value)) throw wrong(path, `is not one of ${values.join(', ')}`)
    return value as T
  }
}

/** An array of at most `max` elements. */
export function list<T>(reader: Reader<T>, { max }: { max: number }): Reader<readonly T[]> {
  return (value, path = '') => {
    if (!Array.isArray(value)) throw wrong(path, 'is not an array')
    if (value.length > max) throw wrong(path, `has more than ${max} elements`)
    return value.map((element: JsonValue, i) => reader(element, `${path}[${i}]`))
  }
}

function wrong(path: string, what: string): PosternError<'json.shape'> {
  return new PosternError('json.shape', { reason: `${path === '' ? 'the value' : path} ${what}` })
}
