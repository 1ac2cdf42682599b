/** The gateway: opens sealed requests, guards, hands the inner request on, seals the answer. */
import type { Now, Signer } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import { ulid } from '@postern/core/ids'
import type { Runtime } from '@postern/store'
import type { FieldLine } from './bhttp.js'
import { acceptSession } from './internal/acceptSession.js'
import { claimsOf, perMinute } from './internal/claims.js'
import { ekmOf } from './internal/ekm.js'
import { formatOf, type Opened, openInbound } from './internal/inbound.js'
import { readInner, Unreadable, withoutContent } from './internal/innerRequest.js'
import { encodeKeyConfigs, encodeOne } from './internal/keyConfig.js'
import { mediaType, onlyValue, parseDate } from './internal/messages.js'
import { KEYS_TYPE, REQUEST_TYPE } from './internal/ohttpWire.js'
import { normalOrigin } from './internal/origin.js'
import { sealOutbound } from './internal/outbound.js'
import { DATE_PROBLEM, innerProblem, outerProblem } from './internal/problems.js'
import { publishedKeys } from './internal/publishedKeys.js'
import { readShare, shareBytes } from './internal/sessionField.js'
import { KEY_DOCUMENT_TYPE, KEYS_FIELD, OHTTP_KEY_PROBLEM, SESSION_FIELD, VERDICT_FIELD, WELL_KNOWN } from './internal/wire.js'
import type { KemRing } from './keys.js'

import { noReplayGuard, type ReplayGuard } from './replay.js'
import { type Binding, SESSION_LIMITS, type SessionKeeper, type SessionLimits, type SessionSelection } from './session.js'

export type { Binding } from './session.js'

/** How a call came: readable on the way, sealed by itself, or inside a session. */
export type Level = 'plain' | 'single' | 'session'

/** How a request reached the handler. An argument, never a header. */
export interface SealedCall {
  readonly level: Level
  /** 32 bytes that a proof of the caller's key may cover; `null` on plain calls. */
  readonly ekm: Uint8Array | null
  /** What `bind` verified, for this call or for the session that it came in. */
  readonly binding: Binding | null
  /** Of the key that the call was sealed to; 0 in a session. */
  readonly keyId: number | null
  /** Whether the request came before any session existed (0-RTT: freshness rests on date and replay guard). */
  readonly early: boolean
}

/** What a route wants: `forbidden` takes plain calls alone. */
export type Requirement = 'allowed' | 'sealed' | 'session' | 'bound' | 'forbidden'

export interface PayloadLimits {
  /** Largest request on routes that do not stream, default 1 MiB. */
  readonly requestBytes: number
  /** Largest reply to a single-shot request, default 16 MiB; chunked replies and a session's have no limit. */
  readonly replyBytes: number
  /** Up to here (bytes, default 64 KiB) a message is authenticated whole before anything of it is used, and a reply sealed at once. */
  readonly bufferBytes: number
  /**
   * Anonymous sessions opened in a store, and bound ones opened by calls that come too early for a guard to watch them, a minute and node,
   * default 600: nobody may fill it with one unproved message each, or with copies of one.
   */
  readonly anonymousSessions: number
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
  /** Sessions: `localSessions` of this node, or `sharedSessions` of all. Without it none are offered. */
  readonly sessions?: SessionKeeper
  /** What is allowed of a session; the rest by {@link SESSION_LIMITS}. */
  readonly sessionLimits?: Partial<SessionLimits>
  /** Routes whose handlers take content that is not authenticated to its end yet: it fails with `payload.truncated` where that never comes. Default none. */
  readonly streams?: (method: string, url: URL) => boolean
  /**
   * Verifies what the inner request says about its caller under `ekm`, consuming nothing; it gets the request without its content. Asked for routes
   * that require `bound`, unless the session knows the caller, and when a session opens; `null` opens an anonymous one.
   */
  readonly bind?: (inner: Request, ekm: Uint8Array) => Promise<Binding | null>
  /** Judged on the normalised inner target, and on plain calls; default `allowed`. */
  readonly requirement?: (method: string, url: URL) => Requirement
}

export interface PayloadServer {
  /** Answers the gateway and key paths; opens what is sealed; passes everything else on as a plain call where the route allows it. */
  fetch(request: Request, next: (inner: Request, call: SealedCall) => Promise<Response>): Promise<Response>
  /** RFC 9540: the list (`application/ohttp-keys`) or the signed document, by `Accept`. */
  keyDocument(request: Request): Promise<Response>
  /** Ends sessions at once, for example those of a device that was locked. */
  forget(selection: SessionSelection): Promise<void>
  /** Removes what is over; `now` in milliseconds since the epoch. */
  sweep(now: number, budgetMs: number): Promise<void>
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

const DEFAULT_LIMITS: PayloadLimits = {
  requestBytes: 1024 * 1024,
  replyBytes: 16 * 1024 * 1024,
  bufferBytes: 65_536,
  anonymousSessions: 600,
}
const SAFE: ReadonlySet<string> = /* @__PURE__ */ new Set(['GET', 'HEAD', 'OPTIONS'])
/** How long a session lives on after another was opened inside it: calls under way still arrive. */
const RETIRED_MS = 30_000
const NO_CONFIG: Uint8Array = /* @__PURE__ */ new Uint8Array(0)

type Next = (inner: Request, call: SealedCall) => Promise<Response>

interface Answer {
  readonly reply: Response
  /** Why the server itself refused, `null` where a handler answered. */
  readonly code: InnerCode | null
  /** The field that tells of a session that was opened. */
  readonly session?: string
}

/**
 * The gateway of an origin.
 * @throws PosternError `payload.config` for an origin that is not `https` without a path (loopback `http` is taken for development)
 */
export function createPayloadServer(o: PayloadServerOptions): PayloadServer {
  const {
    runtime,
    tenant,
    root,
    replay,
    bind,
    sessions,
    requirement = () => 'allowed',
    streams = () => false,
    gateway = '/ohttp',
  } = o
  const { clock, random, crypto } = runtime
  const origin = normalOrigin(o.origin)
  const targets = (o.targets ?? [origin]).map(normalOrigin)
  const schemes = [...new Set(targets.map((target) => new URL(target).protocol.slice(0, -1)))]
  const limits = { ...DEFAULT_LIMITS, ...o.limits }
  const sessionLimits = { ...SESSION_LIMITS, ...o.sessionLimits }
  const guard = replay === noReplayGuard ? null : replay
  const offer =
    sessions === undefined ? null : { kems: sessionLimits.kems, aeads: sessionLimits.aeads, chunk: sessionLimits.chunkBytes }
  const publish = publishedKeys({ runtime, tenant, origin, gateway: `${origin}${gateway}`, root, session: offer })
  const { claim, isFresh } = claimsOf({ clock, crypto, origin, guard, sessions })
  const spendUnproved = perMinute(limits.anonymousSessions)

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
    const format = formatOf(mediaType(request.headers))
    if (format === null) return outerProblem('payload.refused', 415, undefined, { accept: REQUEST_TYPE })
    const now = clock()
    const ring = await ringNow()
    const find: SessionKeeper['find'] = (id) => sessions?.find(id) ?? null
    try {
      const opened = await openInbound(format, request.body, { crypto, ring, now, find, ...limits })
      if (opened === null) return outerProblem('payload.refused', 413)
      const answered = await answer(request, opened, next)
      return await seal(answered, opened, await newerKeys(ring, opened, now))
    } catch (error) {
      // The one place where whatever did not open is answered: one body, one status (C12).
      if (isPosternError(error, 'payload.key_unknown')) {
        tell('payload.refused', { reason: error.code })
        return outerProblem('payload.key_unknown', 400, OHTTP_KEY_PROBLEM)
      }
      if (isPosternError(error, 'payload.session_unknown')) {
        tell('payload.refused', { reason: error.code })
        return outerProblem('payload.session_unknown', 400)
      }
      if (isPosternError(error, 'payload.refused', 'payload.truncated')) {
        tell('payload.refused', { reason: error.reason ?? error.code })
        return outerProblem('payload.refused', 400)
      }
      throw error
    }
  }

  /** The inner reply, unsealed. Everything from here on goes back inside, but for a message whose later chunks do not open. */
  async function answer(outer: Request, opened: Opened, next: Next): Promise<Answer> {
    const refuse = (code: InnerCode, type?: string): Answer => {
      tell(code === 'payload.replayed' ? 'payload.replayed' : 'payload.refused', { reason: code, keyId: opened.exchange.keyId })
      return { reply: innerProblem(code, clock(), type), code }
    }
    try {
      const { request, url, fields, method } = await readInner(opened, outer.signal, {
        schemes,
        streams,
        requestBytes: limits.requestBytes,
      })
      const share = readShare(onlyValue(fields, SESSION_FIELD))
      const session = opened.format === 'session' ? opened.session : null
      if (!targets.includes(url.origin)) return refuse('payload.misdirected')
      // A request for the gateway itself opens a session, and nothing else.
      const openOnly = url.origin === origin && isGateway(url)
      if (openOnly && (share === null || sessions === undefined || method !== 'GET')) return refuse('payload.nested')
      const wanted = openOnly ? 'allowed' : requirement(method, url)
      if (wanted === 'forbidden') return refuse('payload.forbidden')
      const ekm = await ekmOf(opened.exchange.context, share === null ? undefined : shareBytes(share))
      let proved: Promise<Binding | null> | undefined
      const proof = (): Promise<Binding | null> =>
        (proved ??= (async () => (await bind?.(withoutContent(request), ekm.slice())) ?? null)())
      // Bound to who proves it in this very call: a session's new token is bound by opening again.
      const opening = async (guarded: boolean): Promise<{ readonly session?: string }> => {
        const field = share === null || sessions === undefined ? null : await open(opened, share, await proof(), guarded)
        return field === null ? {} : { session: field }
      }
      const early = session === null && (wanted === 'session' || (guard?.shared !== true && !SAFE.has(method)))
      // It does not run, but opens all the same: a copy of it would open a session that only the first sender has the secret of.
      if (early) return { ...refuse('payload.too_early'), ...(await opening(false)) } //             RFC 8470 §5.2
      const binding = session?.binding ?? (wanted === 'bound' ? await proof() : null)
      if (wanted === 'bound' && binding === null) return refuse('payload.required')
      // The marker before the verdict on the date: a copy sent later must not turn a call that ran into "not processed".
      const date = parseDate(onlyValue(fields, 'date'))
      const verdict = await claim(opened, date)
      if (verdict === 'closed') throw new PosternError('payload.session_unknown')
      if (verdict === 'unknown') return refuse('payload.guard_unavailable')
      if (verdict === 'replayed') return refuse('payload.replayed')
      if (!isFresh(opened, date)) return refuse('payload.stale', DATE_PROBLEM)
      const told = await opening(true)
      if (openOnly) return { reply: new Response(null, { status: 204 }), code: null, ...told }
      const { keyId } = opened.exchange
      const how = { level: session === null ? 'single' : 'session', ekm, binding, keyId, early: session === null } as const
      try {
        return { reply: await next(request, how), code: null, ...told }
      } catch {
        return { ...refuse('payload.failed'), ...told }
      }
    } catch (error) {
      if (error instanceof Unreadable) return refuse(error.code)
      if (isPosternError(error, 'payload.session_unknown', 'payload.refused', 'payload.truncated')) throw error
      return refuse('payload.failed')
    }
  }

  /** The field of a session that was opened, `null` where none is: the call goes on. */
  async function open(
    opened: Opened,
    share: NonNullable<ReturnType<typeof readShare>>,
    binding: Binding | null,
    guarded: boolean,
  ): Promise<string | null> {
    const keeper = sessions!
    // Strangers fill no store, and nobody fills anything with copies of one opening.
    const counted = binding === null ? keeper.windowMs !== null : !guarded
    if (counted && !spendUnproved(clock())) return null
    const keyConfig = opened.format === 'session' ? NO_CONFIG : encodeOne(opened.key.config)
    const call = { context: opened.exchange.context, enc: opened.exchange.enc, keyConfig }
    try {
      const accepted = await acceptSession(
        { crypto, random },
        { share, call, id: keeper.newId(), binding, limits: sessionLimits, now: clock() },
      )
      if (accepted === null) return null
      await keeper.keep(accepted.session)
      if (opened.format === 'session') await keeper.retire(opened.session, clock() + RETIRED_MS)
      tell('payload.opened', { reason: binding === null ? 'anonymous' : 'bound', keyId: opened.exchange.keyId })
      return accepted.field
    } catch (error) {
      if (isPosternError(error, 'store.outcome_unknown', 'store.unavailable', 'store.overloaded')) return null
      throw error
    }
  }

  async function seal({ reply, code, session }: Answer, opened: Opened, keys: readonly FieldLine[]): Promise<Response> {
    const own: FieldLine[] = [...keys]
    if (code !== null) own.push([VERDICT_FIELD, code])
    if (session !== undefined) own.push([SESSION_FIELD, session])
    const sealed = await sealOutbound({ crypto, random, ...limits }, opened, reply, own)
    if (sealed !== null) return sealed
    const failed = { reply: innerProblem('payload.failed', clock()), code: 'payload.failed' } as const
    return seal(session === undefined ? failed : { ...failed, session }, opened, keys)
  }

  /** `payload-keys: <seq>` when the client sealed to a key that is not the newest. */
  async function newerKeys(ring: KemRing, opened: Opened, now: number): Promise<readonly FieldLine[]> {
    if (opened.format === 'session' || ring.offered(now)[0]?.config.keyId === opened.exchange.keyId) return []
    // The call has run: a store that fails now must not take its answer away.
    const current = await publish(ring).catch(() => null)
    return current === null ? [] : [[KEYS_FIELD, String(current.document.seq)]]
  }

  type Told = 'payload.refused' | 'payload.replayed' | 'payload.opened' | 'payload.session_closed'
  function tell(type: Told, { reason, keyId }: { reason: string; keyId?: number }): void {
    const outcome = type === 'payload.opened' || type === 'payload.session_closed' ? 'success' : 'refused'
    const event = { id: ulid(clock, random), at: clock(), tenant, type, outcome, reason } as const
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
    async forget(selection) {
      await sessions?.forget(selection)
      tell('payload.session_closed', { reason: 'forget' })
    },
    async sweep(now, budgetMs) {
      await sessions?.sweep(now, budgetMs)
    },
  }
}
