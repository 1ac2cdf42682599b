/** A `fetch` that seals: one origin, never plaintext. */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { Clock, Fetch, Random } from '@postern/core/runtime'
import type { AeadId, KemId } from './hpke.js'
import { knownKeys, type Target } from './internal/knownKeys.js'
import { toResponse } from './internal/messages.js'
import { normalOrigin } from './internal/origin.js'
import { guarded, type Reply } from './internal/outgoing.js'
import { type Call, type Plan, senderOf } from './internal/sending.js'
import { sessionHolder } from './internal/sessionHolder.js'
import { contentOf, type UploadMode, uploadMode } from './internal/upload.js'
import type { Told } from './internal/verdicts.js'
import { unlessAborted } from './internal/waiting.js'

/** Trust key configurations by TLS alone: whoever ends TLS on the way can read every call. For tests and third parties. */
export const allowUnsignedKeys: unique symbol = Symbol('postern.allowUnsignedKeys')

/** The call that `headers` is asked about. */
export interface OutgoingCall {
  readonly method: string
  readonly url: string
  /** 32 bytes that only this sealed request's two ends know; base64url of it is the claim `ekm` of a DPoP proof. */
  ekm(): Now<Uint8Array>
  /**
   * Who the server knows the caller as, from the session that this call goes in: with the same key and token it needs no proof of its own.
   * `null` outside such a session, and whenever the call opens one.
   */
  readonly bound: { readonly jkt: string; readonly ath: string | null } | null
}

export interface SealedFetchOptions {
  /** `https` origin of the API: the inner scheme and authority; every call must go there. */
  readonly origin: string
  /** Public keys that may sign the key document: one in use, one offline. */
  readonly roots: readonly [JsonWebKey, ...JsonWebKey[]] | typeof allowUnsignedKeys
  readonly runtime: { readonly fetch: Fetch; readonly clock: Clock; readonly random: Random; readonly crypto: CryptoPort }
  /** The highest `seq` of a key document ever taken, kept by the app across starts. */
  readonly seen?: { get(): Promise<number>; set(seq: number): Promise<void> }
  /**
   * What may travel before a session exists, guarded against replay by the server's store alone: nothing (`never`), GET, HEAD and OPTIONS
   * (`safe`, the default), or every call (`any`). The rest waits for a session that is opened first, where the server offers them.
   */
  readonly early?: 'never' | 'safe' | 'any'
  /** @defaultValue 'auto': in sessions where the server offers them */
  readonly session?: 'auto' | 'off'
  /** KEM of the session's share, where the server offers it; default that of the key sealed to. */
  readonly shareKem?: KemId
  /** KEMs the client takes, default X25519 and P-256. */
  readonly kems?: readonly KemId[]
  /** Padding of the inner message, default to at least 256 bytes. */
  readonly pad?: false | { readonly floor: number }
  /** Plaintext of a chunk outside sessions, in bytes; default what the server takes. */
  readonly chunkBytes?: number
  /** Largest request or reply that is held in memory where it cannot stream; default 16 MiB. */
  readonly maxBufferBytes?: number
  /** Header fields to add inside, asked once per sealing (a re-sent call asks again): tokens, DPoP. */
  readonly headers?: (call: OutgoingCall) => Promise<HeadersInit>
}

export type SealedFetch = ((input: Request | URL | string, init?: RequestInit) => Promise<Response>) & {
  /** How large requests are sent: as a stream, sealed into a `Blob` first, or held in memory. */
  readonly mode: UploadMode
  /** Forgets keys and session; later calls reject. */
  close(): void
  /** Opens a session, in place of the one there is: after a login, or before the first call that waits for one. Does nothing where none is offered. */
  reopen(): Promise<void>
}

/** Every code that a sealed fetch rejects with, or the body of its answer fails with, beside the signal's own reason; `bhttp.*` for fields that cannot be said. */
export type SealedFetchCode =
  | 'payload.transport'
  | 'payload.reply_refused'
  | 'payload.truncated'
  | 'payload.keys_untrusted'
  | 'payload.keys_rolled_back'
  | 'payload.keys_expired'
  | 'payload.outcome_unknown'
  | 'payload.body_too_large'
  | 'payload.misdirected'
  | 'bhttp.malformed'
  | 'bhttp.limit'

const DEFAULT_BUFFER_BYTES = 16 * 1024 * 1024
/** Up to here a request is held, so that it can be sent again, whatever streams. */
const BUFFER_BYTES = 65_536
const MAX_RESENDS = 2
const SAFE: ReadonlySet<string> = /* @__PURE__ */ new Set(['GET', 'HEAD', 'OPTIONS'])
const DEFAULT_KEMS: readonly KemId[] = [0x0020, 0x0010]
const NATIVE_AES: readonly AeadId[] = [0x0002, 0x0003, 0x0001]
const SLOW_AES: readonly AeadId[] = [0x0003, 0x0002, 0x0001]

/**
 * A `fetch` for one origin that seals every call, in a session where the server offers them. No option, answer or redirect makes it
 * send anything readable.
 *
 * Outer answers are unauthenticated: whoever stands between can let a request through and say it was refused. After one, only GET, HEAD,
 * OPTIONS and requests with an `idempotency-key` are sent again; others end `payload.outcome_unknown`.
 *
 * @throws PosternError `payload.config` for an origin that is not `https` (loopback `http` is taken for development). Calls reject with
 * {@link SealedFetchCode}, the signal's reason, or whatever `headers` and `seen` throw.
 *
 * @example
 * const api = createSealedFetch({ origin: 'https://api.bank.example', roots: [rootJwk], runtime })
 * const answer = await api('https://api.bank.example/transfers', { method: 'POST', body })
 */
export function createSealedFetch(o: SealedFetchOptions): SealedFetch {
  const { runtime, maxBufferBytes = DEFAULT_BUFFER_BYTES, early = 'safe', kems = DEFAULT_KEMS } = o
  const origin = normalOrigin(o.origin)
  const aeads = runtime.crypto.name === 'noble' ? SLOW_AES : NATIVE_AES
  const keys = knownKeys({ ...o, origin, roots: o.roots === allowUnsignedKeys ? null : o.roots, kems, aeads })
  const sessions = sessionHolder(runtime)
  const mode = uploadMode()
  const send = senderOf({ ...o, maxBufferBytes, aeads, mode, keys, sessions })
  let closed = false

  async function sealedFetch(input: Request | URL | string, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init)
    const reply = await run(await snapshot(request), request.signal)
    const { content } = reply
    return toResponse(reply, content instanceof Uint8Array ? content : guarded(content, request.signal), request.url)
  }

  /** Sends until there is an answer, or nothing more may be sent. */
  async function run(call: Call, signal: AbortSignal): Promise<Reply> {
    const reasons = new Set<string>()
    let offset: number | null = null
    for (let resends = 0; ; ) {
      signal.throwIfAborted()
      const told = await send(call, await planned(call, signal), signal, offset)
      if (told === null) continue
      if (told.kind === 'answer') return told.reply
      // A stream was read: there is nothing left to send again.
      const again = told.kind === 'not-processed' ? call.content instanceof Uint8Array : call.resendable
      if (!again || resends++ >= MAX_RESENDS || reasons.has(told.reason)) {
        if (told.kind === 'not-processed' && told.reason === 'early') return told.reply
        throw giveUp(call, told)
      }
      reasons.add(told.reason)
      if (told.kind === 'not-processed' && told.reason === 'date') offset = told.offset
      else if (told.reason === 'early' && sessions.current() === null) await openOnly(signal)
      else if (told.reason === 'ohttp-key') await keys.refresh(signal)
    }
  }

  async function snapshot(request: Request): Promise<Call> {
    if (closed) throw new PosternError('payload.transport', { publicMessage: 'This sealed fetch was closed.', retryable: false })
    const url = new URL(request.url)
    if (url.origin !== origin)
      throw new PosternError('payload.misdirected', { publicMessage: 'Only the configured origin is called.' })
    const uploads = o.roots === allowUnsignedKeys ? 'buffer' : mode
    const content = await contentOf(request, uploads, { bufferBytes: BUFFER_BYTES, maxBufferBytes })
    if (content === null) throw new PosternError('payload.body_too_large')
    const { method, headers } = request
    const repeatable = SAFE.has(method) || headers.has('idempotency-key')
    return { method, url, headers, content, resendable: repeatable && content instanceof Uint8Array, opens: null }
  }

  /** How this call goes: in a session, offering to open one, or neither. Waits for a session where it may not go without. */
  async function planned(call: Call, signal: AbortSignal): Promise<Plan> {
    const target = await keys.current(signal)
    const kem = o.session === 'off' ? null : shareKem(target)
    const inUse = kem === null || call.opens !== null ? null : sessions.current()
    const plan = { target, inUse, kem, offer: call.opens }
    if (kem === null || call.opens !== null) return plan
    if (inUse !== null) return sessions.renewalDue ? { ...plan, offer: sessions.ride() } : plan
    if (sessions.refused) return plan
    if (early === 'any' || (early === 'safe' && SAFE.has(call.method))) return { ...plan, offer: sessions.ride() }
    await openOnly(signal)
    // Where none was granted, the call goes on as it is.
    return { ...plan, inUse: sessions.current() }
  }

  function shareKem({ session, config }: Target): KemId | null {
    if (session === null) return null
    const takes = (kem: number | undefined): kem is KemId => kem !== undefined && session.kems.includes(kem)
    const wanted = [o.shareKem, config.kem, ...kems]
    return wanted.find(takes) ?? null
  }

  /** Opens a session with a call that does nothing else. Whoever gives up waiting leaves it to the others. */
  function openOnly(signal: AbortSignal): Promise<void> {
    const own = new AbortController().signal
    const opening = sessions.opening(async (opens) => {
      const { gateway } = await keys.current(own)
      const url = new URL(new URL(gateway).pathname, origin)
      await run({ method: 'GET', url, headers: new Headers(), content: new Uint8Array(0), resendable: true, opens }, own)
    })
    return unlessAborted(opening, signal)
  }

  return Object.assign(sealedFetch, {
    mode,
    close() {
      closed = true
      keys.forget()
      sessions.close()
    },
    async reopen() {
      const { signal } = new AbortController()
      const target = await keys.current(signal)
      if (o.session !== 'off' && shareKem(target) !== null) await openOnly(signal)
    },
  })
}

function giveUp(call: Call, told: Exclude<Told, { kind: 'answer' }>): PosternError {
  if (told.kind === 'not-processed')
    return new PosternError('payload.transport', { reason: 'the date is refused though it was corrected' })
  const { reason, cause } = told
  const again = SAFE.has(call.method) || call.headers.has('idempotency-key')
  return new PosternError(again ? 'payload.transport' : 'payload.outcome_unknown', { reason, cause })
}
