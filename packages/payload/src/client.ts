/** A `fetch` that seals: one origin, never plaintext. */
import { fromUtf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Clock, Fetch, Random } from '@postern/core/runtime'
import { type BhttpRequest, type BhttpResponse, DEFAULT_PAD, decodeResponse, encodeRequest, type FieldLine } from './bhttp.js'
import type { AeadId, KemId } from './hpke.js'
import { ekmContext } from './internal/ekm.js'
import { knownKeys } from './internal/knownKeys.js'
import { linesOf, mediaType, onlyValue, parseDate, readAll, toResponse } from './internal/messages.js'
import { normalOrigin } from './internal/origin.js'
import { KEYS_FIELD, OHTTP_KEY_PROBLEM, PROBLEM_TYPE, VERDICT_FIELD } from './internal/problems.js'
import { beginRequest, type Exchange, type KeyConfig, openResponse, REPLY_TYPE, REQUEST_TYPE, type Sealing } from './ohttp.js'

/** Trust key configurations by TLS alone: whoever ends TLS on the way can read every call. For tests and third parties. */
export const allowUnsignedKeys: unique symbol = Symbol('postern.allowUnsignedKeys')

/** The call that `headers` is asked about. */
export interface OutgoingCall {
  readonly method: string
  readonly url: string
  /** 32 bytes that only this sealed request's two ends know; base64url of it is the claim `ekm` of a DPoP proof. */
  ekm(): Now<Uint8Array>
}

export interface SealedFetchOptions {
  /** `https` origin of the API: the inner scheme and authority; every call must go there. */
  readonly origin: string
  /** Public keys that may sign the key document: one in use, one offline. */
  readonly roots: readonly [JsonWebKey, ...JsonWebKey[]] | typeof allowUnsignedKeys
  readonly runtime: { readonly fetch: Fetch; readonly clock: Clock; readonly random: Random; readonly crypto: CryptoPort }
  /** The highest `seq` of a key document ever taken, kept by the app across starts. */
  readonly seen?: { get(): Promise<number>; set(seq: number): Promise<void> }
  /** KEMs the client takes, default both. */
  readonly kems?: readonly KemId[]
  /** Padding of the inner message, default to at least 256 bytes. */
  readonly pad?: false | { readonly floor: number }
  /** Largest inner request or reply held in memory; default 16 MiB. */
  readonly maxBufferBytes?: number
  /** Header fields to add inside, asked once per sealing (a re-sent call asks again): tokens, DPoP. */
  readonly headers?: (call: OutgoingCall) => Promise<HeadersInit>
}

export type SealedFetch = ((input: Request | URL | string, init?: RequestInit) => Promise<Response>) & {
  readonly mode: 'buffer'
  /** Forgets keys; later calls reject. */
  close(): void
}

/** Every code that a sealed fetch rejects with, beside the signal's own reason; `bhttp.*` for fields that cannot be said. */
export type SealedFetchCode =
  | 'payload.transport'
  | 'payload.reply_refused'
  | 'payload.keys_untrusted'
  | 'payload.keys_rolled_back'
  | 'payload.keys_expired'
  | 'payload.outcome_unknown'
  | 'payload.body_too_large'
  | 'payload.misdirected'
  | 'bhttp.malformed'
  | 'bhttp.limit'

const DEFAULT_BUFFER_BYTES = 16 * 1024 * 1024
const MAX_RESENDS = 2
/** What sealing, fields and padding add to a reply at most. */
const MAX_OVERHEAD = 1024 * 1024 + 65_536
const EKM_CONTEXT: Uint8Array = /* @__PURE__ */ ekmContext()
/** Markers of the server's guard live a minute: an inner verdict on the date proves within half of it that the request did not run. */
const PROOF_MS = 30_000
const SAFE: ReadonlySet<string> = /* @__PURE__ */ new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * A `fetch` for one origin that seals every call. No option, answer or redirect makes it send anything readable.
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
  const { runtime, headers: extra, pad = DEFAULT_PAD, maxBufferBytes = DEFAULT_BUFFER_BYTES } = o
  const { clock, crypto, fetch } = runtime
  const origin = normalOrigin(o.origin)
  const keys = knownKeys({ ...o, origin, roots: o.roots === allowUnsignedKeys ? null : o.roots })
  let closed = false

  async function sealedFetch(input: Request | URL | string, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init)
    const call = await snapshot(request)
    const reasons = new Set<string>()
    let date = 0
    for (let resends = 0; ; resends++) {
      request.signal.throwIfAborted()
      const told = await send(call, request.signal, date)
      if (told.kind === 'answer') return toResponse(told.response, request.url)
      const again = told.kind === 'not-processed' || call.resendable
      if (!again || resends >= MAX_RESENDS || reasons.has(told.reason)) throw giveUp(call, told)
      reasons.add(told.reason)
      if (told.kind === 'not-processed') date = told.offset
      else if (told.reason === 'ohttp-key') await keys.refresh(request.signal)
    }
  }

  async function snapshot(request: Request): Promise<Call> {
    if (closed) throw new PosternError('payload.transport', { publicMessage: 'This sealed fetch was closed.', retryable: false })
    const url = new URL(request.url)
    if (url.origin !== origin)
      throw new PosternError('payload.misdirected', { publicMessage: 'Only the configured origin is called.' })
    const content = await readAll(request.body, maxBufferBytes)
    if (content === null) throw new PosternError('payload.body_too_large')
    const resendable = SAFE.has(request.method) || request.headers.has('idempotency-key')
    return { method: request.method, url, headers: request.headers, content, resendable }
  }

  /** One sealing, one outer request, one verdict. */
  async function send(call: Call, signal: AbortSignal, offset: number): Promise<Told> {
    const { gateway, config, aead } = await keys.current(signal)
    const sealedAt = clock()
    const sealing = await begin(config, aead)
    const message = encodeRequest(await messageOf(call, sealing, sealedAt + offset), { pad })
    const sealed = (await sealing.seal(message)) as Uint8Array<ArrayBuffer>
    const outer = await post(fetch, gateway, sealed, signal)
    if (outer instanceof Error) return { kind: 'unproved', reason: 'connection', cause: outer }
    if (outer.status !== 200 || mediaType(outer.headers) !== REPLY_TYPE) return outerVerdict(outer)
    const bytes = await readAll(outer.body, maxBufferBytes + MAX_OVERHEAD).catch(toError)
    signal.throwIfAborted()
    if (bytes instanceof Error) return { kind: 'unproved', reason: 'connection', cause: bytes }
    if (bytes === null) throw new PosternError('payload.reply_refused', { reason: 'too large' })
    return innerVerdict(await openReply(sealing, bytes), sealedAt)
  }

  async function begin(config: KeyConfig, aead: AeadId): Promise<Sealing> {
    try {
      return await beginRequest(runtime, config, aead)
    } catch (cause) {
      if (isPosternError(cause, 'hpke.invalid_key'))
        throw new PosternError('payload.keys_untrusted', { reason: cause.code, cause })
      throw cause
    }
  }

  async function messageOf(call: Call, { context }: Exchange, now: number): Promise<BhttpRequest> {
    const { method, url, content } = call
    const headers = new Headers(call.headers)
    const ekm = (): Now<Uint8Array> => context.export(EKM_CONTEXT, 32)
    const added = new Headers(await extra?.({ method, url: url.href, ekm }))
    added.forEach((value, name) => {
      headers.set(name, value)
    })
    headers.delete('accept-encoding')
    const date: FieldLine = ['date', new Date(now).toUTCString()]
    const fields = [...linesOf(headers).filter(([name]) => name !== 'date'), date]
    const path = `${url.pathname}${url.search}`
    return { method, scheme: url.protocol.slice(0, -1), authority: url.host, path, fields, content, trailers: [] }
  }

  async function openReply(sealing: Exchange, bytes: Uint8Array): Promise<BhttpResponse> {
    const message = await openResponse(crypto, sealing, bytes)
    try {
      return decodeResponse(message, { maxBytes: maxBufferBytes + MAX_OVERHEAD })
    } catch (cause) {
      throw new PosternError('payload.reply_refused', { reason: 'message', cause })
    }
  }

  function innerVerdict(response: BhttpResponse, sealedAt: number): Told {
    const seq = onlyValue(response.fields, KEYS_FIELD)
    if (seq !== null) keys.newer(Number(seq))
    const verdict = onlyValue(response.fields, VERDICT_FIELD)
    if (verdict === 'payload.stale') {
      const there = parseDate(onlyValue(response.fields, 'date'))
      const proved = there !== null && clock() - sealedAt <= PROOF_MS
      // Later, a copy may have run whose marker is gone.
      return proved
        ? { kind: 'not-processed', reason: 'date', offset: there - clock(), response }
        : { kind: 'unproved', reason: 'date', cause: null }
    }
    // A copy of this very request may have run.
    if (verdict === 'payload.replayed' || verdict === 'payload.guard_unavailable')
      return { kind: 'unproved', reason: verdict, cause: null }
    return { kind: 'answer', response }
  }

  const close = (): void => {
    closed = true
    keys.forget()
  }
  return Object.assign(sealedFetch, { mode: 'buffer' as const, close })
}

/** One call as it was made, read once: a re-sent call says the same. */
interface Call {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  readonly content: Uint8Array
  readonly resendable: boolean
}

type Told =
  | { readonly kind: 'answer'; readonly response: BhttpResponse }
  | { readonly kind: 'not-processed'; readonly reason: 'date'; readonly offset: number; readonly response: BhttpResponse }
  | { readonly kind: 'unproved'; readonly reason: string; readonly cause: unknown }

async function post(
  fetch: Fetch,
  gateway: string,
  body: Uint8Array<ArrayBuffer>,
  signal: AbortSignal,
): Promise<Response | Error> {
  try {
    const headers = { 'content-type': REQUEST_TYPE, accept: REPLY_TYPE }
    return await fetch(gateway, {
      method: 'POST',
      headers,
      body,
      signal,
      // A redirect is no 200 and so refused: Workers have no `error`.
      redirect: 'manual',
      cache: 'no-store',
      credentials: 'omit',
    })
  } catch (cause) {
    signal.throwIfAborted()
    return toError(cause)
  }
}

/** What an unauthenticated answer says: nothing but which remedy to try. */
async function outerVerdict(outer: Response): Promise<Told> {
  const cause = new PosternError('payload.transport', { reason: `outer status ${outer.status}` })
  const isProblem = mediaType(outer.headers) === PROBLEM_TYPE
  const body = isProblem ? await readAll(outer.body, 4096).catch(() => null) : null
  if (!isProblem) await outer.body?.cancel().catch(() => undefined)
  const text = body === null ? null : fromUtf8(body)
  return { kind: 'unproved', reason: text?.includes(OHTTP_KEY_PROBLEM) ? 'ohttp-key' : 'outer', cause }
}

function giveUp(call: Call, told: Exclude<Told, { kind: 'answer' }>): PosternError {
  if (told.kind === 'not-processed')
    return new PosternError('payload.transport', { reason: 'the date is refused though it was corrected', retryable: true })
  const { reason, cause } = told
  return new PosternError(call.resendable ? 'payload.transport' : 'payload.outcome_unknown', { reason, cause })
}

function toError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error('fetch failed', { cause })
}
