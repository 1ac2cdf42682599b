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
const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c]
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d]
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
  return new Reader(source, maxDepth, maxMembers).text()
}

/** One reading of one text. */
class Reader {
  readonly #source: string
  readonly #maxDepth: number
  readonly #maxMembers: number
  #at = 0
  #members = 0

  constructor(source: string, maxDepth: number, maxMembers: number) {
    this.#source = source
    this.#maxDepth = maxDepth
    this.#maxMembers = maxMembers
  }

  text(): JsonValue {
    const value = this.#value(0)
    this.#skipSpace()
    if (this.#at !== this.#source.length) throw malformed(`text after the value at ${this.#at}`)
    return value
  }

  #value(depth: number): JsonValue {
    this.#skipSpace()
    switch (this.#source.charCodeAt(this.#at)) {
      case OPEN_BRACE:
        return this.#object(depth + 1)
      case OPEN_BRACKET:
        return this.#array(depth + 1)
      case QUOTE:
        return this.#string()
      case 0x74:
        return this.#word('true', true)
      case 0x66:
        return this.#word('false', false)
      case 0x6e:
        return this.#word('null', null)
      default:
        return this.#number()
    }
  }

  #object(depth: number): JsonObject {
    if (depth > this.#maxDepth) throw tooLarge(`deeper than ${this.#maxDepth}`)
    const object: Record<string, JsonValue> = Object.create(null)
    this.#at++
    this.#skipSpace()
    if (this.#taken(CLOSE_BRACE)) return object
    do {
      this.#count()
      this.#skipSpace()
      const start = this.#at
      if (this.#source.charCodeAt(start) !== QUOTE) throw malformed(`no member name at ${start}`)
      const name = this.#string()
      if (FORBIDDEN.has(name)) throw malformed(`forbidden member name at ${start}`)
      if (name in object) throw malformed(`duplicate member at ${start}`)
      this.#skipSpace()
      if (!this.#taken(COLON)) throw malformed(`no colon at ${this.#at}`)
      object[name] = this.#value(depth)
      this.#skipSpace()
    } while (this.#taken(COMMA))
    if (!this.#taken(CLOSE_BRACE)) throw malformed(`object not closed at ${this.#at}`)
    return object
  }

  #array(depth: number): readonly JsonValue[] {
    if (depth > this.#maxDepth) throw tooLarge(`deeper than ${this.#maxDepth}`)
    const array: JsonValue[] = []
    this.#at++
    this.#skipSpace()
    if (this.#taken(CLOSE_BRACKET)) return array
    do {
      this.#count()
      array.push(this.#value(depth))
      this.#skipSpace()
    } while (this.#taken(COMMA))
    if (!this.#taken(CLOSE_BRACKET)) throw malformed(`array not closed at ${this.#at}`)
    return array
  }

  #string(): string {
    const start = this.#at++
    let out = this.#plain()
    if (this.#taken(QUOTE)) return out
    while (!this.#taken(QUOTE)) {
      if (this.#source.charCodeAt(this.#at) !== BACKSLASH)
        throw malformed(`string at ${start} not closed, or a control character in it`)
      out += this.#escape() + this.#plain()
    }
    if (LONE_SURROGATE.test(out)) throw malformed(`lone surrogate in the string at ${start}`)
    return out
  }

  /** Up to a quote, a backslash, a control character or the end, whose code is NaN. */
  #plain(): string {
    const source = this.#source
    const start = this.#at
    let at = start
    for (let code = source.charCodeAt(at); code >= 0x20 && code !== QUOTE && code !== BACKSLASH; ) code = source.charCodeAt(++at)
    this.#at = at
    return source.slice(start, at)
  }

  #escape(): string {
    const letter = this.#source[this.#at + 1] ?? ''
    this.#at += 2
    if (letter !== 'u') {
      const character = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined
      if (character === undefined) throw malformed(`unknown escape at ${this.#at - 2}`)
      return character
    }
    const digits = this.#source.slice(this.#at, this.#at + 4)
    if (!HEX4.test(digits)) throw malformed(`bad \\u escape at ${this.#at - 2}`)
    this.#at += 4
    return String.fromCharCode(Number.parseInt(digits, 16))
  }

  #number(): number {
    NUMBER.lastIndex = this.#at
    const literal = NUMBER.exec(this.#source)?.[0]
    if (literal === undefined) throw malformed(`no value at ${this.#at}`)
    const number = Number(literal)
    if (!Number.isFinite(number)) throw malformed(`number too large at ${this.#at}`)
    if (Object.is(number, -0)) throw malformed(`minus zero at ${this.#at}`)
    if (Number.isInteger(number) && !Number.isSafeInteger(number)) throw malformed(`integer beyond 2^53 - 1 at ${this.#at}`)
    this.#at += literal.length
    return number
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#source.startsWith(word, this.#at)) throw malformed(`no value at ${this.#at}`)
    this.#at += word.length
    return value
  }

  #skipSpace(): void {
    const source = this.#source
    for (;;) {
      const code = source.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #taken(code: number): boolean {
    if (this.#source.charCodeAt(this.#at) !== code) return false
    this.#at++
    return true
  }

  #count(): void {
    if (++this.#members > this.#maxMembers) throw tooLarge(`more than ${this.#maxMembers} members`)
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
