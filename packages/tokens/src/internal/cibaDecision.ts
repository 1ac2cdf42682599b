/** The user's side of CIBA: one terminal state, and in its commit whatever the client is to hear of it. */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Op } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Client } from '../clients.js'
import type { Evaluated, Issue } from '../grant.js'
import type { IssuerContext } from '../issuer.js'
import { callback, type Pending, send } from './callbacks.js'
import { type CibaNotice, cibaCallback, redeemedBy } from './cibaCallback.js'
import { AS_CIBA, type CibaState, cibaKey } from './cibaState.js'
import { commit } from './commit.js'
import { eventOf, ship } from './events.js'
import { kitOf } from './kit.js'
import { type Redeemable, redeem } from './redeem.js'
import { type Decided, decidedBefore, deciderOf, decodeWaiting, encodeWaiting, grantedOf, type UserDecision } from './waiting.js'

const ID = /^[a-z2-7]{26}$/
/** How long after its end a push is still tried. */
const LATE_MS = 300_000

/**
 * Approves or denies the request that `begin` was told of as `id`: one terminal state, however many decide. With ping and push its client
 * is told, and what is pushed is redeemed in this very commit; where `recheck` says no to that, the request is denied.
 * @param o.ops - written with the decision, in the user's partition; ≤ 4, where a `recheck` of pushes names ≤ 2 guards
 * @throws PosternError `grant.expired`: unknown, expired or another user's · `scope.refused` `details.refused` `request.malformed` · `tokens.denied`: the
 * login's session has ended
 */
export async function decideCiba(
  id: string,
  decision: UserDecision,
  context: IssuerContext,
  { ops = [] }: { readonly ops?: readonly Op[] } = {},
): Promise<Decided> {
  const { runtime, clients } = context
  const subject = deciderOf(decision)
  const part = await kitOf(context).places.user(subject)
  if (!ID.test(id)) throw expired('id')
  const [rec] = await runtime.store.read(part, [cibaKey(id)], { now: runtime.clock() })
  if (!rec) throw expired('unknown')
  const found = decodeWaiting<CibaState>(rec)
  const before = decidedBefore(rec)
  if (before !== null) return before
  const client = await clients.find(found.clientId)
  if (client === null) throw expired('client')
  const granted = decision.outcome === 'granted' ? await grantedOf(decision, found, client, context) : null
  for (let end = await endOf(granted, found, client, context); ; ) {
    const notice = noticeOf(end, found, client, context)
    const event = eventOf('ciba.decided', context, {
      client,
      subject,
      outcome: end.status === 'approved' ? 'success' : 'refused',
      ...(end.reason !== null && { reason: end.reason }),
      detail: { decision: end.status, mode: found.mode },
    })
    const value = encodeWaiting({ ...found, status: end.status, granted: end.granted } satisfies CibaState)
    const own: Op = { op: 'put', key: cibaKey(id), value, rev: rec.rev, expiresAt: found.exp }
    const redeeming = end.redemption?.ops ?? []
    const all = [own, ...redeeming, ...ops, ...(notice === null ? [] : [notice.op]), eventOp(event)]
    const { rev, answer } = await commit(part, all, context)
    if (answer.ok) {
      ship(part, [event], context)
      if (notice !== null) send(cibaCallback, part, notice, rev, context)
      return { status: end.status, first: true }
    }
    const { at, current } = answer
    if (at === 0) return decidedBefore(current) ?? refuse(expired('raced'))
    const mine = at - 1 - redeeming.length
    if (mine >= 0) return { status: 'blocked', first: false, at: mine, current }
    end = await settled(granted!, () => end.redemption!.conflict(at - 1, current))
  }
}

/** What is about to be written. */
interface End {
  readonly status: 'approved' | 'denied'
  readonly granted: Redeemable | null
  readonly redemption: Issue | null
  /** Why it is denied, when not by the user. */
  readonly reason: string | null
}

const DENIED: End = { status: 'denied', granted: null, redemption: null, reason: null }

async function endOf(
  granted: Redeemable | null,
  { mode, bound }: CibaState,
  client: Client,
  context: IssuerContext,
): Promise<End> {
  if (granted === null) return DENIED
  if (mode !== 'push') return { status: 'approved', granted, redemption: null, reason: null }
  const { jkt, x5t, holder } = bound
  const proof = jkt === null ? null : { jkt }
  const by = { client, proof, x5t, holder, proofOps: [], now: context.runtime.clock(), request: null, context }
  return settled(granted, () => redeem(granted, AS_CIBA, by))
}

/** A redemption, or the denial that a refusal of the host comes to. */
async function settled(granted: Redeemable, judged: () => Promise<Evaluated>): Promise<End> {
  try {
    const evaluated = await judged()
    if ('refuse' in evaluated) throw evaluated.refuse
    return { status: 'approved', granted, redemption: evaluated, reason: null }
  } catch (error) {
    if (!isPosternError(error, 'grant.invalid', 'tokens.denied')) throw error
    return { ...DENIED, reason: error.reason ?? error.code }
  }
}

/** A poll hears of nothing; a ping hears that there is a decision; a push brings the tokens, or why there are none (§12). */
function noticeOf(
  { redemption, granted }: End,
  { mode, notification, exp, subject, bound }: CibaState,
  client: Client,
  context: IssuerContext,
): Pending<CibaNotice> | null {
  if (notification === null) return null
  const push =
    mode === 'ping'
      ? null
      : redemption === null
        ? { error: 'access_denied' }
        : { redeemed: redeemedBy(redemption, granted!, bound.x5t) }
  const notice: CibaNotice = { clientId: client.id, subject: subject!, notification, push }
  return callback(cibaCallback, notice, mode === 'ping' ? exp : exp + LATE_MS, context)
}

/** One error for every request that is not this user's to decide. */
function expired(reason: string): PosternError<'grant.expired'> {
  return new PosternError('grant.expired', { reason: `ciba.${reason}` })
}

function refuse(error: PosternError): never {
  throw error
}
