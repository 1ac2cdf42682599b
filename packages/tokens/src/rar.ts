/**
 * Rich authorization requests (RFC 9396): what a grant allows in detail, by registered types, and the law that details only ever narrow.
 *
 * @example
 * const details = detailTypes({ payment: { parse: object({ type: text({ max: 16 }), iban: text({ max: 34 }), cents: integer({ min: 1, max: 1e9 }) }) } })
 */
import { equal, utf8 } from '@postern/core/bytes'
import { canonicalJson } from '@postern/core/canonicalJson'
import { isPosternError, PosternError } from '@postern/core/errors'
import { type JsonObject, type JsonValue, parseJson } from '@postern/core/json'
import type { Client } from './clients.js'

/** One type of detail, as a host registers it. */
export interface DetailType {
  /**
   * Reads one detail strictly: unknown fields, missing ones and wrong values are refused (RFC 9396 §5). A reader of `@postern/core/fields` will do.
   * @returns what is kept and shown to the resource server; its `type` stays what it was
   * @throws PosternError to refuse; told as `details.refused`
   */
  parse(detail: JsonObject): object
  /**
   * Whether `asked` allows nothing beyond `granted`; both are of this type and parsed. It must hold for a detail and itself, and in chains.
   * Default {@link narrowsByLists}.
   */
  narrows?(asked: JsonObject, granted: JsonObject): boolean
}

/** The registered types, as `IssuerContext.details` takes them. */
export interface DetailTypes {
  /** What discovery announces. */
  readonly types: readonly string[]
  /** The details of an `authorization_details` parameter, 1 to 16. @throws PosternError `details.refused` */
  parse(text: string, client: Client): readonly JsonObject[]
  /** Details that were granted, as far as `asked` wants them. @throws PosternError `details.refused` when `asked` goes beyond them */
  narrow(asked: readonly JsonObject[], granted: readonly JsonObject[]): readonly JsonObject[]
}

const MAX_BYTES = 2048
const MAX_DETAILS = 16
const MAX_DEPTH = 8

/** A registry of detail types. A client may be held to some of them (`Client.detailTypes`). */
export function detailTypes(types: Readonly<Record<string, DetailType>>): DetailTypes {
  const known = new Map(Object.entries(types))

  function read(value: JsonValue, client: Client): JsonObject {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('shape')
    const { type } = value as JsonObject
    const found = typeof type === 'string' ? known.get(type) : undefined
    if (found === undefined || typeof type !== 'string') throw refuse('type')
    if (client.detailTypes?.includes(type) === false) throw refuse('type of this client')
    return { ...reading(() => found.parse(value as JsonObject)), type }
  }
  function within(asked: JsonObject, granted: JsonObject): boolean {
    return asked.type === granted.type && (known.get(asked.type as string)?.narrows ?? narrowsByLists)(asked, granted)
  }

  return {
    types: [...known.keys()],
    parse(text, client) {
      const list = reading(() => parseJson(text, { maxBytes: MAX_BYTES, maxDepth: MAX_DEPTH }))
      if (!Array.isArray(list) || list.length === 0 || list.length > MAX_DETAILS) throw refuse('list')
      const details = (list as readonly JsonValue[]).map((value) => read(value, client))
      // What a type adds counts, too: a grant is bounded by what it holds.
      if (utf8(JSON.stringify(details)).length > MAX_BYTES) throw refuse('size')
      return details
    },
    narrow(asked, granted) {
      if (!eachWithinOne(asked, granted, within)) throw refuse('wider than granted')
      return asked
    },
  }
}

/** Lists of what is allowed (RFC 9396 §2.2): fewer entries allow less. Of any other list nobody knows that. */
const LISTS = ['locations', 'actions', 'datatypes', 'privileges']

/** The law for types without one of their own: of the lists that RFC 9396 §2.2 defines at least one entry and none that was not granted, all else the same. */
export function narrowsByLists(asked: JsonObject, granted: JsonObject): boolean {
  const names = new Set([...Object.keys(asked), ...Object.keys(granted)])
  return [...names].every((name) => {
    const [wanted, given] = [asked[name], granted[name]]
    // A list left out may stand for everything: that would be no narrowing.
    if (wanted === undefined || given === undefined) return false
    if (same(wanted, given)) return true
    if (!LISTS.includes(name) || !Array.isArray(wanted) || !Array.isArray(given)) return false
    return wanted.length > 0 && wanted.every((entry: JsonValue) => given.some((one: JsonValue) => same(entry, one)))
  })
}

/** Whether every asked detail lies within a granted one *of its own*: two payments do not come of one. */
function eachWithinOne(
  asked: readonly JsonObject[],
  granted: readonly JsonObject[],
  within: (asked: JsonObject, granted: JsonObject) => boolean,
): boolean {
  const takenBy = new Map<number, number>()
  // Augmenting paths: an earlier choice moves over when it can.
  const place = (i: number, tried: Set<number>): boolean =>
    granted.some((one, j) => {
      if (tried.has(j) || !within(asked[i]!, one)) return false
      tried.add(j)
      const holder = takenBy.get(j)
      if (holder !== undefined && !place(holder, tried)) return false
      takenBy.set(j, i)
      return true
    })
  return asked.length <= granted.length && asked.every((_, i) => place(i, new Set()))
}

function same(a: JsonValue, b: JsonValue): boolean {
  return equal(canonicalJson(a), canonicalJson(b))
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw isPosternError(cause) ? refuse(cause.reason ?? cause.code, cause) : cause
  }
}

function refuse(reason: string, cause?: unknown): PosternError<'details.refused'> {
  return new PosternError('details.refused', { reason: `details.${reason}`, cause })
}
