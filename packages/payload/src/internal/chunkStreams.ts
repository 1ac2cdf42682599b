/** Chunked messages as streams: one chunk is read, sealed or opened, and handed on each time that one is asked for. */
import type { Now } from '@postern/core/cryptoPort'
import { type ChunkCipher, checkFinal, checkLength, FINAL, openChunk, type Refusal, TAG_BYTES } from './chunks.js'
import { EMPTY } from './labels.js'
import { type Source, sourceOf } from './source.js'
import { putVarint, varintLength } from './varint.js'

export interface SealStreamOptions {
  readonly chunkBytes: number
  /** Seal each piece as it comes, so that nothing waits; the sizes of the pieces show. */
  readonly flush?: boolean
}

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
  const frame = (prefix: number, sealed: Uint8Array): Uint8Array => {
    const size = varintLength(prefix)
    const out = new Uint8Array(due.length + size + sealed.length)
    out.set(due)
    putVarint(out, due.length, prefix)
    out.set(sealed, due.length + size)
    due = EMPTY
    return out
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        while (source.held < least) {
          if (await source.more()) continue
          const sealed = cipher.seal(FINAL, source.take(source.held))
          controller.enqueue(frame(0, sealed instanceof Promise ? await sealed : sealed))
          controller.close()
          return
        }
        const sealed = cipher.seal(EMPTY, source.take(Math.min(source.held, chunkBytes)))
        const bytes = sealed instanceof Promise ? await sealed : sealed
        controller.enqueue(frame(bytes.length, bytes))
      },
      cancel: (reason) => source.cancel(reason),
    },
    { highWaterMark: 0 },
  )
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

  /** The next chunk, and whether it is the last. */
  async function next(): Promise<{ readonly plaintext: Uint8Array; readonly final: boolean }> {
    cipher ??= await ready()
    while (length === null && (length = source.varint()) === null)
      if (!(await source.more())) throw refusal('truncated', 'no end')
    const final = length === 0
    if (final) {
      do checkFinal(source.held, maxChunkBytes, refusal)
      while (await source.more())
      if (source.held < TAG_BYTES) throw refusal('truncated', 'no end')
    } else {
      checkLength(length, maxChunkBytes, refusal)
      while (source.held < length) if (!(await source.more())) throw refusal('truncated', 'no end')
    }
    const opened = openChunk(cipher, final ? FINAL : EMPTY, source.take(final ? source.held : length), refusal)
    length = null
    return { plaintext: opened instanceof Promise ? await opened : opened, final }
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { plaintext, final } = await next()
          if (plaintext.length > 0) controller.enqueue(plaintext)
          if (final) controller.close()
        } catch (error) {
          await source.cancel(error)
          throw error
        }
      },
      cancel: (reason) => source.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
