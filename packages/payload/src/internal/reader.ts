/** A cursor over bytes. Every way of running past the end is `bhttp.malformed`, before anything is allocated. */
import { PosternError } from '@postern/core/errors'
import { lengthFrom, varintAt } from './varint.js'

export interface Reader {
  readonly ended: boolean
  /** A variable-length integer (RFC 9000 §16), also where it is not minimal. */
  varint(): number
  /** The next bytes, as a view. */
  bytes(length: number): Uint8Array
  /** Bytes as a string with one character a byte. */
  latin1(length: number): string
  /** Whether nothing but zeros is left. */
  restIsZero(): boolean
}

const CHUNK = 4096

export function readerOf(source: Uint8Array): Reader {
  let at = 0

  function bytes(length: number): Uint8Array {
    if (length > source.length - at) throw malformed('cut short')
    return source.subarray(at, (at += length))
  }

  return {
    get ended() {
      return at >= source.length
    },
    varint() {
      const first = source[at]
      if (first === undefined) throw malformed('cut short')
      const length = lengthFrom(first)
      if (length > source.length - at) throw malformed('cut short')
      const value = varintAt(source, at, length)
      if (value > Number.MAX_SAFE_INTEGER) throw malformed('an integer above 2^53 - 1')
      at += length
      return value
    },
    bytes,
    latin1: (length) => latin1(bytes(length)),
    restIsZero() {
      let seen = 0
      for (let i = at; i < source.length; i++) seen |= source[i]!
      return seen === 0
    },
  }
}

/** Text with one character a byte. */
export function latin1(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK) return String.fromCharCode.apply(null, bytes as unknown as number[])
  let out = ''
  for (let i = 0; i < bytes.length; i += CHUNK)
    out += String.fromCharCode.apply(null, bytes.subarray(i, i + CHUNK) as unknown as number[])
  return out
}

export function malformed(reason: string): PosternError<'bhttp.malformed'> {
  return new PosternError('bhttp.malformed', { reason })
}
