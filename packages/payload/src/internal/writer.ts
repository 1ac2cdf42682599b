/** Grows a message. The last step lays it into an array of exactly the padded length, zero behind it. */
import type { FieldLine } from './fieldRules.js'
import { putVarint, varintLength } from './varint.js'

export interface Writer {
  varint(value: number): void
  /** Bytes as they are. */
  bytes(data: Uint8Array): void
  /** Length, then one byte a character; characters were checked to be bytes. */
  latin1(text: string): void
  /** A known-length field section. */
  fields(lines: readonly FieldLine[]): void
  /** An indeterminate-length field section. */
  openFields(lines: readonly FieldLine[]): void
  finish(padded: (length: number) => number): Uint8Array
}

/** Bytes of the lines of a section, its own length prefix left out. */
export function sectionLength(lines: readonly FieldLine[]): number {
  let length = 0
  for (const [name, value] of lines) length += textLength(name) + textLength(value)
  return length
}

/** Bytes of a length-prefixed text. */
export function textLength(text: string): number {
  return varintLength(text.length) + text.length
}

/** @param capacity - the final length where it is known: then nothing is copied */
export function writerOf(capacity: number = 1024): Writer {
  let out = new Uint8Array(capacity)
  let at = 0

  function room(more: number): void {
    if (at + more <= out.length) return
    const grown = new Uint8Array(Math.max(2 * out.length, at + more))
    grown.set(out.subarray(0, at))
    out = grown
  }

  function varint(value: number): void {
    if (value < 64) {
      room(1)
      out[at++] = value
      return
    }
    room(varintLength(value))
    at += putVarint(out, at, value)
  }

  function latin1(text: string): void {
    varint(text.length)
    room(text.length)
    for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i)
    at += text.length
  }

  function linesOf(lines: readonly FieldLine[]): void {
    for (const [name, value] of lines) {
      latin1(name)
      latin1(value)
    }
  }

  return {
    varint,
    bytes(data) {
      room(data.length)
      out.set(data, at)
      at += data.length
    },
    latin1,
    fields(lines) {
      varint(sectionLength(lines))
      linesOf(lines)
    },
    openFields(lines) {
      linesOf(lines)
      varint(0)
    },
    finish(padded) {
      const length = padded(at)
      // Sized right, it is the message already: fresh arrays are zero behind what was written.
      if (length === out.length) return out
      if (length < out.length) return out.slice(0, length)
      const whole = new Uint8Array(length)
      whole.set(out.subarray(0, at))
      return whole
    },
  }
}
