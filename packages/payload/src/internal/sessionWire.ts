/**
 * The KEM of a session: one HMAC where a first call pays for a key agreement. `enc = sid 16 ‖ ctr u64 ‖ rnd 8`,
 * `shared_secret = HMAC-SHA-256(session_secret, "postern session kem v1" ‖ 00 ‖ enc)`; from there on it is HPKE's own base schedule.
 */
import { concat, u32, utf8 } from '@postern/core/bytes'
import type { CryptoPort, HmacKey, Now } from '@postern/core/cryptoPort'
import type { AeadId, HpkeContext, HpkePorts } from '../hpke.js'
import type { HeldSession } from '../session.js'
import { contextIn, type Layout, layoutOf } from './context.js'
import { andThen } from './now.js'

/** Both in the vendor tree, unregistered. */
export const SESSION_REQUEST_TYPE = 'application/vnd.postern.session-req'
export const SESSION_REPLY_TYPE = 'application/vnd.postern.session-res'
/** Private to the media type; unregistered. */
export const SESSION_KEM = 0xff01
export const ID_BYTES = 16
export const ENC_BYTES = 32
export const HEADER_BYTES = 7
export const REPLY_LABEL: Uint8Array = /* @__PURE__ */ utf8('application/vnd.postern.session response')
const REQUEST_LABEL: Uint8Array = /* @__PURE__ */ utf8('application/vnd.postern.session request\0')
const KEM_LABEL: Uint8Array = /* @__PURE__ */ utf8('postern session kem v1\0')

/** A call of a session and its reply, as either end keeps it until the reply is made. */
export interface SessionExchange {
  readonly keyId: 0
  readonly suite: { readonly kem: typeof SESSION_KEM; readonly kdf: 0x0001; readonly aead: AeadId }
  readonly enc: Uint8Array
  readonly context: HpkeContext
}

const SUITES: Readonly<Record<AeadId, SessionExchange['suite']>> = /* @__PURE__ */ {
  1: { kem: SESSION_KEM, kdf: 0x0001, aead: 1 },
  2: { kem: SESSION_KEM, kdf: 0x0001, aead: 2 },
  3: { kem: SESSION_KEM, kdf: 0x0001, aead: 3 },
}

const HEADERS: Readonly<Record<AeadId, Uint8Array>> = /* @__PURE__ */ { 1: header(1), 2: header(2), 3: header(3) }

function header(aead: AeadId): Uint8Array {
  return Uint8Array.of(0, SESSION_KEM >>> 8, SESSION_KEM & 255, 0, 1, 0, aead)
}

/** Whether a call begins with the seven bytes that every call of such a session begins with. */
export function hasHeader(head: Uint8Array, aead: AeadId): boolean {
  const own = HEADERS[aead]
  for (let i = 0; i < HEADER_BYTES; i++) if (head[i] !== own[i]) return false
  return true
}

// What follows from port and AEAD alone: no secret.
const layouts: WeakMap<CryptoPort, Map<AeadId, Layout>> = /* @__PURE__ */ new WeakMap()

function layoutFor(crypto: CryptoPort, aead: AeadId): Now<Layout> {
  let known = layouts.get(crypto)
  if (known === undefined) layouts.set(crypto, (known = new Map()))
  const layout = known.get(aead)
  if (layout !== undefined) return layout
  return andThen(layoutOf(crypto, SUITES[aead], concat(REQUEST_LABEL, HEADERS[aead])), (fresh) => {
    known.set(aead, fresh)
    return fresh
  })
}

/** @param key - the session's secret, prepared */
export function sessionExchange(crypto: CryptoPort, key: HmacKey, aead: AeadId, enc: Uint8Array): Now<SessionExchange> {
  const input = new Uint8Array(KEM_LABEL.length + ENC_BYTES)
  input.set(KEM_LABEL)
  input.set(enc, KEM_LABEL.length)
  return andThen(layoutFor(crypto, aead), (layout) =>
    andThen(crypto.hmac(key, input), (shared) =>
      andThen(contextIn(crypto, layout, shared), (context) => ({ keyId: 0, suite: SUITES[aead], enc, context })),
    ),
  )
}

/** A call that was begun. */
export interface BegunCall {
  /** The bytes before its message. */
  readonly head: Uint8Array
  readonly exchange: SessionExchange
}

/** A new call. @throws RangeError for a counter above 2^32 - 1 */
export function beginSessionCall(
  { crypto, random }: HpkePorts,
  { id, key, aead }: Pick<HeldSession, 'id' | 'key' | 'aead'>,
  counter: number,
): Now<BegunCall> {
  const enc = concat(id, u32(0), u32(counter), random(8))
  const head = concat(HEADERS[aead], enc)
  return andThen(sessionExchange(crypto, key, aead, enc), (exchange) => ({ head, exchange }))
}
