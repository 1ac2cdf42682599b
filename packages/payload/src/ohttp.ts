/**
 * Oblivious HTTP messages, single-shot and chunked, as bytes and as streams, and key configurations: what any RFC 9458 client or gateway
 * speaks. A message that does not open gives nothing; a chunked one gives each chunk once its own tag fits, and an error instead of an
 * end where the end is not authenticated.
 * @see RFC 9458, draft-ietf-ohai-chunked-ohttp-08
 */
import type { Now } from '@postern/core/cryptoPort'
import type { AeadId, HpkeContext, KemId, KemPrivateKey, Suite } from './hpke.js'

export { decodeKeyConfigs, encodeKeyConfigs } from './internal/keyConfig.js'
export { openChunkedRequest, openRequest, openRequestStream } from './internal/ohttpOpening.js'
export {
  openChunkedResponse,
  openResponse,
  openResponseStream,
  sealChunkedResponse,
  sealResponse,
  sealResponseStream,
} from './internal/ohttpReplies.js'
export { beginChunkedRequest, beginRequest, sealRequest, sealRequestStream } from './internal/ohttpRequests.js'
export {
  CHUNK_BYTES,
  CHUNKED_REPLY_TYPE,
  CHUNKED_REQUEST_TYPE,
  KEYS_TYPE,
  MAX_CHUNK_BYTES,
  REPLY_TYPE,
  REQUEST_TYPE,
} from './internal/ohttpWire.js'

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
