/** Requests to a gateway, single-shot and chunked. @see RFC 9458 §4.3, draft-ietf-ohai-chunked-ohttp-08 §5.1 */
import { concat } from '@postern/core/bytes'
import type { Now } from '@postern/core/cryptoPort'
import type { AeadId, HpkePorts } from '../hpke.js'
import type { ChunkedSealing, Exchange, KeyConfig, SealChunksOptions, Sealing } from '../ohttp.js'
import { sealChunks } from './chunks.js'
import { EMPTY } from './labels.js'
import { andThen } from './now.js'
import { beginExchange, CHUNK_BYTES, CHUNKED_REQUEST_LABEL, REQUEST_LABEL } from './ohttpWire.js'
import { sealStream } from './sealStream.js'

/**
 * Begins a sealed request to a key.
 * @throws PosternError `hpke.invalid_key` for a public key off the curve or of low order
 * @see RFC 9458 §4.3
 */
export function beginRequest(ports: HpkePorts, config: KeyConfig, aead: AeadId): Now<Sealing> {
  return andThen(beginExchange(ports, config, aead, REQUEST_LABEL), ({ head, exchange }) => ({
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
  return andThen(beginExchange(ports, config, aead, CHUNKED_REQUEST_LABEL), ({ head, exchange }) => ({
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
