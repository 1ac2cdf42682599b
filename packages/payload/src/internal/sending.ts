/** One sealing of a call, one outer request, one verdict. */
import type { Now } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import type { SealedFetchOptions } from '../client.js'
import type { AeadId, KemId } from '../hpke.js'
import type { ClientOpening } from './clientOpening.js'
import { ekmOf } from './ekm.js'
import type { FieldLine } from './fieldRules.js'
import type { KnownKeys, Target } from './knownKeys.js'
import { linesOf, mediaType, onlyValue, type RequestHead, streamOf, streams } from './messages.js'
import { REPLY_TYPE } from './ohttpWire.js'
import { type Begun, beginInSession, beginToKey, received, sealed } from './outgoing.js'
import { DEFAULT_PAD } from './padme.js'
import type { InUse, Offer, SessionHolder } from './sessionHolder.js'
import { sourceOf } from './source.js'
import type { UploadMode } from './upload.js'
import { innerVerdict, outerVerdict, type Told } from './verdicts.js'
import { loaded, unlessAborted } from './waiting.js'
import { KEYS_FIELD, SESSION_FIELD, VERDICT_FIELD } from './wire.js'

/** One call as it was made, read once: a re-sent call says the same. */
export interface Call {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  readonly content: Uint8Array | ReadableStream<Uint8Array>
  readonly resendable: boolean
  /** Set where it is there to open a session, and for nothing else. */
  readonly opens: Offer | null
}

/** How a call goes: in a session, offering to open one, or neither. */
export interface Plan {
  readonly target: Target
  readonly inUse: InUse | null
  /** Set where this call offers to open a session. */
  readonly offer: Offer | null
  readonly kem: KemId | null
}

export interface SenderOptions extends Pick<SealedFetchOptions, 'runtime' | 'headers' | 'pad' | 'chunkBytes'> {
  readonly maxBufferBytes: number
  /** AEADs of a session, in order of preference. */
  readonly aeads: readonly AeadId[]
  readonly mode: UploadMode
  readonly keys: KnownKeys
  readonly sessions: SessionHolder
}

/** `null` where the plan does not hold any more: another call was the last one of its session. */
export type Send = (call: Call, plan: Plan, signal: AbortSignal, corrected: number | null) => Promise<Told | null>

/** What sealing, fields and padding add to a reply at most. */
const MAX_OVERHEAD = 1024 * 1024 + 65_536

export function senderOf(o: SenderOptions): Send {
  const { runtime, headers: extra, pad = DEFAULT_PAD, chunkBytes, maxBufferBytes, aeads, mode, keys, sessions } = o
  const { clock, crypto, fetch } = runtime

  async function send(call: Call, plan: Plan, signal: AbortSignal, corrected: number | null): Promise<Told | null> {
    const { target, inUse, offer, kem } = plan
    let sent = false
    try {
      const opening = offer === null ? null : await opens(kem!)
      const sealedAt = clock()
      const offset = corrected ?? inUse?.offset ?? 0
      const inChunks = !(call.content instanceof Uint8Array)
      const begun =
        inUse === null ? await beginToKey(runtime, target, inChunks, chunkBytes) : await beginInSession(runtime, inUse.session)
      if (begun === null) {
        offer?.dropped()
        sessions.lost(inUse!.session)
        return null
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
    const { beginClientOpening } = await loaded(import('./clientOpening.js'))
    return beginClientOpening(runtime, kem, aeads)
  }

  async function sealedBody(begun: Begun, head: RequestHead, content: Call['content'], signal: AbortSignal): Promise<BodyInit> {
    if (content instanceof Uint8Array) return (await sealed(begun, head, content, pad)) as Uint8Array<ArrayBuffer>
    const { sealUpload } = await loaded(import('./sealUpload.js'))
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

  return send
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

function toError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error('fetch failed', { cause })
}
