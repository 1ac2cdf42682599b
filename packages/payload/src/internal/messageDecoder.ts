/** Reads messages of either length while they come. Nothing is waited for that a limit will refuse. @see RFC 9292 §3.1, §3.2 */
import { checkFields, checkGrowth, type FieldLine, MAX_FIELD_BYTES, MAX_LINES, tooLarge } from './fieldRules.js'
import { MAX_BYTES } from './framing.js'
import { latin1, malformed } from './reader.js'
import type { Source } from './source.js'

export interface MessageDecoder {
  /** Whether the message is of known length. */
  framing(known: number, indeterminate: number): Promise<boolean>
  varint(): Promise<number>
  /** A length and its text. */
  text(maxBytes: number): Promise<string>
  /** A field section; an absent one is empty. */
  fields(known: boolean): Promise<readonly FieldLine[]>
  /**
   * The content, and the trailers after it.
   * @param announced - what `content-length` says of it
   * @param mayLack - whether it may be empty all the same, as in a reply to HEAD (RFC 9110 §8.6)
   */
  rest(known: boolean, announced: string | undefined, mayLack: boolean): Rest
  /** Gives the message up. */
  cancel(reason: unknown): Promise<void>
}

/** What follows the fields. */
export interface Rest {
  /** The next piece of content; `null` when the whole message has ended, its padding with it. */
  next(): Promise<Uint8Array | null>
  /** Fields after the content, once it has ended. */
  readonly trailers: readonly FieldLine[]
}

/** A piece of content handed on at once, in bytes. */
const PIECE_BYTES = 65_536

/** @param maxBytes - of the message with its padding, default 64 MiB where its length is known and none where it is not */
export function messageDecoder(source: Source, maxBytes: number | undefined): MessageDecoder {
  let limit = maxBytes ?? MAX_BYTES
  let taken = 0

  const spend = (bytes: number): void => {
    taken += bytes
    if (taken > limit) throw tooLarge('message')
  }

  async function ended(): Promise<boolean> {
    while (source.held === 0) if (!(await source.more())) return true
    return false
  }

  async function varint(): Promise<number> {
    for (;;) {
      const before = source.held
      const value = source.varint()
      if (value !== null) {
        spend(before - source.held)
        if (value > Number.MAX_SAFE_INTEGER) throw malformed('an integer above 2^53 - 1')
        return value
      }
      if (!(await source.more())) throw malformed('cut short')
    }
  }

  async function bytes(length: number): Promise<Uint8Array> {
    spend(length)
    while (source.held < length) if (!(await source.more())) throw malformed('cut short')
    return source.take(length)
  }

  async function fields(known: boolean): Promise<readonly FieldLine[]> {
    // Sections may be left out from the end, never cut inside one (RFC 9292 §3.8).
    if (await ended()) return []
    const length = known ? await varint() : Number.POSITIVE_INFINITY
    if (known && length > MAX_FIELD_BYTES + 16 * MAX_LINES) throw tooLarge('field bytes')
    const end = taken + length
    const lines: FieldLine[] = []
    for (let size = 0; taken < end; ) {
      const nameLength = await varint()
      if (nameLength === 0 && !known) return lines
      if (nameLength === 0) throw malformed('field name')
      checkGrowth(lines.length + 1, (size += nameLength))
      const name = latin1(await bytes(nameLength))
      const valueLength = await varint()
      checkGrowth(lines.length + 1, (size += valueLength))
      lines.push([name, latin1(await bytes(valueLength))])
    }
    if (taken > end) throw malformed('cut short')
    return lines
  }

  function rest(known: boolean, announced: string | undefined, mayLack: boolean): Rest {
    let left = 0
    let begun = false
    let length = 0
    let trailers: readonly FieldLine[] = []

    /** The next piece of content, or `null` when it has ended. */
    async function piece(): Promise<Uint8Array | null> {
      if (left === 0) {
        const over = begun ? known : await ended()
        left = over ? 0 : await varint()
        begun = true
        if (left === 0) return null
        if (taken + left > limit) throw tooLarge('message')
      }
      while (source.held === 0) if (!(await source.more())) throw malformed('cut short')
      const part = source.some(Math.min(left, PIECE_BYTES))
      left -= part.length
      length += part.length
      spend(part.length)
      return part
    }

    async function end(): Promise<readonly FieldLine[]> {
      const lacks = mayLack && length === 0
      if (announced !== undefined && !lacks && announced !== String(length)) throw malformed('content-length')
      const lines = await fields(known)
      checkFields(lines, {})
      while (!(await ended())) {
        const padding = source.some(source.held)
        spend(padding.length)
        if (padding.some((byte) => byte !== 0)) throw malformed('padding that is not zero')
      }
      return lines
    }

    return {
      async next() {
        const part = await piece()
        if (part === null) trailers = await end()
        return part
      },
      get trailers() {
        return trailers
      },
    }
  }

  return {
    async framing(known, indeterminate) {
      const found = await varint()
      if (found !== known && found !== indeterminate) throw malformed('another kind of message')
      if (found === indeterminate) limit = maxBytes ?? Number.POSITIVE_INFINITY
      return found === known
    },
    varint,
    async text(maxBytes) {
      const length = await varint()
      if (length > maxBytes) throw tooLarge('control data')
      return latin1(await bytes(length))
    },
    fields,
    rest,
    cancel: (reason) => source.cancel(reason),
  }
}
