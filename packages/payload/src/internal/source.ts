/** A stream read by the byte: what is wanted now, nothing ahead of it. */
import { lengthFrom, varintAt } from './varint.js'

const NOTHING: Uint8Array = /* @__PURE__ */ new Uint8Array(0)

export interface Source {
  /** Bytes that are here and not taken yet. */
  readonly held: number
  /** Waits for the next piece. @returns false at the end of the stream */
  more(): Promise<boolean>
  /** A variable-length integer, or `null` while it is not here whole. */
  varint(): number | null
  /**
   * The next bytes, a view where one piece holds them. `length` is at most {@link held}.
   * @param room - where to join pieces, for bytes that are used up before more are taken
   */
  take(length: number, room?: Room): Uint8Array
  /** Up to `most` of what is here, without joining pieces; empty when nothing is. */
  some(most: number): Uint8Array
  cancel(reason?: unknown): Promise<void>
}

/** Memory of a length, the same each time. */
export type Room = (length: number) => Uint8Array

/** Made when it is first asked for; fresh memory costs more than a copy into it. */
export function roomOf(): Room {
  let bytes = new Uint8Array(0)
  return (length) => {
    if (bytes.length < length) bytes = new Uint8Array(length)
    return bytes.subarray(0, length)
  }
}

/** @param lost - the error that stands for one of the stream itself */
export function sourceOf(stream: ReadableStream<Uint8Array>, lost: (cause: unknown) => unknown = (cause) => cause): Source {
  return sourceFrom(stream.getReader(), lost)
}

/** A source of bytes that are all here. */
export function sourceOfBytes(bytes: Uint8Array): Source {
  const pieces = [bytes]
  const read = async (): Promise<ReadableStreamReadResult<Uint8Array>> => {
    const value = pieces.pop()
    return value === undefined ? { done: true, value } : { done: false, value }
  }
  return sourceFrom({ read, cancel: async () => undefined }, (cause) => cause)
}

function sourceFrom(
  reader: Pick<ReadableStreamDefaultReader<Uint8Array>, 'read' | 'cancel'>,
  lost: (cause: unknown) => unknown,
): Source {
  const fail = (cause: unknown): never => {
    throw lost(cause)
  }
  let pieces: Uint8Array[] = []
  // Where the first piece is: shifting a long list of small ones would take quadratic time.
  let front = 0
  let held = 0

  function some(most: number): Uint8Array {
    const first = pieces[front]
    if (first === undefined) return new Uint8Array(0)
    const length = Math.min(first.length, most)
    held -= length
    if (length < first.length) {
      pieces[front] = first.subarray(length)
      return first.subarray(0, length)
    }
    pieces[front++] = NOTHING
    if (front > 64 && 2 * front > pieces.length) {
      pieces = pieces.slice(front)
      front = 0
    }
    return first
  }

  function take(length: number, room?: Room): Uint8Array {
    if (length === 0) return new Uint8Array(0)
    if (pieces[front]!.length >= length) return some(length)
    const out = room?.(length) ?? new Uint8Array(length)
    for (let at = 0; at < length; ) {
      const part = some(length - at)
      out.set(part, at)
      at += part.length
    }
    return out
  }

  // By hand, for there is one for each piece of every stream.
  function more(): Promise<boolean> {
    return reader.read().then(({ done, value }) => {
      if (done) return false
      if (value.length === 0) return more()
      pieces.push(value)
      held += value.length
      return true
    }, fail)
  }

  return {
    get held() {
      return held
    },
    more,
    varint() {
      if (held === 0) return null
      const length = lengthFrom(pieces[front]![0]!)
      return held < length ? null : varintAt(take(length), 0, length)
    },
    take,
    some,
    async cancel(reason) {
      pieces = []
      front = 0
      held = 0
      await reader.cancel(reason).catch(() => undefined)
    },
  }
}
