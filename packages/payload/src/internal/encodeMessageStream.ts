/** Writes indeterminate-length messages piece by piece. @see RFC 9292 §3.2 */
import type { BhttpRequestStream, BhttpResponseStream, EncodeOptions, Streamed } from '../bhttp.js'
import { checkControl, checkFields, type FieldLine } from './fieldRules.js'
import { checkStatus, INDETERMINATE_REQUEST, INDETERMINATE_RESPONSE, lengthIn } from './framing.js'
import { DEFAULT_PAD, type Pad, paddedLength } from './padme.js'
import { malformed } from './reader.js'
import { putVarint, varintLength } from './varint.js'
import { sectionLength, writerOf } from './writer.js'

const PADDING_PIECE_BYTES = 65_536

const asIs = (length: number): number => length

/**
 * A request as indeterminate-length message, its content read as it is sent. Padding comes at the end, where the length is known.
 * @throws PosternError `bhttp.malformed` | `bhttp.limit` at once for what comes before the content; the stream fails with them for the rest
 * @see RFC 9292 §3.2
 */
export function encodeRequestStream(
  request: Streamed<BhttpRequestStream>,
  { pad = DEFAULT_PAD }: EncodeOptions = {},
): ReadableStream<Uint8Array> {
  const { method, scheme, authority, path, fields, content, trailers = [] } = request
  checkControl({ method, scheme, authority, path }, ['https', 'http'])
  checkFields(fields, { authority })
  const out = writerOf()
  out.varint(INDETERMINATE_REQUEST)
  for (const text of [method, scheme, authority, path]) out.latin1(text)
  out.openFields(fields)
  return messageStream(out.finish(asIs), { announced: lengthIn(fields), content, trailers }, pad)
}

/** A response as indeterminate-length message; as {@link encodeRequestStream}. @throws PosternError `bhttp.malformed` | `bhttp.limit` */
export function encodeResponseStream(
  response: Streamed<BhttpResponseStream>,
  { pad = DEFAULT_PAD }: EncodeOptions = {},
): ReadableStream<Uint8Array> {
  const { status, fields, content, trailers = [] } = response
  checkStatus(status)
  checkFields(fields, {})
  const out = writerOf()
  out.varint(INDETERMINATE_RESPONSE)
  out.varint(status)
  out.openFields(fields)
  return messageStream(out.finish(asIs), { announced: lengthIn(fields), content, trailers }, pad)
}

/** What follows the control data of a message. */
interface Sections {
  /** What `content-length` says of the content. */
  readonly announced: string | undefined
  readonly content: ReadableStream<Uint8Array>
  readonly trailers: readonly FieldLine[] | Promise<readonly FieldLine[]>
}

/** @param head - everything before the content */
function messageStream(head: Uint8Array, { announced, content, trailers }: Sections, pad: Pad): ReadableStream<Uint8Array> {
  const reader = content.getReader()
  // Where the content fails first, nobody asks for them any more.
  if (trailers instanceof Promise) trailers.catch(() => undefined)
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
  return out.finish(asIs)
}
