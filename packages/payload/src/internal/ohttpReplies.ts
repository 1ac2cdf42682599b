/** Replies of an exchange, both ways. @see RFC 9458 §4.4, draft-ietf-ohai-chunked-ohttp-08 §5.2 */
import { concat } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import type { HpkePorts } from '../hpke.js'
import type { Exchange, OpenChunksOptions, SealChunksOptions } from '../ohttp.js'
import { EMPTY } from './labels.js'
import { andThen } from './now.js'
import { CHUNK_BYTES, CHUNKED_REPLY_LABEL, MAX_CHUNK_BYTES, REPLY_LABEL } from './ohttpWire.js'
import { openReply, openReplyStream } from './openReply.js'
import { replySealer, sealReplyInChunks, sealReplyStream } from './sealReply.js'

/** A message as encapsulated response of an exchange. @see RFC 9458 §4.4 */
export function sealResponse(ports: HpkePorts, exchange: Exchange, message: Uint8Array): Now<Uint8Array> {
  return andThen(replySealer(ports, exchange, REPLY_LABEL), ({ nonce, cipher }) =>
    andThen(cipher.seal(EMPTY, message), (sealed) => concat(nonce, sealed)),
  )
}

/** A message as chunked response of an exchange. @see draft-ietf-ohai-chunked-ohttp-08 §5.2 */
export function sealChunkedResponse(
  ports: HpkePorts,
  exchange: Exchange,
  message: Uint8Array,
  { chunkBytes = CHUNK_BYTES }: SealChunksOptions = {},
): Now<Uint8Array> {
  return sealReplyInChunks(ports, exchange, CHUNKED_REPLY_LABEL, message, chunkBytes)
}

/** A message as chunked response, read as it is sent. Where `message` fails so does it, without an end. @see draft-ietf-ohai-chunked-ohttp-08 §5.2 */
export function sealResponseStream(
  ports: HpkePorts,
  exchange: Exchange,
  message: ReadableStream<Uint8Array>,
  { chunkBytes = CHUNK_BYTES, flush = false }: SealChunksOptions = {},
): Now<ReadableStream<Uint8Array>> {
  return sealReplyStream(ports, exchange, CHUNKED_REPLY_LABEL, message, { chunkBytes, flush })
}

/** The message of an encapsulated response. @throws PosternError `payload.reply_refused` @see RFC 9458 §4.4 */
export function openResponse(crypto: CryptoPort, exchange: Exchange, sealed: Uint8Array): Now<Uint8Array> {
  return openReply(crypto, exchange, REPLY_LABEL, sealed, null)
}

/**
 * The message of a chunked response that is here whole.
 * @throws PosternError `payload.reply_refused`; `payload.truncated` without an authenticated end
 * @see draft-ietf-ohai-chunked-ohttp-08 §5.2
 */
export function openChunkedResponse(
  crypto: CryptoPort,
  exchange: Exchange,
  sealed: Uint8Array,
  { maxChunkBytes = MAX_CHUNK_BYTES }: OpenChunksOptions = {},
): Now<Uint8Array> {
  return openReply(crypto, exchange, CHUNKED_REPLY_LABEL, sealed, maxChunkBytes)
}

/**
 * The message of a chunked response while it comes. It fails with `payload.reply_refused` for a chunk that does not open and
 * `payload.truncated` where `sealed` ends or fails without an authenticated end.
 * @see draft-ietf-ohai-chunked-ohttp-08 §5.2
 */
export function openResponseStream(
  crypto: CryptoPort,
  exchange: Exchange,
  sealed: ReadableStream<Uint8Array>,
  { maxChunkBytes = MAX_CHUNK_BYTES }: OpenChunksOptions = {},
): ReadableStream<Uint8Array> {
  return openReplyStream(crypto, exchange, CHUNKED_REPLY_LABEL, sealed, maxChunkBytes)
}
