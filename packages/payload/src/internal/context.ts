/** The HPKE key schedule and the contexts that come of it. @see RFC 9180 §5.1–5.3 */
import { concat, u16, utf8 } from '@postern/core/bytes'
import type { AeadAlg, AeadKey, CryptoPort, HmacKey, Now } from '@postern/core/cryptoPort'
import type { AeadId, HpkeContext, Psk } from '../hpke.js'
import { CountingCipher } from './cipher.js'
import { invalidKey } from './kem/invalidKey.js'
import { EMPTY, expand, extract, ikmHead, infoHead, mac, oneBlock } from './labels.js'
import { andThen } from './now.js'

export const NONCE_BYTES = 12
/** Keeps AES-GCM's advantage below 2^-56 at 64 KiB a message. */
const MAX_MESSAGES = 2 ** 24
const MIN_PSK_BYTES = 32
const MAX_REMEMBERED = 64

const AEADS: Readonly<Record<AeadId, { readonly alg: AeadAlg; readonly keyBytes: number }>> = {
  1: { alg: 'A128GCM', keyBytes: 16 },
  2: { alg: 'A256GCM', keyBytes: 32 },
  3: { alg: 'C20P', keyBytes: 32 },
}

/** The port's name of an AEAD and its key length. */
export function aeadOf(id: AeadId): { readonly alg: AeadAlg; readonly keyBytes: number } {
  return AEADS[id]
}

/** A suite, or the session's: its KEM is known to its media type alone. */
export interface AnySuite {
  readonly kem: number
  readonly kdf: 0x0001
  readonly aead: AeadId | 0xffff
}

/** What follows from suite, mode and info: the whole HMAC inputs of the schedule. */
export interface Layout {
  readonly suite: AnySuite
  readonly secret: Uint8Array
  readonly key: Uint8Array
  readonly baseNonce: Uint8Array
  readonly exporter: Uint8Array
  /** `u16 ‖ "HPKE-v1" ‖ suite_id ‖ "sec"`, the length still to be written. */
  readonly export: Uint8Array
}

// What the schedule computes from public constants and `info` alone, kept by port: bounded, and without any secret.
const layouts: WeakMap<CryptoPort, Map<string, Layout>> = /* @__PURE__ */ new WeakMap()

/** The context of a KEM shared secret. */
export function contextOf(
  crypto: CryptoPort,
  suite: AnySuite,
  shared: Uint8Array,
  info: Uint8Array,
  psk?: Psk,
): Now<HpkeContext> {
  if (psk !== undefined && (psk.psk.length < MIN_PSK_BYTES || psk.id.length === 0))
    //              RFC 9180 §5.1, VerifyPSKInputs, §9.5
    throw invalidKey('a psk below 32 bytes, or without a name')
  return andThen(layoutOf(crypto, suite, info, psk), (layout) => contextIn(crypto, layout, shared))
}

/** The context of a KEM shared secret in a schedule laid out before. */
export function contextIn(crypto: CryptoPort, layout: Layout, shared: Uint8Array): Now<HpkeContext> {
  return andThen(mac(crypto, shared, layout.secret), (secret) =>
    andThen(crypto.hmacKey('SHA-256', secret), (prk) => keysOf(crypto, layout, prk)),
  )
}

export function layoutOf(crypto: CryptoPort, suite: AnySuite, info: Uint8Array, psk?: Psk): Now<Layout> {
  if (psk !== undefined || info.length > 64) return layOut(crypto, suite, info, psk)
  let known = layouts.get(crypto)
  if (known === undefined) layouts.set(crypto, (known = new Map()))
  const name = `${suite.kem}.${suite.aead}.${String.fromCharCode(...info)}`
  const layout = known.get(name)
  if (layout !== undefined) return layout
  return andThen(layOut(crypto, suite, info, undefined), (fresh) => {
    if (known.size >= MAX_REMEMBERED) known.clear()
    known.set(name, fresh)
    return fresh
  })
}

function layOut(crypto: CryptoPort, suite: AnySuite, info: Uint8Array, psk: Psk | undefined): Now<Layout> {
  const suiteId = concat(utf8('HPKE'), u16(suite.kem), u16(suite.kdf), u16(suite.aead))
  const keyBytes = suite.aead === 0xffff ? 0 : AEADS[suite.aead].keyBytes
  return andThen(extract(crypto, concat(ikmHead(suiteId, 'psk_id_hash'), psk?.id ?? EMPTY)), (pskIdHash) =>
    andThen(extract(crypto, concat(ikmHead(suiteId, 'info_hash'), info)), (infoHash) => {
      const context = concat(Uint8Array.of(psk === undefined ? 0 : 1), pskIdHash, infoHash)
      return {
        suite: { ...suite },
        secret: concat(ikmHead(suiteId, 'secret'), psk?.psk ?? EMPTY),
        key: oneBlock(infoHead(suiteId, 'key', keyBytes), context),
        baseNonce: oneBlock(infoHead(suiteId, 'base_nonce', NONCE_BYTES), context),
        exporter: oneBlock(infoHead(suiteId, 'exp', 32), context),
        export: infoHead(suiteId, 'sec', 0),
      }
    }),
  )
}

function keysOf(crypto: CryptoPort, layout: Layout, prk: HmacKey): Now<HpkeContext> {
  const { aead } = layout.suite
  if (aead === 0xffff) return new Context(crypto, layout, prk, null, EMPTY)
  const { alg, keyBytes } = AEADS[aead]
  return andThen(crypto.hmac(prk, layout.key), (key) =>
    andThen(crypto.aeadKey(alg, keyBytes === key.length ? key : key.subarray(0, keyBytes)), (cipher) =>
      andThen(
        crypto.hmac(prk, layout.baseNonce),
        (nonce) => new Context(crypto, layout, prk, cipher, nonce.slice(0, NONCE_BYTES)),
      ),
    ),
  )
}

class Context extends CountingCipher implements HpkeContext {
  private readonly layout: Layout
  private readonly prk: HmacKey
  private exporter: Now<HmacKey> | undefined

  constructor(crypto: CryptoPort, layout: Layout, prk: HmacKey, key: AeadKey | null, baseNonce: Uint8Array) {
    super(crypto, key, baseNonce, MAX_MESSAGES)
    this.layout = layout
    this.prk = prk
  }

  export(context: Uint8Array, length: number): Now<Uint8Array> {
    const { crypto, layout } = this
    // Computed when first asked for: a call without reply key or binding does not pay for it.
    this.exporter ??= andThen(crypto.hmac(this.prk, layout.exporter), (secret) => crypto.hmacKey('SHA-256', secret))
    const block = oneBlock(layout.export, context)
    block[0] = length >>> 8
    block[1] = length
    return andThen(this.exporter, (key) => expand(crypto, key, block, length))
  }
}
