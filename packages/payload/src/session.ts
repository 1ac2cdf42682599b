/**
 * Sessions: one key agreement for many calls, in any order and in parallel. A session opens inside a sealed call, with a fresh share of
 * the client's, so that later theft of the server's key opens none of its calls; each call is then a chunked Oblivious HTTP message whose
 * KEM is one HMAC. The two ends agree, by their secret, on everything that was said at the opening.
 */
import type { HmacKey, Now } from '@postern/core/cryptoPort'
import type { AeadId, HpkeContext, HpkePorts, KemId } from './hpke.js'
import type { SessionExchange } from './internal/sessionWire.js'

export { acceptSession } from './internal/acceptSession.js'
export { ekmOf } from './internal/ekm.js'
export { type LocalSessionsOptions, localSessions } from './internal/localSessions.js'
export type { SessionShare } from './internal/sessionField.js'
export {
  beginSessionRequest,
  openSession,
  openSessionRequest,
  openSessionRequestStream,
  openSessionResponse,
  openSessionResponseStream,
  sealSessionResponse,
  sealSessionResponseStream,
} from './internal/sessionMessages.js'
export { SESSION_REPLY_TYPE, SESSION_REQUEST_TYPE, type SessionExchange } from './internal/sessionWire.js'
export { type SharedSessionsOptions, sharedSessions } from './internal/sharedSessions.js'

/** What `bind` verified about the caller. */
export interface Binding {
  /** Thumbprint of the caller's key (RFC 7638). */
  readonly jkt: string
  /** Hash of the access token (RFC 9449 §4.2), `null` without one. */
  readonly ath: string | null
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** A session as the server keeps it. */
export interface Session {
  /** 16 bytes: the node (u16), then random ones. */
  readonly id: Uint8Array
  readonly secret: Uint8Array
  readonly aead: AeadId
  /** Calls. */
  readonly max: number
  /** Plaintext of a chunk in bytes, both ways. */
  readonly chunkBytes: number
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly binding: Binding | null
}

/** A session as a keeper hands it out. */
export interface HeldSession extends Omit<Session, 'secret'> {
  /** The secret, prepared. */
  readonly key: HmacKey
}

/** `first`: run it; `replayed`: this counter was used; `closed`: the session is over; `unknown`: could not be decided, this attempt runs nothing. */
export type CounterVerdict = 'first' | 'replayed' | 'closed' | 'unknown'

/** Which sessions to end. */
export type SessionSelection = { readonly sid: Uint8Array } | { readonly jkt: string } | { readonly all: true }

/** Keeps sessions and decides which of their counters are new. */
export interface SessionKeeper {
  /** `null` where the counter window lives and dies with the secret; otherwise how far (ms) a call's date may be from the clock. */
  readonly windowMs: number | null
  /** A fresh id. */
  newId(): Uint8Array
  keep(session: Session): Now<void>
  find(id: Uint8Array): Now<HeldSession | null>
  /** @param expiresAt - until when (ms) the counter must be remembered, where the keeper does not by itself */
  claim(session: HeldSession, counter: number, expiresAt: number): Now<CounterVerdict>
  /** Ends a session at `at` (ms): another was opened in its place. */
  retire(session: HeldSession, at: number): Now<void>
  /** Ends sessions at once. */
  forget(selection: SessionSelection): Promise<void>
  sweep(now: number, budgetMs: number): Promise<void>
}

/** What a server allows of a session. */
export interface SessionLimits {
  readonly kems: readonly KemId[]
  readonly aeads: readonly AeadId[]
  readonly chunkBytes: number
  /** Milliseconds. */
  readonly lifeMs: number
  /** Calls. */
  readonly max: number
}

/** @defaultValue X25519 and the hybrid, every AEAD, 64 KiB, an hour, 65,536 calls */
export const SESSION_LIMITS: SessionLimits = {
  kems: [0x0020, 0x647a, 0x0010],
  aeads: [0x0002, 0x0003, 0x0001],
  chunkBytes: 65_536,
  lifeMs: 3_600_000,
  max: 65_536,
}

/** The sealed call that a session opens in. */
export interface OpeningCall {
  readonly context: Pick<HpkeContext, 'export'>
  readonly enc: Uint8Array
  /** The key configuration's bytes (RFC 9458 §3.1) that the call was sealed to; empty inside a session. */
  readonly keyConfig: Uint8Array
}

/** The client's half of an opening. */
export interface SessionOpening {
  /** The value of `payload-session` in the request. */
  readonly field: string
  /** What the caller's proof covers, with {@link ekmOf}: `u16(kem) ‖ public key`. */
  readonly share: Uint8Array
  /**
   * The session of the field in the reply; `null` for a field that does not parse, or grants what was not offered. To be called once.
   * @param caller - what this side's proof said of itself, for a server that says it bound the session
   */
  finish(call: OpeningCall, field: string | null, caller: Pick<Binding, 'jkt' | 'ath'> | null): Now<ClientSession | null>
}

/** A session as the client holds it. */
export interface ClientSession {
  readonly id: Uint8Array
  readonly aead: AeadId
  readonly max: number
  readonly chunkBytes: number
  /** Milliseconds from its opening. */
  readonly lifeMs: number
  /** Who the server knows the caller as; `null` in an anonymous session. */
  readonly caller: Pick<Binding, 'jkt' | 'ath'> | null
  /** Calls begun. */
  readonly used: number
  /** The next call; `null` when all were used or the session is closed. */
  begin(ports: HpkePorts): Now<SessionSealing> | null
  /** Forgets the secret. */
  close(): void
}

/** A call of a session about to be sealed, as bytes or as a stream, once. */
export interface SessionSealing extends SessionExchange {
  seal(message: Uint8Array): Now<Uint8Array>
  /** Piece by piece. Where `message` fails so does it, without an authenticated end. */
  sealStream(message: ReadableStream<Uint8Array>, options?: { readonly flush?: boolean }): ReadableStream<Uint8Array>
}

/** A call of a session, known by its first 39 bytes. */
export interface SessionCall {
  readonly session: HeldSession
  readonly counter: number
  readonly exchange: SessionExchange
}
