/**
 * Strict, bounded JSON: one pass, linear time, and no text that two readers could understand differently.
 * @see RFC 8259, RFC 7493 (I-JSON)
 */
import { fromUtf8 } from './bytes.js'
import { PosternError } from './errors.js'

/** The JSON values that {@link parseJson} yields. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
/** An object without prototype: `__proto__` and `constructor` are members like any other, and refused. */
export interface JsonObject {
  readonly [member: string]: JsonValue
}

/** The bounds of one parse. */
export interface JsonLimits {
  /** UTF-8 bytes of the whole text; default 65,536. */
  readonly maxBytes?: number
  /** Arrays and objects within each other; default 32. The reader recurses: keep it below 1,000. */
  readonly maxDepth?: number
  /** Members and elements of all objects and arrays together; default 10,000. */
  readonly maxMembers?: number
}

// Names that turn a careless `Object.assign` or merge of a caller into a change of every object.
const FORBIDDEN: ReadonlySet<string> = /* @__PURE__ */ new Set(['__proto__', 'constructor', 'prototype'])
// With the u flag a class of surrogates matches the lone ones only.
const LONE_SURROGATE = /[\ud800-\udfff]/u
const PLAIN = /[ !#-[\]-\uffff]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const HEX4 = /^[0-9a-fA-F]{4}$/
const ESCAPES: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/**
 * The value of a JSON text or of its UTF-8 bytes.
 *
 * Refused beyond the grammar: a byte order mark, bytes that are not strict UTF-8, lone surrogates written raw or escaped, duplicate members,
 * the names `__proto__`, `constructor` and `prototype`, numbers that overflow, −0, and integers outside ±(2^53 − 1) however they are written.
 *
 * @returns objects without prototype
 * @throws PosternError `json.malformed` | `json.too_large` (bytes, depth or members)
 * @see RFC 8259, RFC 7493 §2
 */
export function parseJson(text: string | Uint8Array, limits: JsonLimits = {}): JsonValue {
  const { maxBytes = 65_536, maxDepth = 32, maxMembers = 10_000 } = limits
  if (text.length > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`)
  const source = typeof text === 'string' ? text : fromUtf8(text)
  if (source === null) throw malformed('not UTF-8')
  if (typeof text === 'string') {
    if (LONE_SURROGATE.test(text)) throw malformed('lone surrogate')
    if (text.length * 3 > maxBytes && utf8Length(text) > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`)
  }
  return readText(source, maxDepth, maxMembers)
}

function readText(source: string, maxDepth: number, maxMembers: number): JsonValue {
  let at = 0
  let members = 0
  const value = readValue(0)
  skipSpace()
  if (at !== source.length) throw malformed(`text after the value at ${at}`)
  return value

  function readValue(depth: number): JsonValue {
    skipSpace()
    switch (source[at]) {
      case '{':
        return readObject(depth + 1)
      case '[':
        return readArray(depth + 1)
      case '"':
        return readString()
      case 't':
        return readWord('true', true)
      case 'f':
        return readWord('false', false)
      case 'n':
        return readWord('null', null)
      default:
        return readNumber()
    }
  }

  function readObject(depth: number): JsonObject {
    if (depth > maxDepth) throw tooLarge(`deeper than ${maxDepth}`)
    const object: Record<string, JsonValue> = Object.create(null)
    at++
    skipSpace()
    if (taken('}')) return object
    do {
      count()
      skipSpace()
      if (source[at] !== '"') throw malformed(`no member name at ${at}`)
      const start = at
      const name = readString()
      if (FORBIDDEN.has(name)) throw malformed(`forbidden member name at ${start}`)
      if (name in object) throw malformed(`duplicate member at ${start}`)
      skipSpace()
      if (!taken(':')) throw malformed(`no colon at ${at}`)
      object[name] = readValue(depth)
      skipSpace()
    } while (taken(','))
    if (!taken('}')) throw malformed(`object not closed at ${at}`)
    return object
  }

  function readArray(depth: number): readonly JsonValue[] {
    if (depth > maxDepth) throw tooLarge(`deeper than ${maxDepth}`)
    const array: JsonValue[] = []
    at++
    skipSpace()
    if (taken(']')) return array
    do {
      count()
      array.push(readValue(depth))
      skipSpace()
    } while (taken(','))
    if (!taken(']')) throw malformed(`array not closed at ${at}`)
    return array
  }

  function readString(): string {
    const start = at++
    let out = readPlain()
    if (taken('"')) return out
    while (!taken('"')) {
      if (source[at] !== '\\') throw malformed(`string at ${start} not closed, or a control character in it`)
      out += readEscape() + readPlain()
    }
    if (LONE_SURROGATE.test(out)) throw malformed(`lone surrogate in the string at ${start}`)
    return out
  }

  function readPlain(): string {
    PLAIN.lastIndex = at
    PLAIN.test(source)
    return source.slice(at, (at = PLAIN.lastIndex))
  }

  function readEscape(): string {
    const letter = source[at + 1] ?? ''
    at += 2
    if (letter !== 'u') {
      const character = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined
      if (character === undefined) throw malformed(`unknown escape at ${at - 2}`)
      return character
    }
    const digits = source.slice(at, at + 4)
    if (!HEX4.test(digits)) throw malformed(`bad \\u escape at ${at - 2}`)
    at += 4
    return String.fromCharCode(Number.parseInt(digits, 16))
  }

  function readNumber(): number {
    NUMBER.lastIndex = at
    const literal = NUMBER.exec(source)?.[0]
    if (literal === undefined) throw malformed(`no value at ${at}`)
    const number = Number(literal)
    if (!Number.isFinite(number)) throw malformed(`number too large at ${at}`)
    if (Object.is(number, -0)) throw malformed(`minus zero at ${at}`)
    if (Number.isInteger(number) && !Number.isSafeInteger(number)) throw malformed(`integer beyond 2^53 - 1 at ${at}`)
    at += literal.length
    return number
  }

  function readWord<T extends JsonValue>(word: string, value: T): T {
    if (!source.startsWith(word, at)) throw malformed(`no value at ${at}`)
    at += word.length
    return value
  }

  function skipSpace(): void {
    for (; at < source.length; at++) {
      const code = source.charCodeAt(at)
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return
    }
  }

  function taken(character: string): boolean {
    if (source[at] !== character) return false
    at++
    return true
  }

  function count(): void {
    if (++members > maxMembers) throw tooLarge(`more than ${maxMembers} members`)
  }
}

function utf8Length(text: string): number {
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    // Each half of a surrogate pair stands for two of its four bytes; the text is known to hold no lone one.
    length += unit < 0x80 ? 1 : unit < 0x800 || (unit & 0xf800) === 0xd800 ? 2 : 3
  }
  return length
}

function malformed(reason: string): PosternError<'json.malformed'> {
  return new PosternError('json.malformed', { reason })
}

function tooLarge(reason: string): PosternError<'json.too_large'> {
  return new PosternError('json.too_large', { reason })
}
