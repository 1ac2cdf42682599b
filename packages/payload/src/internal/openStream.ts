/** Chunked messages as streams: one chunk is read and opened, and handed on, each time that one is asked for. */
import type { Now } from '@postern/core/cryptoPort'
import {
  APART_BYTES,
  type ChunkCipher,
  checkFinal,
  checkLength,
  FINAL,
  openChunk,
  type Refusal,
  refusing,
  TAG_BYTES,
} from './chunks.js'
import { EMPTY } from './labels.js'
import { andThen, orElse } from './now.js'
import { roomOf, type Source } from './source.js'

type Controller = ReadableStreamDefaultController<Uint8Array>

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
