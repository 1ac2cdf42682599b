/**
 * Oblivious HTTP messages, single-shot, and key configurations: what any RFC 9458 client or gateway speaks.
 * @see RFC 9458
 */
import { concat, u8, u16, utf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Random } from '@postern/core/runtime'
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
import { aeadOf, NONCE_BYTES } from './internal/context.js'
import { publicBytesOf } from './internal/dhkem.js'
import { decodeAll, encodeOne } from './internal/keyConfig.js'
import { EMPTY, expand, mac } from './internal/labels.js'
import { andThen, orElse } from './internal/now.js'

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

/** The key of an id, and the configuration under which it is offered. */
export interface OfferedKey {
  readonly config: KeyConfig
  readonly privateKey: KemPrivateKey
}

export const REQUEST_TYPE = 'message/ohttp-req'
export const REPLY_TYPE = 'message/ohttp-res'
export const KEYS_TYPE = 'application/ohttp-keys'
const REQUEST_LABEL: Uint8Array = /* @__PURE__ */ utf8('message/bhttp request\0')
const REPLY_LABEL: Uint8Array = /* @__PURE__ */ utf8('message/bhttp response')
const KEY_LABEL: Uint8Array = /* @__PURE__ */ utf8('key')
const NONCE_LABEL: Uint8Array = /* @__PURE__ */ utf8('nonce')
const HEADER_BYTES = 7
const TAG_BYTES = 16

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
export function beginRequest(ports: HpkePorts, { keyId, kem, publicKey }: KeyConfig, aead: AeadId): Now<Sealing> {
  const suite = { kem, kdf: 0x0001, aead } as const
  const header = headerOf(keyId, suite)
  const info = concat(REQUEST_LABEL, header)
  return andThen(setupSender(ports, suite, { kem, bytes: publicKey }, info), ({ enc, context }) => ({
    keyId,
    suite,
    enc,
    context,
    seal: (message) => andThen(context.seal(EMPTY, message), (sealed) => concat(header, enc, sealed)),
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
  if (sealed.length < HEADER_BYTES) throw refused('header')
  const keyId = sealed[0]!
  const kem = (sealed[1]! << 8) | sealed[2]!
  const kdf = (sealed[3]! << 8) | sealed[4]!
  const aead = (sealed[5]! << 8) | sealed[6]!
  const key = find(keyId)
  if (key === null || key.config.kem !== kem) throw unknown()
  if (!key.config.suites.some((offered) => offered.kdf === kdf && offered.aead === aead)) throw unknown()
  const suite = { kem: key.config.kem, kdf: 0x0001, aead: aead as AeadId } as const
  const encBytes = publicBytesOf(kem)!
  if (sealed.length < HEADER_BYTES + encBytes + TAG_BYTES) throw refused('length')
  const enc = sealed.slice(HEADER_BYTES, HEADER_BYTES + encBytes)
  const info = concat(REQUEST_LABEL, sealed.subarray(0, HEADER_BYTES))
  return orElse(
    () =>
      andThen(setupReceiver(crypto, suite, key.privateKey, enc, info), (context) =>
        andThen(context.open(EMPTY, sealed.subarray(HEADER_BYTES + encBytes)), (message) => ({
          message,
          exchange: { keyId, suite, enc, context },
        })),
      ),
    (cause) => {
      if (isPosternError(cause, 'hpke.invalid_key', 'hpke.open_failed')) throw refused(cause.code, cause)
      throw cause
    },
  )
}

/** A message as encapsulated response of an exchange. @see RFC 9458 §4.4 */
export function sealResponse(
  { crypto, random }: { readonly crypto: CryptoPort; readonly random: Random },
  exchange: Exchange,
  message: Uint8Array,
): Now<Uint8Array> {
  const nonce = random(replyNonceBytes(exchange))
  return andThen(replyKeys(crypto, exchange, nonce), ({ cipher, iv }) =>
    andThen(crypto.seal(cipher, iv, EMPTY, message), (sealed) => concat(nonce, sealed)),
  )
}

/** The message of an encapsulated response. @throws PosternError `payload.reply_refused` @see RFC 9458 §4.4 */
export function openResponse(crypto: CryptoPort, exchange: Exchange, sealed: Uint8Array): Now<Uint8Array> {
  const nonceBytes = replyNonceBytes(exchange)
  if (sealed.length < nonceBytes + TAG_BYTES) throw new PosternError('payload.reply_refused', { reason: 'length' })
  return andThen(replyKeys(crypto, exchange, sealed.slice(0, nonceBytes)), ({ cipher, iv }) =>
    andThen(crypto.open(cipher, iv, EMPTY, sealed.subarray(nonceBytes)), (message) => {
      if (message === null) throw new PosternError('payload.reply_refused', { reason: 'tag' })
      return message
    }),
  )
}

function replyNonceBytes({ suite }: Exchange): number {
  return Math.max(NONCE_BYTES, aeadOf(suite.aead).keyBytes)
}

function replyKeys(crypto: CryptoPort, { suite, enc, context }: Exchange, nonce: Uint8Array) {
  const { alg, keyBytes } = aeadOf(suite.aead)
  return andThen(context.export(REPLY_LABEL, nonce.length), (secret) =>
    andThen(mac(crypto, concat(enc, nonce), secret), (extracted) =>
      andThen(crypto.hmacKey('SHA-256', extracted), (prk) =>
        andThen(expand(crypto, prk, KEY_LABEL, keyBytes), (key) =>
          andThen(expand(crypto, prk, NONCE_LABEL, NONCE_BYTES), (iv) =>
            andThen(crypto.aeadKey(alg, key), (cipher) => ({ cipher, iv })),
          ),
        ),
      ),
    ),
  )
}

function headerOf(keyId: number, { kem, kdf, aead }: Suite): Uint8Array {
  return concat(u8(keyId), u16(kem), u16(kdf), u16(aead))
}

function unknown(): PosternError<'payload.key_unknown'> {
  return new PosternError('payload.key_unknown')
}

function refused(reason: string, cause?: unknown): PosternError<'payload.refused'> {
  return new PosternError('payload.refused', { reason, cause })
}
