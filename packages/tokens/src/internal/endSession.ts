/**
 * The end of a session: its epoch, which ends what hangs on it, and a logout token to every client that took part (OpenID Connect
 * Back-Channel Logout 1.0). The epoch is in the first commit; clients that do not fit in it follow, after a crash by the sweep.
 */
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { signJws } from '@postern/core/jws'
import { newRev, type Op, type Part, type Rec } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { IssuerContext } from '../issuer.js'
import type { LogoutSession } from '../logout.js'
import { type CallbackKind, callback, send, sweepCallbacks } from './callbacks.js'
import { commit } from './commit.js'
import { bumped } from './epochs.js'
import { eventOf, ship } from './events.js'
import { kitOf } from './kit.js'
import { listenerIn, listenersOf } from './listeners.js'
import { subjectFor } from './pairwise.js'

/** Whom to tell of which session. */
interface Told {
  readonly client: string
  readonly subject: string
  readonly sid: string
}

const LOGOUT_TOKEN_SEC = 120
/** Ms: afterwards a relying party's own session will have been asked about otherwise. */
const TELL_WITHIN_MS = 3_600_000
/** Two ops each, beside the note of what is left. */
const CLIENTS_A_COMMIT = 7
const PAGE = 256
/** A `sid` is never used again, and no family outlives a year. */
const EPOCH_MS = 366 * 86_400_000
const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
/** What is left of a session that many took part in. */
const LEFT = 'e/~sessionend/'

/** A logout token, minted at each try; its `jti` stays the record's, so that a receiver knows a repetition. */
export const logoutToken: CallbackKind<Told & { readonly jti: string }> = {
  name: 'logout',
  async compose({ client: id, subject, sid, jti }, _part, context) {
    const client = await context.clients.find(id)
    if (client?.backchannelLogoutUri === undefined) return null
    const { issuer, keys, runtime } = context
    const now = runtime.clock()
    const { signer, kid } = keys.signing.active(now)
    const iat = Math.floor(now / 1000)
    const sub = await subjectFor(kitOf(context), subject, client)
    const claims = { iss: issuer, sub, aud: id, iat, exp: iat + LOGOUT_TOKEN_SEC, jti, sid, events: { [EVENT]: {} } } // §2.4
    const token = await signJws(signer, { typ: 'logout+jwt', kid }, claims)
    return {
      url: client.backchannelLogoutUri,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `logout_token=${token}`,
    }
  },
  about: ({ client, subject, sid }) => ({ client: { id: client, kind: 'shared' }, subject, detail: { callback: 'logout', sid } }),
}

/**
 * Ends a session, once or again.
 * @throws PosternError `store.*`: call again
 */
export async function endSession(session: LogoutSession, context: IssuerContext): Promise<void> {
  const { subject, sid } = session
  const { places } = kitOf(context)
  const { store, clock } = context.runtime
  const part = await places.user(subject)
  const key = places.sessionEpoch(sid)
  const now = clock()
  const [epoch] = await store.read(part, [key], { now })
  const event = eventOf('session.ended', context, { subject, detail: { sid } })
  const ops: readonly Op[] = [
    { ...bumped(key, epoch ?? null, now), expiresAt: now + EPOCH_MS },
    { op: 'put', key: LEFT + sid, value: utf8(JSON.stringify(session)) },
    eventOp(event),
  ]
  // Lost: another call has ended it in between, and is at what follows here.
  const { answer } = await commit(part, ops, context)
  if (answer.ok) ship(part, [event], context)
  await tellAll(part, session, context)
}

/** Listed after the epoch has moved: no redemption can add itself any more. */
async function tellAll(part: Part, session: LogoutSession, context: IssuerContext): Promise<void> {
  const { store, clock } = context.runtime
  const left: Op = { op: 'del', key: LEFT + session.sid }
  for (;;) {
    const listed = await store.list(part, listenersOf(session.sid), { now: clock(), limit: CLIENTS_A_COMMIT })
    const last = listed.length < CLIENTS_A_COMMIT
    const done = await tell(part, session, listed, last ? [left] : [], context)
    if (last && done) return
  }
}

/** One commit: a callback for each client, and the client off the list. @returns whether it held; not, when another was faster */
async function tell(
  part: Part,
  session: LogoutSession,
  listed: readonly Rec[],
  more: readonly Op[],
  context: IssuerContext,
): Promise<boolean> {
  const { runtime } = context
  const until = runtime.clock() + TELL_WITHIN_MS
  const pending = listed.map((rec) =>
    callback(logoutToken, { ...session, client: listenerIn(rec), jti: newRev(runtime.random) }, until, context),
  )
  const gone = listed.map(({ key, rev }): Op => ({ op: 'del', key, rev }))
  const { rev, answer } = await commit(part, [...pending.map(({ op }) => op), ...gone, ...more], context)
  if (answer.ok) for (const one of pending) send(logoutToken, part, one, rev, context)
  return answer.ok
}

/**
 * Tells whom a crash left untold, then whoever did not answer yet.
 * @returns how much was done
 */
export async function sweepLogouts(context: IssuerContext): Promise<number> {
  const { runtime, tenant } = context
  const { store, clock } = runtime
  if (store.outbox === undefined) throw new PosternError('store.list_disabled')
  let done = 0
  for (let after = LEFT, more = true; more; ) {
    const page = await store.outbox({ now: clock(), after, limit: PAGE })
    const ours = page.filter(({ key }) => key.startsWith(LEFT))
    for (const { part, value } of ours.filter(({ part }) => part.tenant === tenant)) {
      await tellAll(part, JSON.parse(fromUtf8(value)!) as LogoutSession, context)
      done++
    }
    more = ours.length === PAGE
    after = page.at(-1)?.key ?? after
  }
  return done + (await sweepCallbacks(logoutToken, context))
}
