/** Chunked messages as streams: one chunk is read and sealed each time that one is asked for. */
import type { Now } from '@postern/core/cryptoPort'
import { APART_BYTES, type ChunkCipher, FINAL, TAG_BYTES } from './chunks.js'
import { EMPTY } from './labels.js'
import { andThen } from './now.js'
import { roomOf, sourceOf } from './source.js'
import { putVarint, varintLength } from './varint.js'

export interface SealStreamOptions {
  readonly chunkBytes: number
  /** Seal each piece as it comes, so that nothing waits; the sizes of the pieces show. */
  readonly flush?: boolean
}

type Controller = ReadableStreamDefaultController<Uint8Array>

/**
 * `head`, then the message in chunks, full but the last. Where `message` fails, so does this, without an end; where this is cancelled,
 * so is `message`.
 */
export function sealStream(
  cipher: ChunkCipher,
  head: Uint8Array,
  message: ReadableStream<Uint8Array>,
  { chunkBytes, flush = false }: SealStreamOptions,
): ReadableStream<Uint8Array> {
  const source = sourceOf(message)
  // A full chunk waits for what follows it: it may be the last.
  const least = flush ? 1 : chunkBytes + 1
  let due = head
  // Each chunk is sealed before the next one is taken.
  const room = roomOf()

  /** What stands before a chunk, and `more` bytes of room behind it. */
  function prefixed(length: number, more: number): { readonly out: Uint8Array; readonly at: number } {
    const at = due.length + varintLength(length)
    const out = new Uint8Array(at + more)
    out.set(due)
    putVarint(out, due.length, length)
    due = EMPTY
    return { out, at }
  }

  function send(controller: Controller, length: number, sealed: Uint8Array): void {
    const { out, at } = prefixed(length, sealed.length)
    out.set(sealed, at)
    controller.enqueue(out)
  }

  function next(controller: Controller): Now<void> {
    if (source.held < least)
      return source.more().then((more) => {
        if (more) return next(controller)
        return andThen(cipher.seal(FINAL, source.take(source.held, room)), (sealed) => {
          send(controller, 0, sealed)
          controller.close()
        })
      })
    const plaintext = source.take(Math.min(source.held, chunkBytes), room)
    if (cipher.sealApart === undefined || plaintext.length < APART_BYTES)
      return andThen(cipher.seal(EMPTY, plaintext), (sealed) => send(controller, sealed.length, sealed))
    const { body, tag } = cipher.sealApart(EMPTY, plaintext)
    controller.enqueue(prefixed(body.length + TAG_BYTES, 0).out)
    controller.enqueue(body)
    controller.enqueue(tag)
  }

  return new ReadableStream<Uint8Array>({ pull: next, cancel: (reason) => source.cancel(reason) }, { highWaterMark: 0 })
}
