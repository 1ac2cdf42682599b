/** A `fetch` that seals: one origin, never plaintext. */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Clock, Fetch, Random } from '@postern/core/runtime'
import type { AeadId, KemId } from './hpke.js'
import type { ClientOpening } from './internal/clientOpening.js'
import { ekmOf } from './internal/ekm.js'
import type { FieldLine } from './internal/fieldRules.js'
import { knownKeys, type Target } from './internal/knownKeys.js'
import { linesOf, mediaType, onlyValue, type RequestHead, streamOf, streams, toResponse } from './internal/messages.js'
import { REPLY_TYPE } from './internal/ohttpWire.js'
import { normalOrigin } from './internal/origin.js'
import { type Begun, beginInSession, beginToKey, guarded, type Reply, received, sealed } from './internal/outgoing.js'
import { DEFAULT_PAD } from './internal/padme.js'
import { type InUse, type Offer, sessionHolder } from './internal/sessionHolder.js'
import { sourceOf } from './internal/source.js'
import { contentOf, type UploadMode, uploadMode } from './internal/upload.js'
import { innerVerdict, outerVerdict, type Told } from './internal/verdicts.js'
import { loaded, unlessAborted } from './internal/waiting.js'
import { KEYS_FIELD, SESSION_FIELD, VERDICT_FIELD } from './internal/wire.js'

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
  const { runtime, headers: extra, pad = DEFAULT_PAD, maxBufferBytes = DEFAULT_BUFFER_BYTES, early = 'safe' } = o
  const { kems = DEFAULT_KEMS } = o
  const { clock, crypto, fetch } = runtime
  const origin = normalOrigin(o.origin)
  const aeads = crypto.name === 'noble' ? SLOW_AES : NATIVE_AES
  const keys = knownKeys({ ...o, origin, roots: o.roots === allowUnsignedKeys ? null : o.roots, kems, aeads })
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

  /** One sealing, one outer request, one verdict. */
  async function send(call: Call, signal: AbortSignal, corrected: number | null): Promise<Told> {
    const { target, inUse, offer, kem } = await planned(call, signal)
    let sent = false
    try {
      const opening = offer === null ? null : await opens(kem!)
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
      const head = await headOf(call, begun, { now: sealedAt + offset, inUse, opening, signal })
      const source = watched(call.content)
      const body = await sealedBody(begun, head, source.content, signal)
      sent = true
      const outer = await post(target.gateway, begun, body, signal)
      // The caller's own content broke off: nothing was sent to its end.
      const own = source.failure()
      if (own !== undefined) throw own
      if (outer instanceof Error) return failed({ kind: 'unproved', reason: 'connection', cause: outer })
      if (outer.status !== 200 || mediaType(outer.headers) !== begun.replyType)
        return failed(await outerVerdict(outer, inUse !== null))
      const reply = await received(crypto, begun, outer, maxBufferBytes + MAX_OVERHEAD)
      const authorization = fieldOf(head, 'authorization')
      if (inUse !== null) sessions.used(inUse.session, authorization)
      const field = onlyValue(reply.fields, SESSION_FIELD)
      const session = (await opening?.finish(begun, field, fieldOf(head, 'dpop'))) ?? null
      // What the server refused by itself says nothing of whether it opens sessions.
      if (session === null && onlyValue(reply.fields, VERDICT_FIELD) !== null) offer?.dropped()
      else offer?.done(session === null ? null : { session, offset, authorization })
      const seq = onlyValue(reply.fields, KEYS_FIELD)
      if (seq !== null) keys.newer(Number(seq))
      const mayOpen = kem !== null && inUse === null && !sessions.refused
      return await innerVerdict(reply, { method: call.method, now: clock(), age: clock() - sealedAt, mayOpen })
    } catch (error) {
      // Nobody has refused what was never sent.
      if (signal.aborted || !sent) offer?.dropped()
      else offer?.failed()
      signal.throwIfAborted()
      if (isPosternError(error, 'payload.truncated')) return { kind: 'unproved', reason: 'connection', cause: error }
      throw error
    }

    function failed(told: Told): Told {
      offer?.failed()
      if (inUse !== null && told.kind === 'unproved' && told.reason === 'session') sessions.lost(inUse.session)
      return told
    }
  }

  async function headOf(
    call: Call,
    { context }: Begun,
    { now, inUse, opening, signal }: { now: number; inUse: InUse | null; opening: ClientOpening | null; signal: AbortSignal },
  ): Promise<RequestHead> {
    const { method, url } = call
    const headers = new Headers(call.headers)
    const ekm = (): Now<Uint8Array> => ekmOf(context, opening?.share)
    const bound = opening === null ? (inUse?.session.caller ?? null) : null
    const asked = async (): Promise<HeadersInit> => (await extra?.({ method, url: url.href, ekm, bound })) ?? {}
    const added = new Headers(await unlessAborted(asked(), signal))
    added.forEach((value, name) => {
      headers.set(name, value)
    })
    headers.delete('accept-encoding')
    const fields: FieldLine[] = linesOf(headers).filter(([name]) => name !== 'date')
    fields.push(['date', new Date(now).toUTCString()])
    if (opening !== null) fields.push([SESSION_FIELD, opening.field])
    return { method, scheme: url.protocol.slice(0, -1), authority: url.host, path: `${url.pathname}${url.search}`, fields }
  }

  async function opens(kem: KemId): Promise<ClientOpening> {
    const { beginClientOpening } = await loaded(import('./internal/clientOpening.js'))
    return beginClientOpening(runtime, kem, aeads)
  }

  async function sealedBody(begun: Begun, head: RequestHead, content: Call['content'], signal: AbortSignal): Promise<BodyInit> {
    if (content instanceof Uint8Array) return (await sealed(begun, head, content, pad)) as Uint8Array<ArrayBuffer>
    const { sealUpload } = await loaded(import('./internal/sealUpload.js'))
    return sealUpload(begun, head, content, { pad, mode, signal })
  }

  async function post(
    gateway: string,
    { requestType, replyType }: Begun,
    body: BodyInit,
    signal: AbortSignal,
  ): Promise<Response | Error> {
    const incremental = replyType === REPLY_TYPE ? {} : { incremental: '?1' }
    try {
      const init = {
        method: 'POST',
        headers: { 'content-type': requestType, accept: replyType, ...incremental },
        body,
        signal,
        // A redirect is no 200 and so refused: Workers have no `error`.
        redirect: 'manual',
        cache: 'no-store',
        credentials: 'omit',
        ...(streams(body) ? { duplex: 'half' } : {}),
      } as const
      return await fetch(gateway, init)
    } catch (cause) {
      signal.throwIfAborted()
      return toError(cause)
    }
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
