/** Opens replies: the nonce first. */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { openChunk, openChunks, TAG_BYTES } from './chunks.js'
import { EMPTY } from './labels.js'
import { andThen } from './now.js'
import { openStream } from './openStream.js'
import { replyRefusal, truncated } from './refusals.js'
import { type ReplyTo, replyCipher, replyNonceBytes } from './reply.js'
import { sourceOf } from './source.js'

/**
 * The message of a reply that is here whole.
 * @param maxChunkBytes - `null` for one that was sealed in one piece
 */
export function openReply(
  crypto: CryptoPort,
  exchange: ReplyTo,
  label: Uint8Array,
  sealed: Uint8Array,
  maxChunkBytes: number | null,
): Now<Uint8Array> {
  const nonceBytes = replyNonceBytes(exchange)
  if (sealed.length < nonceBytes) throw replyRefusal(maxChunkBytes === null ? 'refused' : 'truncated', 'length')
  const rest = sealed.subarray(nonceBytes)
  if (maxChunkBytes === null && rest.length < TAG_BYTES) throw replyRefusal('refused', 'length')
  return andThen(replyCipher(crypto, exchange, label, sealed.slice(0, nonceBytes)), (cipher) =>
    maxChunkBytes === null ? openChunk(cipher, EMPTY, rest, replyRefusal) : openChunks(cipher, rest, maxChunkBytes, replyRefusal),
  )
}

/** A chunked reply while it comes. */
export function openReplyStream(
  crypto: CryptoPort,
  exchange: ReplyTo,
  label: Uint8Array,
  sealed: ReadableStream<Uint8Array>,
  maxChunkBytes: number,
): ReadableStream<Uint8Array> {
  const source = sourceOf(sealed, (cause) => truncated('the source failed', cause))
  const length = replyNonceBytes(exchange)
  return openStream(
    async () => {
      while (source.held < length) if (!(await source.more())) throw replyRefusal('truncated', 'length')
      return replyCipher(crypto, exchange, label, source.take(length).slice())
    },
    source,
    maxChunkBytes,
    replyRefusal,
  )
}
