/** The key of a reply, from what its request exported. @see RFC 9458 §4.4, draft-ietf-ohai-chunked-ohttp-08 §5.2 */
import { concat, utf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { AeadId, HpkeContext, HpkePorts } from '../hpke.js'
import { openStream } from './chunkStreams.js'
import type { ChunkCipher, Refusal } from './chunks.js'
import { CountingCipher } from './cipher.js'
import { aeadOf, NONCE_BYTES } from './context.js'
import { EMPTY, firstBytes, mac, oneBlock } from './labels.js'
import { andThen } from './now.js'
import { sourceOf } from './source.js'

const KEY_BLOCK: Uint8Array = /* @__PURE__ */ oneBlock(utf8('key'), EMPTY)
const NONCE_BLOCK: Uint8Array = /* @__PURE__ */ oneBlock(utf8('nonce'), EMPTY)

/** What a reply's key is made of: an exchange, also a session's. */
export interface ReplyTo {
  readonly suite: { readonly aead: AeadId }
  readonly enc: Uint8Array
  readonly context: Pick<HpkeContext, 'export'>
}

export function replyNonceBytes({ suite }: ReplyTo): number {
  return Math.max(NONCE_BYTES, aeadOf(suite.aead).keyBytes)
}

/** The cipher of the reply that begins with `nonce`. @param label - what the request's context exports it under */
export function replyCipher(
  crypto: CryptoPort,
  { suite, enc, context }: ReplyTo,
  label: Uint8Array,
  nonce: Uint8Array,
): Now<ChunkCipher> {
  const { alg, keyBytes } = aeadOf(suite.aead)
  return andThen(context.export(label, nonce.length), (secret) =>
    andThen(mac(crypto, concat(enc, nonce), secret), (extracted) =>
      andThen(crypto.hmacKey('SHA-256', extracted), (prk) =>
        andThen(firstBytes(crypto, prk, KEY_BLOCK, keyBytes), (key) =>
          andThen(firstBytes(crypto, prk, NONCE_BLOCK, NONCE_BYTES), (iv) =>
            andThen(crypto.aeadKey(alg, key), (cipher) => new CountingCipher(crypto, cipher, iv)),
          ),
        ),
      ),
    ),
  )
}

/** The cipher of a new reply, and the nonce to send first. */
export function replySealer(
  { crypto, random }: HpkePorts,
  exchange: ReplyTo,
  label: Uint8Array,
): Now<{ readonly nonce: Uint8Array; readonly cipher: ChunkCipher }> {
  const nonce = random(replyNonceBytes(exchange))
  return andThen(replyCipher(crypto, exchange, label, nonce), (cipher) => ({ nonce, cipher }))
}

/** A chunked reply while it comes: the nonce first. */
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

export function truncated(reason: string, cause?: unknown): PosternError<'payload.truncated'> {
  return new PosternError('payload.truncated', { reason, cause })
}

export const replyRefusal: Refusal = (why, reason, cause) =>
  why === 'truncated' ? truncated(reason, cause) : new PosternError('payload.reply_refused', { reason, cause })
