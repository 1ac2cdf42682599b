/**
 * CBOR as security objects use it: integers, bytes, text, arrays, maps, booleans and null; definite lengths, bounded, no tags and no floats.
 * What has two spellings is refused unless asked for: one value has one encoding, the deterministic one that {@link writeCbor} writes.
 * @see RFC 8949 §4.2.1; CTAP 2.1 §8, whose canonical form orders the keys of this subset alike
 */
import { concat, fromUtf8, utf8 } from './bytes.js'
import { PosternError } from './errors.js'

/** A key of a map. */
export type CborKey = number | string

/** The values that are read and written. Integers are safe ones; bytes that were read are views. */
export type CborValue = number | string | boolean | null | Uint8Array | readonly CborValue[] | CborMap

export interface CborMap extends ReadonlyMap<CborKey, CborValue> {}

/** How strictly a text is read. */
export interface CborRules {
  /** Shortest heads, keys in ascending order. @defaultValue true */
  readonly canonical?: boolean
}

const MAX_BYTES = 65_536
const MAX_DEPTH = 8
/** Up to this many bytes a loop is faster than the call of a decoder. */
const SHORT = 24

/** Where reading is. One object a call, so that nothing is kept between calls. */
interface Cursor {
  readonly bytes: Uint8Array
  readonly canonical: boolean
  at: number
}

/**
 * The one item that fills `bytes`, ≤ 64 KiB and ≤ 8 levels.
 * @throws PosternError `cbor.malformed`
 */
export function readCbor(bytes: Uint8Array, rules: CborRules = {}): CborValue {
  const { value, end } = readCborItem(bytes, 0, rules)
  if (end !== bytes.length) throw malformed('trailing')
  return value
}

/**
 * The item that begins at `start`, and where it ends.
 * @throws PosternError `cbor.malformed`
 */
export function readCborItem(
  bytes: Uint8Array,
  start: number,
  { canonical = true }: CborRules = {},
): { readonly value: CborValue; readonly end: number } {
  if (bytes.length > MAX_BYTES) throw malformed('size')
  const cursor: Cursor = { bytes, canonical, at: start }
  const value = readItem(cursor, 1)
  return { value, end: cursor.at }
}

/** Whether a value is a map. */
export function isCborMap(value: CborValue | undefined): value is CborMap {
  return value instanceof Map
}

/** @param depth - of the item itself, were it an array or map */
function readItem(c: Cursor, depth: number): CborValue {
  const head = c.bytes[c.at++]
  if (head === undefined) throw malformed('truncated')
  if (head >> 5 > 5) return simple(head)
  const n = argument(c, head & 0x1f)
  switch (head >> 5) {
    case 0:
      return n
    case 1:
      return negative(n)
    case 2:
      return take(c, n)
    case 3:
      return text(take(c, n))
    case 4:
      return array(c, n, depth)
    default:
      return map(c, n, depth)
  }
}

/** @see RFC 8949 §3.3 */
function simple(head: number): boolean | null {
  if (head === 0xf4 || head === 0xf5) return head === 0xf5
  if (head === 0xf6) return null
  throw malformed('type')
}

/** The number behind an initial byte. @see RFC 8949 §3 */
function argument(c: Cursor, info: number): number {
  if (info < 24) return info
  // 28 to 30 have no meaning, 31 is an indefinite length.
  if (info > 27) throw malformed('indefinite')
  const width = 1 << (info - 24)
  let n = 0
  for (const end = c.at + width; c.at < end; ) {
    const byte = c.bytes[c.at++]
    if (byte === undefined) throw malformed('truncated')
    n = n * 256 + byte
  }
  if (n > Number.MAX_SAFE_INTEGER) throw malformed('integer')
  if (c.canonical && n < (width === 1 ? 24 : 256 ** (width / 2))) throw malformed('head')
  return n
}

function negative(n: number): number {
  if (n === Number.MAX_SAFE_INTEGER) throw malformed('integer')
  return -1 - n
}

function take(c: Cursor, length: number): Uint8Array {
  const end = c.at + length
  if (end > c.bytes.length) throw malformed('truncated')
  return c.bytes.subarray(c.at, (c.at = end))
}

function text(bytes: Uint8Array): string {
  const short = bytes.length <= SHORT ? ascii(bytes) : null
  const out = short ?? fromUtf8(bytes)
  if (out === null) throw malformed('utf8') // RFC 8949 §3.1, major type 3
  return out
}

function ascii(bytes: Uint8Array): string | null {
  let out = ''
  for (const byte of bytes) {
    if (byte > 0x7f) return null
    out += String.fromCharCode(byte)
  }
  return out
}

/** Each element takes a byte at least: a count beyond what is left is refused before anything is made for it. */
function within(c: Cursor, least: number, depth: number): void {
  if (depth > MAX_DEPTH) throw malformed('depth')
  if (least > c.bytes.length - c.at) throw malformed('truncated')
}

function array(c: Cursor, count: number, depth: number): readonly CborValue[] {
  within(c, count, depth)
  const items: CborValue[] = []
  for (let i = 0; i < count; i++) items.push(readItem(c, depth + 1))
  return items
}

function map(c: Cursor, count: number, depth: number): CborMap {
  within(c, 2 * count, depth)
  const members = new Map<CborKey, CborValue>()
  let before = c.at
  for (let i = 0; i < count; i++) {
    const start = c.at
    const key = readItem(c, depth + 1)
    if (typeof key !== 'number' && typeof key !== 'string') throw malformed('key')
    if (members.has(key)) throw malformed('duplicate')
    if (c.canonical && i > 0 && !ascends(c.bytes, before, start, c.at)) throw malformed('order')
    before = start
    members.set(key, readItem(c, depth + 1))
  }
  return members
}

/** Whether the encoded key at `a` stands before the one in [b, end), bytewise. An encoded item is no prefix of another. */
function ascends(bytes: Uint8Array, a: number, b: number, end: number): boolean {
  for (let i = 0; b + i < end; i++) if (bytes[a + i] !== bytes[b + i]) return bytes[a + i]! < bytes[b + i]!
  return false
}

/**
 * The deterministic encoding of a value: shortest heads, definite lengths, keys in the order of their encodings.
 * @throws RangeError for a number that is no safe integer, or below 8 levels
 */
export function writeCbor(value: CborValue): Uint8Array {
  return write(value, 1)
}

function write(value: CborValue, depth: number): Uint8Array {
  if (typeof value === 'number') return integer(value)
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xf5 : 0xf4)
  if (value === null) return Uint8Array.of(0xf6)
  if (value instanceof Uint8Array) return concat(head(2, value.length), value)
  if (typeof value === 'string') {
    const bytes = utf8(value)
    return concat(head(3, bytes.length), bytes)
  }
  if (depth > MAX_DEPTH) throw new RangeError('depth')
  if (!isCborMap(value)) {
    const items = value as readonly CborValue[]
    return concat(head(4, items.length), ...items.map((item) => write(item, depth + 1)))
  }
  const members = [...value].map(([key, member]) => [write(key, depth + 1), write(member, depth + 1)] as const)
  members.sort(([a], [b]) => compare(a, b))
  return concat(head(5, members.length), ...members.flat())
}

function integer(n: number): Uint8Array {
  if (!Number.isSafeInteger(n)) throw new RangeError('a number that is no safe integer')
  return n < 0 ? head(1, -1 - n) : head(0, n)
}

function head(major: number, n: number): Uint8Array {
  const first = major << 5
  if (n < 24) return Uint8Array.of(first | n)
  const width = n < 256 ? 1 : n < 65_536 ? 2 : n < 2 ** 32 ? 4 : 8
  const out = new Uint8Array(1 + width)
  out[0] = first | (24 + Math.log2(width))
  for (let i = width, left = n; i > 0; i--, left = Math.floor(left / 256)) out[i] = left % 256
  return out
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

function malformed(reason: string): PosternError<'cbor.malformed'> {
  return new PosternError('cbor.malformed', { reason })
}
