/**
 * Distinguished Encoding Rules, strictly: each value has one encoding, and any other is refused. Nothing is copied, nothing is read ahead:
 * an element is looked into when asked.
 * @see ITU-T X.690 §8, §10, §11
 */
import { PosternError } from './errors.js'

/** One element. Its bytes are views of what was read. */
export interface Der {
  readonly cls: 'universal' | 'application' | 'context' | 'private'
  readonly constructed: boolean
  readonly tag: number
  readonly content: Uint8Array
  /** Tag, length and content. */
  readonly raw: Uint8Array
  /** How many elements it lies in. */
  readonly depth: number
}

/** Universal tags that the suite reads. */
export const derTag = {
  boolean: 1,
  integer: 2,
  bitString: 3,
  octetString: 4,
  null: 5,
  oid: 6,
  enumerated: 10,
  utf8String: 12,
  sequence: 16,
  set: 17,
  printableString: 19,
  ia5String: 22,
  utcTime: 23,
  generalizedTime: 24,
} as const

/** The name of a universal tag. */
export type DerTag = keyof typeof derTag

const MAX_BYTES = 65_536
const MAX_DEPTH = 16
const MAX_TAG = 2 ** 14 - 1
const CLASSES = ['universal', 'application', 'context', 'private'] as const

/**
 * The one element that fills `bytes`, ≤ 64 KiB.
 * @throws PosternError `der.malformed`
 */
export function readDer(bytes: Uint8Array): Der {
  if (bytes.length > MAX_BYTES) throw malformed('size')
  const element = elementAt(bytes, 0, 0)
  if (element.raw.length !== bytes.length) throw malformed('trailing')
  return element
}

/** The elements in a constructed one, in order. @throws PosternError `der.malformed` for a primitive one, or below 16 levels */
export function derItems({ constructed, content, depth }: Der): readonly Der[] {
  if (!constructed) throw malformed('primitive')
  if (depth + 1 >= MAX_DEPTH) throw malformed('depth')
  const items: Der[] = []
  for (let at = 0; at < content.length; ) {
    const item = elementAt(content, at, depth + 1)
    items.push(item)
    at += item.raw.length
  }
  return items
}

/** Whether an element is of this universal type; a SEQUENCE or SET must be constructed, everything else primitive. */
export function isDer({ cls, tag, constructed }: Der, name: DerTag): boolean {
  const nested = name === 'sequence' || name === 'set'
  return cls === 'universal' && tag === derTag[name] && constructed === nested
}

/** The items of a SEQUENCE. @throws PosternError `der.malformed` */
export function derSequence(element: Der | undefined): readonly Der[] {
  return derItems(expected(element, 'sequence'))
}

/** `TRUE` or `FALSE`. @throws PosternError `der.malformed` */
export function derBoolean(element: Der | undefined): boolean {
  const [byte, ...more] = expected(element, 'boolean').content
  if ((byte !== 0 && byte !== 0xff) || more.length > 0) throw malformed('boolean') // X.690 §11.1
  return byte === 0xff
}

/** The two's complement bytes of an INTEGER or ENUMERATED, as few as there can be. @throws PosternError `der.malformed` */
export function derIntegerBytes(element: Der | undefined, name: 'integer' | 'enumerated' = 'integer'): Uint8Array {
  const { content } = expected(element, name)
  const [first, second = 0] = content
  if (first === undefined) throw malformed('integer')
  const padded = content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
  if (padded) throw malformed('integer') // X.690 §8.3.2
  return content
}

/** A whole number from 0 to 2^53 − 1. @throws PosternError `der.malformed` */
export function derInteger(element: Der | undefined, name: 'integer' | 'enumerated' = 'integer'): number {
  const bytes = derIntegerBytes(element, name)
  if (bytes[0]! >= 0x80) throw malformed('integer')
  let value = 0
  for (const byte of bytes) value = value * 256 + byte
  if (!Number.isSafeInteger(value)) throw malformed('integer')
  return value
}

/** An unsigned integer's bytes without the zero that keeps them positive, at most `max`. @throws PosternError `der.malformed` */
export function derUnsigned(element: Der | undefined, max: number): Uint8Array {
  const bytes = derIntegerBytes(element)
  if (bytes[0]! >= 0x80) throw malformed('integer')
  const digits = bytes[0] === 0 && bytes.length > 1 ? bytes.subarray(1) : bytes
  if (digits.length > max) throw malformed('integer')
  return digits
}

/** Dotted decimals of an OBJECT IDENTIFIER. @throws PosternError `der.malformed` */
export function derOid(element: Der | undefined): string {
  const { content } = expected(element, 'oid')
  if (content.length === 0 || content.length > 64 || content.at(-1)! >= 0x80) throw malformed('oid')
  const arcs: number[] = []
  let arc = 0
  let started = false
  for (const byte of content) {
    if (!started && byte === 0x80) throw malformed('oid') // X.690 §8.19.2
    arc = arc * 128 + (byte & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER) throw malformed('oid')
    started = byte >= 0x80
    if (started) continue
    arcs.push(arc)
    arc = 0
  }
  const [first = 0, ...rest] = arcs
  const top = Math.min(Math.floor(first / 40), 2)
  return [top, first - 40 * top, ...rest].join('.')
}

/** The bytes of a BIT STRING of whole bytes. @throws PosternError `der.malformed` */
export function derBitString(element: Der | undefined): Uint8Array {
  const { content } = expected(element, 'bitString')
  if (content[0] !== 0) throw malformed('bits')
  return content.subarray(1)
}

/** The numbers of the bits that are set in a named bit list. @throws PosternError `der.malformed` */
export function derFlags(element: Der | undefined): readonly number[] {
  const { content } = expected(element, 'bitString')
  const [unused, ...bytes] = content
  const last = bytes.at(-1)
  // X.690 §11.2.2: trailing zero bits are left out.
  const minimal = last === undefined ? unused === 0 : unused !== undefined && unused < 8 && (last >> unused) % 2 === 1
  if (!minimal || (last !== undefined && (last & ((1 << unused!) - 1)) !== 0) || bytes.length > 8) throw malformed('bits')
  return bytes.flatMap((byte, i) => [0, 1, 2, 3, 4, 5, 6, 7].flatMap((bit) => ((byte << bit) & 0x80 ? [8 * i + bit] : [])))
}

/** The bytes of an OCTET STRING. @throws PosternError `der.malformed` */
export function derOctets(element: Der | undefined): Uint8Array {
  return expected(element, 'octetString').content
}

/** A UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 has them, in ms since the epoch. @throws PosternError `der.malformed` */
export function derTime(element: Der | undefined): number {
  const utc = element !== undefined && isDer(element, 'utcTime')
  const { content } = utc ? element : expected(element, 'generalizedTime')
  const start = utc ? 2 : 4
  const two = (at: number): number => {
    const [tens, ones] = [content[at]! - 0x30, content[at + 1]! - 0x30]
    return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? 10 * tens + ones : Number.NaN
  }
  const year = utc ? two(0) + (two(0) < 50 ? 2000 : 1900) : 100 * two(0) + two(2)
  const [month, day] = [two(start), two(start + 2)]
  const [hour, minute, second] = [two(start + 4), two(start + 6), two(start + 8)]
  const ms = Date.UTC(year, month - 1, day, hour, minute, second)
  if (content.length !== start + 11 || content[start + 10] !== 0x5a || Number.isNaN(ms)) throw malformed('time')
  const date = new Date(ms)
  // What the calendar does not have is carried over; `Date.UTC` takes the first hundred years for the last century.
  const carried = date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day
  if (carried || hour > 23 || minute > 59 || second > 59) throw malformed('time')
  return ms
}

function expected(element: Der | undefined, name: DerTag): Der {
  if (element === undefined || !isDer(element, name)) throw malformed(name)
  return element
}

function elementAt(bytes: Uint8Array, start: number, depth: number): Der {
  const [tag, lengthAt] = tagAt(bytes, start)
  const [length, contentAt] = lengthFrom(bytes, lengthAt)
  const end = contentAt + length
  if (end > bytes.length) throw malformed('truncated')
  const first = bytes[start]!
  return {
    cls: CLASSES[first >> 6]!,
    constructed: (first & 0x20) !== 0,
    tag,
    content: bytes.subarray(contentAt, end),
    raw: bytes.subarray(start, end),
    depth,
  }
}

/** @returns the tag number and where the length begins */
function tagAt(bytes: Uint8Array, start: number): readonly [number, number] {
  const first = byteAt(bytes, start)
  if ((first & 0x1f) !== 0x1f) return [first & 0x1f, start + 1]
  let tag = 0
  for (let at = start + 1; ; at++) {
    const byte = byteAt(bytes, at)
    tag = tag * 128 + (byte & 0x7f)
    if (tag === 0 || tag > MAX_TAG) throw malformed('tag') // X.690 §8.1.2.4.2 c
    if (byte >= 0x80) continue
    if (tag < 0x1f) throw malformed('tag')
    return [tag, at + 1]
  }
}

/** @returns the length and where the content begins */
function lengthFrom(bytes: Uint8Array, start: number): readonly [number, number] {
  const first = byteAt(bytes, start)
  if (first < 0x80) return [first, start + 1]
  const count = first & 0x7f
  if (count === 0 || count > 3) throw malformed('length') // X.690 §10.1
  let length = 0
  for (let i = 1; i <= count; i++) length = length * 256 + byteAt(bytes, start + i)
  if (length < 0x80 || length < 256 ** (count - 1)) throw malformed('length')
  return [length, start + 1 + count]
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]
  if (byte === undefined) throw malformed('truncated')
  return byte
}

function malformed(reason: string): PosternError<'der.malformed'> {
  return new PosternError('der.malformed', { reason })
}
