/** The key of a reply, from what its request exported. @see RFC 9458 §4.4, draft-ietf-ohai-chunked-ohttp-08 §5.2 */
import { concat, utf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import type { AeadId, HpkeContext } from '../hpke.js'
import type { ChunkCipher } from './chunks.js'
import { CountingCipher } from './cipher.js'
import { aeadOf, NONCE_BYTES } from './context.js'
import { EMPTY, firstBytes, mac, oneBlock } from './labels.js'
import { andThen } from './now.js'

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
