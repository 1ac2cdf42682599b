/** What an answer says of a call: the reply, or a remedy to try. */
import { fromUtf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { bodyOf, mediaType, onlyValue, parseDate, readAll } from './messages.js'
import type { Reply } from './outgoing.js'
import { OHTTP_KEY_PROBLEM, PROBLEM_TYPE, VERDICT_FIELD } from './wire.js'

/** `not-processed` is proved; `unproved` says nothing of whether the call ran. */
export type Told =
  | { readonly kind: 'answer'; readonly reply: Reply }
  | { readonly kind: 'not-processed'; readonly reason: 'date' | 'early'; readonly offset: number; readonly reply: Reply }
  | { readonly kind: 'unproved'; readonly reason: string; readonly cause: unknown }

/** Markers of the server's guard live a minute: an inner verdict on the date proves within half of it that the request did not run. */
const PROOF_MS = 30_000
const MAX_VERDICT_BYTES = 65_536
const MAX_PROBLEM_BYTES = 4096
const NO_CONTENT: ReadonlySet<number> = /* @__PURE__ */ new Set([204, 205, 304])

/** What an unauthenticated answer says: nothing but which remedy to try. */
export async function outerVerdict(outer: Response, inSession: boolean): Promise<Told> {
  const cause = new PosternError('payload.transport', { reason: `outer status ${outer.status}` })
  const isProblem = mediaType(outer.headers) === PROBLEM_TYPE
  const body = isProblem ? await bodyOf(outer, MAX_PROBLEM_BYTES).catch(() => null) : null
  if (!isProblem) await outer.body?.cancel().catch(() => undefined)
  const text = (body === null ? null : fromUtf8(body)) ?? ''
  if (inSession && /payload\.(?:session_unknown|refused)/.test(text)) return { kind: 'unproved', reason: 'session', cause }
  return { kind: 'unproved', reason: text.includes(OHTTP_KEY_PROBLEM) ? 'ohttp-key' : 'outer', cause }
}

/**
 * What an authenticated reply says.
 * @param o.age - ms since the call was sealed
 * @param o.mayOpen - whether a session could be opened first
 */
export async function innerVerdict(
  reply: Reply,
  o: { readonly method: string; readonly now: number; readonly age: number; readonly mayOpen: boolean },
): Promise<Told> {
  const verdict = onlyValue(reply.fields, VERDICT_FIELD)
  // What has no content for the caller is read to its end here: only that end says that nothing was cut off.
  const short = verdict !== null || NO_CONTENT.has(reply.status) || o.method === 'HEAD'
  const content =
    short && !(reply.content instanceof Uint8Array)
      ? ((await readAll(reply.content, MAX_VERDICT_BYTES)) ?? new Uint8Array(0))
      : reply.content
  const whole = { ...reply, content }
  if (verdict === 'payload.stale') {
    const there = parseDate(onlyValue(reply.fields, 'date'))
    // Later, a copy may have run whose marker is gone.
    return there !== null && o.age <= PROOF_MS
      ? { kind: 'not-processed', reason: 'date', offset: there - o.now, reply: whole }
      : { kind: 'unproved', reason: 'date', cause: null }
  }
  if (verdict === 'payload.too_early' && o.mayOpen) return { kind: 'not-processed', reason: 'early', offset: 0, reply: whole }
  // A copy of this very request may have run.
  if (verdict === 'payload.replayed' || verdict === 'payload.guard_unavailable')
    return { kind: 'unproved', reason: verdict, cause: null }
  return { kind: 'answer', reply: whole }
}
