/** Chunked messages as streams: one chunk is read, sealed or opened, and handed on each time that one is asked for. */
import type { Now } from '@postern/core/cryptoPort'
import { type ChunkCipher, checkFinal, checkLength, FINAL, openChunk, type Refusal, refusing, TAG_BYTES } from './chunks.js'
import { EMPTY } from './labels.js'
import { andThen, orElse } from './now.js'
import { roomOf, type Source, sourceOf } from './source.js'
import { putVarint, varintLength } from './varint.js'

export interface SealStreamOptions {
  readonly chunkBytes: number
  /** Seal each piece as it comes, so that nothing waits; the sizes of the pieces show. */
  readonly flush?: boolean
}

type Controller = ReadableStreamDefaultController<Uint8Array>

/** From here on pieces of their own cost less than a copy. */
const APART_BYTES = 32_768

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

/**
 * What `source` still holds and brings, opened. Bytes are handed on when their own tag fits; the end is one when it was sealed as such.
 * @param ready - gives the cipher when the first bytes are asked for
 */
export function openStream(
  ready: () => Now<ChunkCipher>,
  source: Source,
  maxChunkBytes: number,
  refusal: Refusal,
): ReadableStream<Uint8Array> {
  let cipher: ChunkCipher | undefined
  let length: number | null = null
  const room = roomOf()

  function next(controller: Controller): Now<void> {
    if (cipher === undefined)
      return andThen(ready(), (made) => {
        cipher = made
        return next(controller)
      })
    if (length === null) length = source.varint()
    if (length === 0) checkFinal(source.held, maxChunkBytes, refusal)
    else if (length !== null) checkLength(length, maxChunkBytes, refusal)
    const here = length !== null && length > 0 && source.held >= length
    if (here) return deliver(controller, EMPTY, length!)
    return source.more().then((more) => {
      if (more) return next(controller)
      if (length !== 0 || source.held < TAG_BYTES) throw refusal('truncated', 'no end')
      return andThen(deliver(controller, FINAL, source.held), () => controller.close())
    })
  }

  function deliver(controller: Controller, aad: Uint8Array, sealedBytes: number): Now<void> {
    return andThen(open(aad, sealedBytes), (plaintext) => {
      length = null
      if (plaintext.length > 0) controller.enqueue(plaintext)
    })
  }

  function open(aad: Uint8Array, sealedBytes: number): Now<Uint8Array> {
    const { openApart } = cipher!
    if (openApart === undefined || sealedBytes < APART_BYTES)
      return openChunk(cipher!, aad, source.take(sealedBytes, room), refusal)
    const body = source.take(sealedBytes - TAG_BYTES, room)
    return refusing(() => openApart(aad, body, source.take(TAG_BYTES)), refusal)
  }

  return new ReadableStream<Uint8Array>(
    {
      pull: (controller) =>
        orElse(
          () => next(controller),
          (error) =>
            source.cancel(error).then(() => {
              throw error
            }),
        ),
      cancel: (reason) => source.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
