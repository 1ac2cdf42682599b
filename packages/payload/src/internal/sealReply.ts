/** Seals replies: the nonce, then the message. */
import type { Now } from '@postern/core/cryptoPort'
import type { HpkePorts } from '../hpke.js'
import { type ChunkCipher, sealChunks } from './chunks.js'
import { andThen } from './now.js'
import { type ReplyTo, replyCipher, replyNonceBytes } from './reply.js'
import { type SealStreamOptions, sealStream } from './sealStream.js'

/** The cipher of a new reply, and the nonce to send first. */
export function replySealer(
  { crypto, random }: HpkePorts,
  exchange: ReplyTo,
  label: Uint8Array,
): Now<{ readonly nonce: Uint8Array; readonly cipher: ChunkCipher }> {
  const nonce = random(replyNonceBytes(exchange))
  return andThen(replyCipher(crypto, exchange, label, nonce), (cipher) => ({ nonce, cipher }))
}

export function sealReplyInChunks(
  ports: HpkePorts,
  exchange: ReplyTo,
  label: Uint8Array,
  message: Uint8Array,
  chunkBytes: number,
): Now<Uint8Array> {
  return andThen(replySealer(ports, exchange, label), ({ nonce, cipher }) => sealChunks(cipher, nonce, message, chunkBytes))
}

export function sealReplyStream(
  ports: HpkePorts,
  exchange: ReplyTo,
  label: Uint8Array,
  message: ReadableStream<Uint8Array>,
  options: SealStreamOptions,
): Now<ReadableStream<Uint8Array>> {
  return andThen(replySealer(ports, exchange, label), ({ nonce, cipher }) => sealStream(cipher, nonce, message, options))
}
