/**
 * Oblivious HTTP messages, single-shot and chunked, as bytes and as streams, and key configurations: what any RFC 9458 client or gateway
 * speaks. A message that does not open gives nothing; a chunked one gives each chunk once its own tag fits, and an error instead of an
 * end where the end is not authenticated.
 * @see RFC 9458, draft-ietf-ohai-chunked-ohttp-08
 */
import { concat, u8, u16, utf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import {
  type AeadId,
  type HpkeContext,
  type HpkePorts,
  type KemId,
  type KemPrivateKey,
  type Suite,
  setupReceiver,
  setupSender,
} from './hpke.js'
import { openStream, sealStream } from './internal/chunkStreams.js'
import { openChunk, openChunks, type Refusal, sealChunks, TAG_BYTES } from './internal/chunks.js'
import { knownKem } from './internal/kem/kem.js'
import { decodeAll, encodeOne } from './internal/keyConfig.js'
import { EMPTY } from './internal/labels.js'
import { andThen, orElse } from './internal/now.js'
import { openReplyStream, replyCipher, replyNonceBytes, replyRefusal, replySealer, truncated } from './internal/reply.js'
import { type Source, sourceOf } from './internal/source.js'

/** One key configuration (RFC 9458 §3.1). */
export interface KeyConfig {
  readonly keyId: number
  readonly kem: KemId
  readonly publicKey: Uint8Array
  readonly suites: readonly { readonly kdf: 0x0001; readonly aead: AeadId }[]
}

/** One request and its reply, as either end keeps it until the reply is made. */
export interface Exchange {
  readonly keyId: number
  readonly suite: Suite & { readonly aead: AeadId }
  readonly enc: Uint8Array
  /** Exports are secrets of this exchange's two ends. */
  readonly context: HpkeContext
}

/** A request about to be sealed: what it exports can still go into it. */
export interface Sealing extends Exchange {
  /** The encapsulated request. To be called once. */
  seal(message: Uint8Array): Now<Uint8Array>
}

/** A chunked request about to be sealed: as bytes or as a stream, once. */
export interface ChunkedSealing extends Sealing {
  /** The encapsulated request piece by piece. Where `message` fails so does it, without an authenticated end. */
  sealStream(message: ReadableStream<Uint8Array>): ReadableStream<Uint8Array>
}

/** How a message is cut into chunks. */
export interface SealChunksOptions {
  /** Plaintext of a chunk in bytes, default 16,384, which everybody takes; more only where the peer said so. */
  readonly chunkBytes?: number
  /** Streams alone: seal each piece as it comes (server-sent events). Nothing waits, and the sizes of the pieces show. */
  readonly flush?: boolean
}

export interface OpenChunksOptions {
  /** The largest chunk that is taken, in bytes of plaintext, default 65,536. */
  readonly maxChunkBytes?: number
}

/** The key of an id, and the configuration under which it is offered. */
export interface OfferedKey {
  readonly config: KeyConfig
  readonly privateKey: KemPrivateKey
}

export const REQUEST_TYPE = 'message/ohttp-req'
export const REPLY_TYPE = 'message/ohttp-res'
export const KEYS_TYPE = 'application/ohttp-keys'
export const CHUNKED_REQUEST_TYPE = 'message/ohttp-chunked-req'
export const CHUNKED_REPLY_TYPE = 'message/ohttp-chunked-res'
/** Plaintext of a chunk that every receiver takes, in bytes. */
export const CHUNK_BYTES = 16_384
/** The largest chunk that is taken here, in bytes of plaintext. */
export const MAX_CHUNK_BYTES = 65_536
const REQUEST_LABEL: Uint8Array = /* @__PURE__ */ utf8('message/bhttp request\0')
const REPLY_LABEL: Uint8Array = /* @__PURE__ */ utf8('message/bhttp response')
const CHUNKED_REQUEST_LABEL: Uint8Array = /* @__PURE__ */ utf8('message/bhttp chunked request\0')
const CHUNKED_REPLY_LABEL: Uint8Array = /* @__PURE__ */ utf8('message/bhttp chunked response')
const HEADER_BYTES = 7

/** A list of key configurations (`application/ohttp-keys`). @throws RangeError for a key of another length than its KEM @see RFC 9458 §3.2 */
export function encodeKeyConfigs(configs: readonly KeyConfig[]): Uint8Array {
  return concat(
    ...configs.flatMap((config) => {
      const bytes = encodeOne(config)
      return [u16(bytes.length), bytes]
    }),
  )
}

/**
 * The configurations of a list. Those with an unknown KEM, or without a known KDF and AEAD, are skipped.
 * @throws PosternError `payload.keys_untrusted` for a list that is torn or names an id twice: nothing of it is used
 * @see RFC 9458 §3.2
 */
export function decodeKeyConfigs(bytes: Uint8Array): readonly KeyConfig[] {
  const configs = decodeAll(bytes)
  if (configs === null)
    throw new PosternError('payload.keys_untrusted', { reason: 'the list of key configurations is malformed' })
  return configs
}

/**
 * Begins a sealed request to a key.
 * @throws PosternError `hpke.invalid_key` for a public key off the curve or of low order
 * @see RFC 9458 §4.3
 */
export function beginRequest(ports: HpkePorts, config: KeyConfig, aead: AeadId): Now<Sealing> {
  return andThen(begin(ports, config, aead, REQUEST_LABEL), ({ head, exchange }) => ({
    ...exchange,
    seal: (message) => andThen(exchange.context.seal(EMPTY, message), (sealed) => concat(head, sealed)),
  }))
}

/**
 * Begins a chunked request to a key. Never send it again as a single-shot one.
 * @throws PosternError `hpke.invalid_key` for a public key off the curve or of low order
 * @see draft-ietf-ohai-chunked-ohttp-08 §5.1
 */
export function beginChunkedRequest(
  ports: HpkePorts,
  config: KeyConfig,
  aead: AeadId,
  { chunkBytes = CHUNK_BYTES, flush = false }: SealChunksOptions = {},
): Now<ChunkedSealing> {
  return andThen(begin(ports, config, aead, CHUNKED_REQUEST_LABEL), ({ head, exchange }) => ({
    ...exchange,
    seal: (message) => sealChunks(exchange.context, head, message, chunkBytes),
    sealStream: (message) => sealStream(exchange.context, head, message, { chunkBytes, flush }),
  }))
}

/** A message (`message/bhttp`) as encapsulated request. @throws PosternError `hpke.invalid_key` @see RFC 9458 §4.3 */
export function sealRequest(
  ports: HpkePorts,
  config: KeyConfig,
  aead: AeadId,
  message: Uint8Array,
): Now<{ readonly sealed: Uint8Array; readonly exchange: Exchange }> {
  return andThen(beginRequest(ports, config, aead), (sealing) =>
    andThen(sealing.seal(message), (sealed) => ({ sealed, exchange: sealing })),
  )
}

/** A message as chunked request, read as it is sent. @throws PosternError `hpke.invalid_key` @see draft-ietf-ohai-chunked-ohttp-08 §5.1 */
export function sealRequestStream(
  ports: HpkePorts,
  config: KeyConfig,
  aead: AeadId,
  message: ReadableStream<Uint8Array>,
  options?: SealChunksOptions,
): Now<{ readonly sealed: ReadableStream<Uint8Array>; readonly exchange: Exchange }> {
  return andThen(beginChunkedRequest(ports, config, aead, options), (sealing) => ({
    sealed: sealing.sealStream(message),
    exchange: sealing,
  }))
}

/**
 * The message of an encapsulated request. One key is tried, the one that the request names.
 * @param find - the key of an id, or `null`
 * @throws PosternError `payload.key_unknown` for a key or suite that is not offered; `payload.refused` for all else that does not open
 * @see RFC 9458 §4.3
 */
export function openRequest(
  crypto: CryptoPort,
  find: (keyId: number) => OfferedKey | null,
  sealed: Uint8Array,
): Now<{ readonly message: Uint8Array; readonly exchange: Exchange }> {
  return received(crypto, find, sealed, REQUEST_LABEL, ({ context }, rest) => openChunk(context, EMPTY, rest, requestRefusal))
}

/**
 * The message of a chunked request that is here whole.
 * @throws PosternError `payload.key_unknown` | `payload.refused`, also without an end
 * @see draft-ietf-ohai-chunked-ohttp-08 §5.1
 */
export function openChunkedRequest(
  crypto: CryptoPort,
  find: (keyId: number) => OfferedKey | null,
  sealed: Uint8Array,
  { maxChunkBytes = MAX_CHUNK_BYTES }: OpenChunksOptions = {},
): Now<{ readonly message: Uint8Array; readonly exchange: Exchange }> {
  return received(crypto, find, sealed, CHUNKED_REQUEST_LABEL, ({ context }, rest) =>
    openChunks(context, rest, maxChunkBytes, (_, reason, cause) => refused(reason, cause)),
  )
}

/**
 * The message of a chunked request while it comes: answers when the key agreement is made, before the first chunk. The message fails with
 * `payload.refused` for a chunk that does not open and `payload.truncated` where `sealed` ends or fails without an authenticated end.
 * @throws PosternError `payload.key_unknown` | `payload.refused`
 * @see draft-ietf-ohai-chunked-ohttp-08 §5.1
 */
export async function openRequestStream(
  crypto: CryptoPort,
  find: (keyId: number) => OfferedKey | null,
  sealed: ReadableStream<Uint8Array>,
  { maxChunkBytes = MAX_CHUNK_BYTES }: OpenChunksOptions = {},
): Promise<{ readonly message: ReadableStream<Uint8Array>; readonly exchange: Exchange }> {
  const source = sourceOf(sealed, (cause) => truncated('the source failed', cause))
  try {
    const named = offeredFor(find, await exactly(source, HEADER_BYTES))
    const enc = await exactly(source, knownKem(named.suite.kem)!.encBytes)
    const exchange = await agree(crypto, named, enc, CHUNKED_REQUEST_LABEL)
    return { message: openStream(() => exchange.context, source, maxChunkBytes, requestRefusal), exchange }
  } catch (error) {
    await source.cancel(error)
    throw error
  }
}

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
  return andThen(replySealer(ports, exchange, CHUNKED_REPLY_LABEL), ({ nonce, cipher }) =>
    sealChunks(cipher, nonce, message, chunkBytes),
  )
}

/** A message as chunked response, read as it is sent. Where `message` fails so does it, without an end. @see draft-ietf-ohai-chunked-ohttp-08 §5.2 */
export function sealResponseStream(
  ports: HpkePorts,
  exchange: Exchange,
  message: ReadableStream<Uint8Array>,
  { chunkBytes = CHUNK_BYTES, flush = false }: SealChunksOptions = {},
): Now<ReadableStream<Uint8Array>> {
  return andThen(replySealer(ports, exchange, CHUNKED_REPLY_LABEL), ({ nonce, cipher }) =>
    sealStream(cipher, nonce, message, { chunkBytes, flush }),
  )
}

/** The message of an encapsulated response. @throws PosternError `payload.reply_refused` @see RFC 9458 §4.4 */
export function openResponse(crypto: CryptoPort, exchange: Exchange, sealed: Uint8Array): Now<Uint8Array> {
  const nonceBytes = replyNonceBytes(exchange)
  if (sealed.length < nonceBytes + TAG_BYTES) throw replyRefusal('refused', 'length')
  return andThen(replyCipher(crypto, exchange, REPLY_LABEL, sealed.slice(0, nonceBytes)), (cipher) =>
    openChunk(cipher, EMPTY, sealed.subarray(nonceBytes), replyRefusal),
  )
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
  const nonceBytes = replyNonceBytes(exchange)
  if (sealed.length < nonceBytes) throw replyRefusal('truncated', 'length')
  return andThen(replyCipher(crypto, exchange, CHUNKED_REPLY_LABEL, sealed.slice(0, nonceBytes)), (cipher) =>
    openChunks(cipher, sealed.subarray(nonceBytes), maxChunkBytes, replyRefusal),
  )
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

function begin(
  ports: HpkePorts,
  { keyId, kem, publicKey }: KeyConfig,
  aead: AeadId,
  label: Uint8Array,
): Now<{ readonly head: Uint8Array; readonly exchange: Exchange }> {
  const suite = { kem, kdf: 0x0001, aead } as const
  const header = concat(u8(keyId), u16(kem), u16(suite.kdf), u16(aead))
  return andThen(setupSender(ports, suite, { kem, bytes: publicKey }, concat(label, header)), ({ enc, context }) => ({
    head: concat(header, enc),
    exchange: { keyId, suite, enc, context },
  }))
}

/** What a request says about itself, and the key that it is for. */
interface Named {
  readonly header: Uint8Array
  readonly suite: Exchange['suite']
  readonly key: OfferedKey
}

/** @throws PosternError `payload.key_unknown` */
function offeredFor(find: (keyId: number) => OfferedKey | null, header: Uint8Array): Named {
  const [kem, kdf, aead] = [1, 3, 5].map((at) => (header[at]! << 8) | header[at + 1]!)
  const key = find(header[0]!)
  if (key === null || key.config.kem !== kem) throw unknown()
  if (!key.config.suites.some((offered) => offered.kdf === kdf && offered.aead === aead)) throw unknown()
  return { header, suite: { kem: key.config.kem, kdf: 0x0001, aead: aead as AeadId }, key }
}

function agree(crypto: CryptoPort, { header, suite, key }: Named, enc: Uint8Array, label: Uint8Array): Now<Exchange> {
  return orElse(
    () =>
      andThen(setupReceiver(crypto, suite, key.privateKey, enc, concat(label, header)), (context) => ({
        keyId: header[0]!,
        suite,
        enc,
        context,
      })),
    (cause) => {
      throw isPosternError(cause, 'hpke.invalid_key') ? refused(cause.code, cause) : cause
    },
  )
}

function received(
  crypto: CryptoPort,
  find: (keyId: number) => OfferedKey | null,
  sealed: Uint8Array,
  label: Uint8Array,
  open: (exchange: Exchange, rest: Uint8Array) => Now<Uint8Array>,
): Now<{ readonly message: Uint8Array; readonly exchange: Exchange }> {
  if (sealed.length < HEADER_BYTES) throw refused('header')
  const named = offeredFor(find, sealed.slice(0, HEADER_BYTES))
  const messageAt = HEADER_BYTES + knownKem(named.suite.kem)!.encBytes
  if (sealed.length < messageAt + TAG_BYTES) throw refused('length')
  return andThen(agree(crypto, named, sealed.slice(HEADER_BYTES, messageAt), label), (exchange) =>
    andThen(open(exchange, sealed.subarray(messageAt)), (message) => ({ message, exchange })),
  )
}

async function exactly(source: Source, length: number): Promise<Uint8Array> {
  while (source.held < length) if (!(await source.more())) throw refused('length')
  return source.take(length).slice()
}

function unknown(): PosternError<'payload.key_unknown'> {
  return new PosternError('payload.key_unknown')
}

function refused(reason: string, cause?: unknown): PosternError<'payload.refused'> {
  return new PosternError('payload.refused', { reason, cause })
}

const requestRefusal: Refusal = (why, reason, cause) => (why === 'refused' ? refused(reason, cause) : truncated(reason, cause))
