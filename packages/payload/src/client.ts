/** A `fetch` that seals: one origin, never plaintext. */
import { fromUtf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Clock, Fetch, Random } from '@postern/core/runtime'
import { DEFAULT_PAD, type FieldLine } from './bhttp.js'
import type { KemId } from './hpke.js'
import { callerOf } from './internal/callerOf.js'
import { knownKeys, NATIVE_AES, SLOW_AES, type Target, unlessAborted } from './internal/knownKeys.js'
import {
  linesOf,
  mediaType,
  onlyValue,
  parseDate,
  type RequestHead,
  readAll,
  bodyOf as readBody,
  streamOf,
  toResponse,
} from './internal/messages.js'
import { normalOrigin } from './internal/origin.js'
import { type Begun, beginInSession, beginToKey, guarded, type Reply, received, sealed } from './internal/outgoing.js'
import { KEYS_FIELD, OHTTP_KEY_PROBLEM, PROBLEM_TYPE, VERDICT_FIELD } from './internal/problems.js'
import { SESSION_FIELD } from './internal/sessionField.js'
import { type InUse, type Offer, sessionHolder } from './internal/sessionHolder.js'
import { ekmOf, openSession } from './internal/sessionOpening.js'
import { sourceOf } from './internal/source.js'
import { bodyOf, contentOf, type UploadMode, uploadMode } from './internal/upload.js'
import { REPLY_TYPE } from './ohttp.js'
import type { ClientSession, SessionOpening } from './session.js'

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
/** What sealing, fields and padding add to a reply at most. */
const MAX_OVERHEAD = 1024 * 1024 + 65_536
/** Markers of the server's guard live a minute: an inner verdict on the date proves within half of it that the request did not run. */
const PROOF_MS = 30_000
const SAFE: ReadonlySet<string> = /* @__PURE__ */ new Set(['GET', 'HEAD', 'OPTIONS'])
const NO_CONTENT: ReadonlySet<number> = /* @__PURE__ */ new Set([204, 205, 304])

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
  const { runtime, headers: extra, pad = DEFAULT_PAD, maxBufferBytes = DEFAULT_BUFFER_BYTES, early = 'safe' } = o
  const { clock, crypto, fetch } = runtime
  const origin = normalOrigin(o.origin)
  const keys = knownKeys({ ...o, origin, roots: o.roots === allowUnsignedKeys ? null : o.roots })
  const sessions = sessionHolder(runtime)
  const mode = uploadMode()
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
    for (let resends = 0; ; resends++) {
      signal.throwIfAborted()
      const told: Told = await send(call, signal, offset)
      if (told.kind === 'answer') return told.reply
      // A stream was read: there is nothing left to send again.
      const again = told.kind === 'not-processed' ? call.content instanceof Uint8Array : call.resendable
      if (!again || resends >= MAX_RESENDS || reasons.has(told.reason)) {
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
    const wanted = [o.shareKem, config.kem, ...(o.kems ?? [0x0020, 0x0010])]
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

  /** One sealing, one outer request, one verdict. */
  async function send(call: Call, signal: AbortSignal, corrected: number | null): Promise<Told> {
    const { target, inUse, offer, kem } = await planned(call, signal)
    try {
      const aeads = crypto.name === 'noble' ? SLOW_AES : NATIVE_AES
      const opening = offer === null ? null : await openSession(runtime, { kem: kem!, aeads })
      const sealedAt = clock()
      const offset = corrected ?? inUse?.offset ?? 0
      const streams = !(call.content instanceof Uint8Array)
      const begun =
        inUse === null ? await beginToKey(runtime, target, streams, o.chunkBytes) : await beginInSession(runtime, inUse.session)
      if (begun === null) {
        // Its last call was begun meanwhile: this one is planned anew.
        offer?.dropped()
        sessions.lost(inUse!.session)
        return await send(call, signal, corrected)
      }
      const head = await headOf(call, begun, { now: sealedAt + offset, inUse, opening })
      const source = watched(call.content)
      const body = await sealed(begun, head, source.content, pad)
      const outer = await post(target.gateway, begun, body, signal)
      // The caller's own content broke off: nothing was sent to its end.
      const own = source.failure()
      if (own !== undefined) throw own
      if (outer instanceof Error) return failed({ kind: 'unproved', reason: 'connection', cause: outer })
      if (outer.status !== 200 || mediaType(outer.headers) !== begun.replyType)
        return failed(await outerVerdict(outer, inUse?.session ?? null))
      const reply = await received(begun, outer, maxBufferBytes + MAX_OVERHEAD)
      const authorization = fieldOf(head, 'authorization')
      if (inUse !== null) sessions.used(inUse.session, authorization)
      const field = onlyValue(reply.fields, SESSION_FIELD)
      const session = (await opening?.finish(begun, field, await callerOf(crypto, fieldOf(head, 'dpop')))) ?? null
      // What the server refused by itself says nothing of whether it opens sessions.
      if (session === null && onlyValue(reply.fields, VERDICT_FIELD) !== null) offer?.dropped()
      else offer?.done(session === null ? null : { session, offset, authorization })
      return await innerVerdict(reply, call, { sealedAt, mayOpen: kem !== null && inUse === null })
    } catch (error) {
      if (signal.aborted) offer?.dropped()
      else offer?.failed()
      signal.throwIfAborted()
      if (isPosternError(error, 'payload.truncated')) return { kind: 'unproved', reason: 'connection', cause: error }
      throw error
    }

    function failed(told: Told): Told {
      offer?.failed()
      return told
    }
  }

  async function headOf(
    call: Call,
    { context }: Begun,
    { now, inUse, opening }: { now: number; inUse: InUse | null; opening: SessionOpening | null },
  ): Promise<RequestHead> {
    const { method, url } = call
    const headers = new Headers(call.headers)
    const ekm = (): Now<Uint8Array> => ekmOf(context, opening?.share)
    const bound = opening === null ? (inUse?.session.caller ?? null) : null
    const added = new Headers(await extra?.({ method, url: url.href, ekm, bound }))
    added.forEach((value, name) => {
      headers.set(name, value)
    })
    headers.delete('accept-encoding')
    const fields: FieldLine[] = linesOf(headers).filter(([name]) => name !== 'date')
    fields.push(['date', new Date(now).toUTCString()])
    if (opening !== null) fields.push([SESSION_FIELD, opening.field])
    return { method, scheme: url.protocol.slice(0, -1), authority: url.host, path: `${url.pathname}${url.search}`, fields }
  }

  async function post(
    gateway: string,
    { requestType, replyType }: Begun,
    message: Uint8Array | ReadableStream<Uint8Array>,
    signal: AbortSignal,
  ): Promise<Response | Error> {
    const streams = !(message instanceof Uint8Array)
    const incremental = replyType === REPLY_TYPE ? {} : { incremental: '?1' }
    try {
      const body = streams ? await bodyOf(message, mode) : (message as Uint8Array<ArrayBuffer>)
      const init = {
        method: 'POST',
        headers: { 'content-type': requestType, accept: replyType, ...incremental },
        body,
        signal,
        // A redirect is no 200 and so refused: Workers have no `error`.
        redirect: 'manual',
        cache: 'no-store',
        credentials: 'omit',
        ...(streams && mode === 'stream' ? { duplex: 'half' } : {}),
      } as const
      return await fetch(gateway, init)
    } catch (cause) {
      signal.throwIfAborted()
      return toError(cause)
    }
  }

  /** What an unauthenticated answer says: nothing but which remedy to try. */
  async function outerVerdict(outer: Response, session: ClientSession | null): Promise<Told> {
    const cause = new PosternError('payload.transport', { reason: `outer status ${outer.status}` })
    const isProblem = mediaType(outer.headers) === PROBLEM_TYPE
    const body = isProblem ? await readBody(outer, 4096).catch(() => null) : null
    if (!isProblem) await outer.body?.cancel().catch(() => undefined)
    const text = (body === null ? null : fromUtf8(body)) ?? ''
    if (session !== null && /payload\.(?:session_unknown|refused)/.test(text)) {
      sessions.lost(session)
      return { kind: 'unproved', reason: 'session', cause }
    }
    return { kind: 'unproved', reason: text.includes(OHTTP_KEY_PROBLEM) ? 'ohttp-key' : 'outer', cause }
  }

  async function innerVerdict(
    reply: Reply,
    call: Call,
    { sealedAt, mayOpen }: { readonly sealedAt: number; readonly mayOpen: boolean },
  ): Promise<Told> {
    const seq = onlyValue(reply.fields, KEYS_FIELD)
    if (seq !== null) keys.newer(Number(seq))
    const verdict = onlyValue(reply.fields, VERDICT_FIELD)
    // What has no content for the caller is read to its end here: only that end says that nothing was cut off.
    const short = verdict !== null || NO_CONTENT.has(reply.status) || call.method === 'HEAD'
    const content =
      short && !(reply.content instanceof Uint8Array)
        ? ((await readAll(reply.content, BUFFER_BYTES)) ?? new Uint8Array(0))
        : reply.content
    const whole = { ...reply, content }
    if (verdict === 'payload.stale') {
      const there = parseDate(onlyValue(reply.fields, 'date'))
      const proved = there !== null && clock() - sealedAt <= PROOF_MS
      // Later, a copy may have run whose marker is gone.
      return proved
        ? { kind: 'not-processed', reason: 'date', offset: there - clock(), reply: whole }
        : { kind: 'unproved', reason: 'date', cause: null }
    }
    if (verdict === 'payload.too_early' && mayOpen && !sessions.refused)
      return { kind: 'not-processed', reason: 'early', offset: 0, reply: whole }
    // A copy of this very request may have run.
    if (verdict === 'payload.replayed' || verdict === 'payload.guard_unavailable')
      return { kind: 'unproved', reason: verdict, cause: null }
    return { kind: 'answer', reply: whole }
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

/** One call as it was made, read once: a re-sent call says the same. */
interface Call {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  readonly content: Uint8Array | ReadableStream<Uint8Array>
  readonly resendable: boolean
  /** Set where it is there to open a session, and for nothing else. */
  readonly opens: Offer | null
}

interface Plan {
  readonly target: Target
  readonly inUse: InUse | null
  /** Set where this call offers to open a session. */
  readonly offer: Offer | null
  readonly kem: KemId | null
}

type Told =
  | { readonly kind: 'answer'; readonly reply: Reply }
  | { readonly kind: 'not-processed'; readonly reason: 'date' | 'early'; readonly offset: number; readonly reply: Reply }
  | { readonly kind: 'unproved'; readonly reason: string; readonly cause: unknown }

/** A stream that remembers what it failed with. */
function watched(content: Call['content']): { readonly content: Call['content']; failure(): unknown } {
  if (content instanceof Uint8Array) return { content, failure: () => undefined }
  let failure: unknown
  const source = sourceOf(content, (cause) => {
    failure = cause
    return cause
  })
  return { content: streamOf(source), failure: () => failure }
}

function fieldOf({ fields }: RequestHead, name: string): string | null {
  return fields.find((line) => line[0] === name)?.[1] ?? null
}

function giveUp(call: Call, told: Exclude<Told, { kind: 'answer' }>): PosternError {
  if (told.kind === 'not-processed')
    return new PosternError('payload.transport', { reason: 'the date is refused though it was corrected', retryable: true })
  const { reason, cause } = told
  const again = SAFE.has(call.method) || call.headers.has('idempotency-key')
  return new PosternError(again ? 'payload.transport' : 'payload.outcome_unknown', { reason, cause })
}

function toError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error('fetch failed', { cause })
}
