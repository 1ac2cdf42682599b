/** The gateway: opens sealed requests, guards, hands the inner request on, seals the answer. */
import { u8 } from '@postern/core/bytes'
import type { Now, Signer } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import { ulid } from '@postern/core/ids'
import { tuple } from '@postern/core/tuple'
import type { Runtime } from '@postern/store'
import { decodeRequest, encodeResponse, type FieldLine } from './bhttp.js'
import { ekmContext } from './internal/ekm.js'
import { linesOf, mediaType, onlyValue, parseDate, readAll, toRequest } from './internal/messages.js'
import { normalOrigin } from './internal/origin.js'
import { DATE_PROBLEM, innerProblem, KEYS_FIELD, OHTTP_KEY_PROBLEM, outerProblem, VERDICT_FIELD } from './internal/problems.js'
import { publishedKeys } from './internal/publishedKeys.js'
import { KEY_DOCUMENT_TYPE, WELL_KNOWN } from './internal/wire.js'
import type { KemKey, KemRing } from './keys.js'
import { type Exchange, encodeKeyConfigs, KEYS_TYPE, openRequest, REPLY_TYPE, REQUEST_TYPE, sealResponse } from './ohttp.js'
import { noReplayGuard, type ReplayGuard, type ReplayVerdict } from './replay.js'

/** How a call came: readable on the way, sealed by itself, or inside a session (not yet produced). */
export type Level = 'plain' | 'single' | 'session'

/** What `bind` verified about the caller. */
export interface Binding {
  readonly jkt: string
  readonly ath: string | null
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** How a request reached the handler. An argument, never a header. */
export interface SealedCall {
  readonly level: Level
  /** 32 bytes that a proof of the caller's key may cover; `null` on plain calls. */
  readonly ekm: Uint8Array | null
  readonly binding: Binding | null
  readonly keyId: number | null
  /** Whether the request came before any session existed (0-RTT: freshness rests on date and replay guard). */
  readonly early: boolean
}

/** What a route wants: `forbidden` takes plain calls alone. */
export type Requirement = 'allowed' | 'sealed' | 'session' | 'bound' | 'forbidden'

export interface PayloadLimits {
  /** Outer request, default 1 MiB. */
  readonly requestBytes: number
  /** Inner reply, default 16 MiB. */
  readonly replyBytes: number
}

export interface PayloadServerOptions {
  readonly runtime: Runtime
  readonly tenant: string
  /** `https` origin that clients call. */
  readonly origin: string
  /** Path that takes sealed requests, default `/ohttp`; the well-known path takes them as well. */
  readonly gateway?: string
  /** The ring, or a function that gives the current one, asked once per request. */
  readonly ring: KemRing | (() => Now<KemRing>)
  /** Signs key documents; clients pin its public key. */
  readonly root: Signer
  readonly replay: ReplayGuard | typeof noReplayGuard
  /** Origins that inner requests may name, default `origin` alone. */
  readonly targets?: readonly string[]
  readonly limits?: Partial<PayloadLimits>
  /** Verifies what the inner request says about its caller under `ekm`; asked for routes that require `bound`. */
  readonly bind?: (inner: Request, ekm: Uint8Array) => Promise<Binding | null>
  /** Judged on the normalised inner target, and on plain calls; default `allowed`. */
  readonly requirement?: (method: string, url: URL) => Requirement
}

export interface PayloadServer {
  /** Answers the gateway and key paths; opens what is sealed; passes everything else on as a plain call where the route allows it. */
  fetch(request: Request, next: (inner: Request, call: SealedCall) => Promise<Response>): Promise<Response>
  /** RFC 9540: the list (`application/ohttp-keys`) or the signed document, by `Accept`. */
  keyDocument(request: Request): Promise<Response>
}

/** Every code that stands in an inner reply that the server made itself. */
export type InnerCode =
  | 'bhttp.malformed'
  | 'bhttp.limit'
  | 'payload.replayed'
  | 'payload.stale'
  | 'payload.too_early'
  | 'payload.misdirected'
  | 'payload.nested'
  | 'payload.required'
  | 'payload.forbidden'
  | 'payload.guard_unavailable'
  | 'payload.failed'

const DEFAULT_LIMITS: PayloadLimits = { requestBytes: 1024 * 1024, replyBytes: 16 * 1024 * 1024 }
const SAFE: ReadonlySet<string> = /* @__PURE__ */ new Set(['GET', 'HEAD', 'OPTIONS'])
/** Least life of a marker, so that a re-send within 30 s meets it. */
const MIN_MARKER_MS = 60_000
/** Markers that outlive the window, a minute and node: nobody may fill the store with one unproved message each. */
const MAX_LONG_MARKERS = 60
const DEFAULT_WINDOW_MS = 120_000
const EKM_CONTEXT: Uint8Array = /* @__PURE__ */ ekmContext()

type Next = (inner: Request, call: SealedCall) => Promise<Response>

interface Answer {
  readonly reply: Response
  /** Why the server itself refused, `null` where a handler answered. */
  readonly code: InnerCode | null
}

/** The inner message is none: thrown apart from whatever a handler may throw. */
class Unreadable extends Error {
  readonly code: 'bhttp.malformed' | 'bhttp.limit'
  constructor(code: 'bhttp.malformed' | 'bhttp.limit') {
    super(code)
    this.code = code
  }
}

/**
 * The gateway of an origin.
 * @throws PosternError `payload.config` for an origin that is not `https` without a path (loopback `http` is taken for development)
 */
export function createPayloadServer(o: PayloadServerOptions): PayloadServer {
  const { runtime, tenant, root, replay, bind, requirement = () => 'allowed', gateway = '/ohttp' } = o
  const { clock, random, crypto } = runtime
  const origin = normalOrigin(o.origin)
  const targets = (o.targets ?? [origin]).map(normalOrigin)
  const schemes = [...new Set(targets.map((target) => new URL(target).protocol.slice(0, -1)))]
  const limits = { ...DEFAULT_LIMITS, ...o.limits }
  const guard = replay === noReplayGuard ? null : replay
  const windowMs = guard?.windowMs ?? DEFAULT_WINDOW_MS
  const publish = publishedKeys({ runtime, tenant, origin, gateway: `${origin}${gateway}`, root })
  const spendLongMarker = perMinute(MAX_LONG_MARKERS)

  const ringNow = async (): Promise<KemRing> => (typeof o.ring === 'function' ? await o.ring() : o.ring)

  async function keyDocument(request: Request): Promise<Response> {
    const { text, document } = await publish(await ringNow())
    const accept = request.headers.get('accept') ?? ''
    const maxAge = Math.max(0, Math.min(3600, document.exp - Math.floor(clock() / 1000)))
    const common = { 'cache-control': `max-age=${maxAge}`, vary: 'accept' }
    if (accept.includes(KEY_DOCUMENT_TYPE))
      return new Response(text, { headers: { ...common, 'content-type': KEY_DOCUMENT_TYPE } })
    const list = encodeKeyConfigs(document.keys) as Uint8Array<ArrayBuffer>
    return new Response(list, { headers: { ...common, 'content-type': KEYS_TYPE } })
  }

  async function sealedCall(request: Request, next: Next): Promise<Response> {
    if (mediaType(request.headers) !== REQUEST_TYPE)
      return outerProblem('payload.refused', 415, undefined, { accept: REQUEST_TYPE })
    const sealed = await readAll(request.body, limits.requestBytes)
    if (sealed === null) return outerProblem('payload.refused', 413)
    const now = clock()
    const ring = await ringNow()
    try {
      const { message, exchange } = await openRequest(crypto, (keyId) => ring.find(keyId, now), sealed)
      const answered = await answer(request, message, exchange, ring.find(exchange.keyId, now)!, next)
      return await seal(answered, exchange, await newerKeys(ring, exchange.keyId, now))
    } catch (error) {
      // The one place where whatever did not open is answered: one body, one status (C12).
      if (isPosternError(error, 'payload.key_unknown')) {
        tell('payload.refused', { reason: error.code })
        return outerProblem('payload.key_unknown', 400, OHTTP_KEY_PROBLEM)
      }
      if (isPosternError(error, 'payload.refused')) {
        tell('payload.refused', { reason: error.reason ?? error.code })
        return outerProblem('payload.refused', 400)
      }
      throw error
    }
  }

  /** The inner reply, unsealed. Everything from here on goes back inside. */
  async function answer(outer: Request, message: Uint8Array, exchange: Exchange, key: KemKey, next: Next): Promise<Answer> {
    const refuse = (code: InnerCode, type?: string): Answer => {
      tell(code === 'payload.replayed' ? 'payload.replayed' : 'payload.refused', { reason: code, keyId: exchange.keyId })
      return { reply: innerProblem(code, clock(), type), code }
    }
    try {
      const { fields, inner, url } = read(message, outer.signal)
      if (!targets.includes(url.origin)) return refuse('payload.misdirected')
      if (url.origin === origin && isGateway(url)) return refuse('payload.nested')
      const wanted = requirement(inner.method, url)
      if (wanted === 'forbidden') return refuse('payload.forbidden')
      if (wanted === 'session') return refuse('payload.too_early')
      if (guard?.shared !== true && !SAFE.has(inner.method)) return refuse('payload.too_early') //  RFC 8470 §5.2
      const ekm = await exchange.context.export(EKM_CONTEXT, 32)
      const binding = wanted === 'bound' ? ((await bind?.(inner.clone(), ekm.slice())) ?? null) : null
      if (wanted === 'bound' && binding === null) return refuse('payload.required')
      // The marker before the verdict on the date: a copy sent later must not turn a call that ran into "not processed".
      const date = parseDate(onlyValue(fields, 'date'))
      const verdict = await claim(exchange, key, date)
      if (verdict === 'unknown') return refuse('payload.guard_unavailable')
      if (verdict === 'replayed') return refuse('payload.replayed')
      // And the key after it: markers end with their key, which may have ended since it opened this.
      if (date === null || Math.abs(date - clock()) > windowMs || key.dropAt <= clock())
        return refuse('payload.stale', DATE_PROBLEM)
      return { reply: await next(inner, { level: 'single', ekm, binding, keyId: exchange.keyId, early: true }), code: null }
    } catch (error) {
      return refuse(error instanceof Unreadable ? error.code : 'payload.failed')
    }
  }

  function read(message: Uint8Array, signal: AbortSignal): { fields: readonly FieldLine[]; inner: Request; url: URL } {
    try {
      const parsed = decodeRequest(message, { schemes, maxBytes: limits.requestBytes })
      const inner = toRequest(parsed, signal)
      return { fields: parsed.fields, inner, url: new URL(inner.url) }
    } catch (error) {
      if (isPosternError(error, 'bhttp.malformed', 'bhttp.limit')) throw new Unreadable(error.code)
      throw error
    }
  }

  async function claim({ enc, keyId }: Exchange, { dropAt }: KemKey, date: number | null): Promise<ReplayVerdict> {
    if (guard === null) return 'first'
    const now = clock()
    const end = Math.min((date ?? now) + guard.windowMs, dropAt)
    const expiresAt = Math.max(end, now + MIN_MARKER_MS) + 1000
    if (expiresAt > now + 2 * guard.windowMs + 1000 && !spendLongMarker(now)) return 'unknown'
    const name = await crypto.digest('SHA-256', tuple('postern:replay/v1', origin, u8(keyId), enc))
    return guard.claim({ name, expiresAt })
  }

  async function seal({ reply, code }: Answer, exchange: Exchange, keys: readonly FieldLine[]): Promise<Response> {
    const message = await encode(reply, [...(code === null ? [] : [[VERDICT_FIELD, code] as const]), ...keys])
    if (message === null) return seal({ reply: innerProblem('payload.failed', clock()), code: 'payload.failed' }, exchange, keys)
    const sealed = (await sealResponse({ crypto, random }, exchange, message)) as Uint8Array<ArrayBuffer>
    return new Response(sealed, { status: 200, headers: { 'content-type': REPLY_TYPE, 'cache-control': 'no-store' } })
  }

  /** The padded message, or `null` for a reply that is too large, broken off or not sayable. */
  async function encode(reply: Response, own: readonly FieldLine[]): Promise<Uint8Array | null> {
    try {
      const content = await readAll(reply.body, limits.replyBytes)
      if (content === null) return null
      return encodeResponse({ status: reply.status, fields: [...linesOf(reply.headers), ...own], content, trailers: [] })
    } catch {
      return null
    }
  }

  /** `payload-keys: <seq>` when the client sealed to a key that is not the newest. */
  async function newerKeys(ring: KemRing, keyId: number, now: number): Promise<readonly FieldLine[]> {
    if (ring.offered(now)[0]?.config.keyId === keyId) return []
    // The call has run: a store that fails now must not take its answer away.
    const current = await publish(ring).catch(() => null)
    return current === null ? [] : [[KEYS_FIELD, String(current.document.seq)]]
  }

  function tell(type: 'payload.refused' | 'payload.replayed', { reason, keyId }: { reason: string; keyId?: number }): void {
    const event = { id: ulid(clock, random), at: clock(), tenant, type, outcome: 'refused', reason } as const
    void (async () => runtime.events([keyId === undefined ? event : { ...event, detail: { keyId } }]))().catch(() => undefined)
  }

  const isGateway = ({ pathname }: URL): boolean => pathname === gateway || pathname === WELL_KNOWN

  return {
    keyDocument,
    async fetch(request, next) {
      const url = new URL(request.url)
      const { method } = request
      if (url.pathname === WELL_KNOWN && (method === 'GET' || method === 'HEAD')) return keyDocument(request)
      if (isGateway(url)) {
        return method === 'POST' ? sealedCall(request, next) : outerProblem('payload.refused', 405, undefined, { allow: 'POST' })
      }
      const wanted = requirement(method, new URL(`${origin}${url.pathname}${url.search}`))
      if (wanted !== 'allowed' && wanted !== 'forbidden') return outerProblem('payload.required', 403)
      return next(request, { level: 'plain', ekm: null, binding: null, keyId: null, early: false })
    },
  }
}

/** Whether one more may pass: `most` a minute. */
function perMinute(most: number): (now: number) => boolean {
  let minute = 0
  let spent = 0
  return (now) => {
    const current = Math.floor(now / 60_000)
    if (current !== minute) {
      minute = current
      spent = 0
    }
    return ++spent <= most
  }
}
