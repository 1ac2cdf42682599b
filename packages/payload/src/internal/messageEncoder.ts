/** Writes indeterminate-length messages piece by piece. @see RFC 9292 §3.2 */
import { checkFields, type FieldLine } from './fieldRules.js'
import { type Pad, paddedLength } from './padme.js'
import { malformed } from './reader.js'
import { putVarint, varintLength } from './varint.js'
import { sectionLength, writerOf } from './writer.js'

const PADDING_PIECE_BYTES = 65_536

/** What follows the control data of a message. */
export interface Sections {
  /** What `content-length` says of the content. */
  readonly announced: string | undefined
  readonly content: ReadableStream<Uint8Array>
  readonly trailers: readonly FieldLine[] | Promise<readonly FieldLine[]>
}

/** @param head - everything before the content */
export function messageStream(
  head: Uint8Array,
  { announced, content, trailers }: Sections,
  pad: Pad,
): ReadableStream<Uint8Array> {
  const reader = content.getReader()
  let due: Uint8Array | null = head
  let written = 0
  let contentBytes = 0
  /** Zeros that are still to come, once everything else is written. */
  let padding: number | null = null

  async function nextPieces(): Promise<readonly Uint8Array[]> {
    if (due !== null) {
      const first = due
      due = null
      return [first]
    }
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (value.length === 0) continue
      contentBytes += value.length
      const prefix = new Uint8Array(varintLength(value.length))
      putVarint(prefix, 0, value.length)
      return [prefix, value]
    }
    if (announced !== undefined && announced !== String(contentBytes)) throw malformed('content-length')
    const end = closing(await trailers)
    const length = written + end.length
    padding = paddedLength(length, pad) - length
    return [end]
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (padding === null)
          for (const piece of await nextPieces()) {
            written += piece.length
            controller.enqueue(piece)
          }
        else {
          const length: number = Math.min(padding, PADDING_PIECE_BYTES)
          controller.enqueue(new Uint8Array(length))
          padding -= length
        }
        if (padding === 0) controller.close()
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

/** The end of the content, and the trailers. */
function closing(trailers: readonly FieldLine[]): Uint8Array {
  checkFields(trailers, {})
  const out = writerOf(2 + sectionLength(trailers))
  out.varint(0)
  out.openFields(trailers)
  return out.finish((length) => length)
}
