/** Requests as a gateway opens them: one key is tried, the one that the request names. @see RFC 9458 §4.3, draft-ietf-ohai-chunked-ohttp-08 §5.1 */
import { concat } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import { type AeadId, setupReceiver } from '../hpke.js'
import type { Exchange, OfferedKey, OpenChunksOptions } from '../ohttp.js'
import { openChunk, openChunks, TAG_BYTES } from './chunks.js'
import { knownKem } from './kem/kem.js'
import { EMPTY } from './labels.js'
import { andThen, orElse } from './now.js'
import { CHUNKED_REQUEST_LABEL, MAX_CHUNK_BYTES, REQUEST_LABEL } from './ohttpWire.js'
import { openStream } from './openStream.js'
import { refused, requestRefusal, truncated, wholeRefusal } from './refusals.js'
import { type Source, sourceOf } from './source.js'

const HEADER_BYTES = 7

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
    openChunks(context, rest, maxChunkBytes, wholeRefusal),
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
