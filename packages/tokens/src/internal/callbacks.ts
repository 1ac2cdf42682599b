/**
 * HTTP callbacks that a crash cannot lose: a record, written with the change it tells of, then sent at most five times and deleted. Its key
 * `e/~<kind>/<ulid>` sorts behind every event, so that the store's one outbox finds it and the shipping of events passes it by. A receiver
 * may get a callback twice; no token is ever in a record.
 */
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import { ulid } from '@postern/core/ids'
import type { Op, Part } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { IssuerContext } from '../issuer.js'
import { isCallbackUrl } from './callbackUrl.js'
import { commit, commitRepeatable } from './commit.js'
import { eventOf, later, ship, type Told } from './events.js'

/** One POST. */
export interface Message {
  /** One that `isCallbackUrl` takes, registered by an authenticated party, never taken from a request. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** One kind of callback: what its record holds, and what is sent because of it. */
export interface CallbackKind<T> {
  /** `[a-z]+`, part of the key. */
  readonly name: string
  /** Called at each try, so that what is secret is made here and stands in no record. `null`: there is nothing to tell any more, and the record goes. */
  compose(data: T, part: Part, context: IssuerContext): Promise<Message | null>
  /** Whom the event about it names. */
  about(data: T): Told
}

/** What a record holds. */
interface Kept<T> {
  readonly v: 1
  readonly issuer: string
  readonly tries: number
  /** Ms: not to be tried before. */
  readonly due: number
  /** Ms: not to be tried after. */
  readonly until: number
  readonly data: T
}

/** A callback that is about to be, or has been, committed. */
export interface Pending<T> {
  readonly key: string
  readonly kept: Kept<T>
  readonly op: Op
}

const MAX_TRIES = 5
const TIMEOUT_MS = 5_000
/** 10, 20, 40 and 80 s lie between the tries; the first is also longer than a try may last. */
const PAUSE_MS = 10_000
/** How long a record outlives its use, so that a sweep still finds it and tells that it failed. */
const TOLD_MS = 86_400_000
const PAGE = 256
const AT_ONCE = 8

/** A callback to be committed with the change it tells of: put `op` among the commit's. `until`: ms, when telling has no use any more. */
export function callback<T>(kind: CallbackKind<T>, data: T, until: number, context: IssuerContext): Pending<T> {
  const { runtime, issuer } = context
  const key = `${prefixOf(kind)}${ulid(runtime.clock, runtime.random)}`
  const kept: Kept<T> = { v: 1, issuer, tries: 0, due: runtime.clock(), until, data }
  return { key, kept, op: putOp(key, kept, null) }
}

/** Sends what was just committed under `rev`, where the host keeps us alive for it; otherwise the sweep does. */
export function send<T>(kind: CallbackKind<T>, part: Part, { key, kept }: Pending<T>, rev: string, context: IssuerContext): void {
  if (context.host?.waitUntil === undefined) return
  later(context, () => attempt(kind, part, { key, rev, kept }, context))
}

/**
 * Sends what is due of one kind for one issuer: what a crash left behind, and what a receiver did not take.
 * @returns how many were delivered
 * @throws PosternError `store.list_disabled` for a driver without `outbox`
 */
export async function sweepCallbacks<T>(kind: CallbackKind<T>, context: IssuerContext): Promise<number> {
  const { runtime, tenant, issuer } = context
  const { store, clock } = runtime
  if (store.outbox === undefined) throw new PosternError('store.list_disabled')
  const prefix = prefixOf(kind)
  let delivered = 0
  for (let after = prefix, more = true; more; ) {
    const page = await store.outbox({ now: clock(), after, limit: PAGE })
    const ours = page.filter(({ key, part }) => key.startsWith(prefix) && part.tenant === tenant)
    const due = ours.flatMap(({ key, rev, part, value }) => {
      const kept = decode<T>(value)
      return kept?.issuer === issuer && kept.due <= clock() ? [{ part, found: { key, rev, kept } }] : []
    })
    for (let i = 0; i < due.length; i += AT_ONCE) {
      const some = due.slice(i, i + AT_ONCE)
      const done = await Promise.all(some.map(({ part, found }) => attempt(kind, part, found, context)))
      delivered += done.filter(Boolean).length
    }
    const last = page.at(-1)
    more = page.length === PAGE && last!.key.startsWith(prefix)
    after = last?.key ?? after
  }
  return delivered
}

interface Found<T> {
  readonly key: string
  readonly rev: string
  readonly kept: Kept<T>
}

/** One try. It is counted before it is made, by whoever wins the record: a crash costs a try, and two nodes do not both make it. */
async function attempt<T>(
  kind: CallbackKind<T>,
  part: Part,
  { key, rev, kept }: Found<T>,
  context: IssuerContext,
): Promise<boolean> {
  const now = context.runtime.clock()
  const { tries, until, data } = kept
  if (tries >= MAX_TRIES) return end(kind, part, key, kept, 'tries', context)
  if (now >= until) return end(kind, part, key, kept, 'expired', context)
  const next: Kept<T> = { ...kept, tries: tries + 1, due: now + PAUSE_MS * 2 ** tries }
  const { answer } = await commit(part, [putOp(key, next, rev)], context)
  if (!answer.ok) return false
  const outcome = await composeAndPost(kind, data, part, context)
  if (outcome === 'void') await commitRepeatable(part, [{ op: 'del', key }], context)
  const over = outcome === 'delivered' || (outcome !== 'void' && next.tries >= MAX_TRIES)
  return over ? end(kind, part, key, next, outcome, context) : false
}

/** @returns `delivered`, `void`, or what went wrong */
async function composeAndPost<T>(kind: CallbackKind<T>, data: T, part: Part, context: IssuerContext): Promise<string> {
  try {
    const message = await kind.compose(data, part, context)
    return message === null ? 'void' : await post(message, context)
  } catch (error) {
    // A port of the host that throws fails this try, not the sweep.
    return isPosternError(error) ? error.code : 'server.failed'
  }
}

async function post({ url, headers, body }: Message, { runtime, deadline }: IssuerContext): Promise<string> {
  if (!isCallbackUrl(url)) return 'url'
  const signal = deadline?.(TIMEOUT_MS) ?? AbortSignal.timeout(TIMEOUT_MS)
  try {
    // A redirect is no success and is not followed: the receiver is the one that was registered.
    const reply = await runtime.fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal })
    // Nothing a receiver says is read.
    await reply.body?.cancel()
    return reply.status >= 200 && reply.status < 300 ? 'delivered' : `status ${reply.status}`
  } catch {
    return signal.aborted ? 'timeout' : 'network'
  }
}

/** Deletes the record and tells how it ended. @returns whether it was delivered */
async function end<T>(
  kind: CallbackKind<T>,
  part: Part,
  key: string,
  { tries, data }: Kept<T>,
  outcome: string,
  context: IssuerContext,
): Promise<boolean> {
  const delivered = outcome === 'delivered'
  const event = eventOf(delivered ? 'callback.delivered' : 'callback.failed', context, {
    ...kind.about(data),
    outcome: delivered ? 'success' : 'failure',
    ...(!delivered && { reason: outcome }),
    detail: { kind: kind.name, tries },
  })
  const answer = await commitRepeatable(part, [{ op: 'del', key }, eventOp(event)], context)
  if (answer.ok) ship(part, [event], context)
  return delivered
}

function prefixOf({ name }: { readonly name: string }): string {
  return `e/~${name}/`
}

function putOp<T>(key: string, kept: Kept<T>, rev: string | null): Op {
  return { op: 'put', key, value: utf8(JSON.stringify(kept)), rev, expiresAt: kept.until + TOLD_MS }
}

/** `null` for what a newer program has written: it is left to that one. */
function decode<T>(value: Uint8Array): Kept<T> | null {
  const kept = JSON.parse(fromUtf8(value) ?? 'null') as Kept<T> | null
  return kept?.v === 1 ? kept : null
}
