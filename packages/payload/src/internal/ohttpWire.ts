/** What Oblivious HTTP messages have in common: media types, labels, how a request begins. @see RFC 9458, draft-ietf-ohai-chunked-ohttp-08 */
import { concat, u8, u16, utf8 } from '@postern/core/bytes'
import type { Now } from '@postern/core/cryptoPort'
import { type AeadId, type HpkePorts, setupSender } from '../hpke.js'
import type { Exchange, KeyConfig } from '../ohttp.js'
import { andThen } from './now.js'

export const REQUEST_TYPE = 'message/ohttp-req'
export const REPLY_TYPE = 'message/ohttp-res'
export const KEYS_TYPE = 'application/ohttp-keys'
export const CHUNKED_REQUEST_TYPE = 'message/ohttp-chunked-req'
export const CHUNKED_REPLY_TYPE = 'message/ohttp-chunked-res'
/** Plaintext of a chunk that every receiver takes, in bytes. */
export const CHUNK_BYTES = 16_384
/** The largest chunk that is taken here, in bytes of plaintext. */
export const MAX_CHUNK_BYTES = 65_536
export const REQUEST_LABEL: Uint8Array = /* @__PURE__ */ utf8('message/bhttp request\0')
export const REPLY_LABEL: Uint8Array = /* @__PURE__ */ utf8('message/bhttp response')
export const CHUNKED_REQUEST_LABEL: Uint8Array = /* @__PURE__ */ utf8('message/bhttp chunked request\0')
export const CHUNKED_REPLY_LABEL: Uint8Array = /* @__PURE__ */ utf8('message/bhttp chunked response')

/** The key agreement of a request, and the bytes before its message. @throws PosternError `hpke.invalid_key` @see RFC 9458 §4.3 */
export function beginExchange(
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
