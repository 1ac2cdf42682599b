/** The user's side of the device grant: he enters a code, sees what asks, and decides once. */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Op, Part } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { commit } from './commit.js'
import { DEVICE_KEY, type DeviceGrant, deviceId, devicePart } from './deviceState.js'
import { eventOf, ship, tell } from './events.js'
import { kitOf } from './kit.js'
import { countGuess, readUserCode } from './userCode.js'
import {
  type Decided,
  decidedBefore,
  deciderOf,
  decodeWaiting,
  encodeWaiting,
  grantedOf,
  type UserDecision,
  type Waiting,
} from './waiting.js'

/** What the page must show before the user decides (RFC 8628 §5.4: which device, and that it is his). */
export interface DevicePrompt {
  readonly id: string
  readonly client: Client
  readonly scope: readonly string[]
  readonly resource: string
  readonly authorizationDetails: readonly JsonObject[]
  readonly acrValues: readonly string[]
  /** Ms. */
  readonly exp: number
}

/** Whose claim it is, of which grant. */
export type DeviceClaim = {
  /** The host's id of the user who is logged in at the page. */
  readonly subject: string
  /** Written with the claim, in the grant's partition; ≤ 8. */
  readonly ops?: readonly Op[]
} & (
  | {
      /** As it was typed. Each call counts as a guess. */
      readonly userCode: string
      /** Default `context.host.ip`. Without one only the user is limited. */
      readonly ip?: string
    }
  /** As {@link DeviceAsk} has it, where something unguessable carried it (a signed QR): no guess, nothing is counted. */
  | { readonly id: string }
)

/**
 * Binds a waiting grant to the user who entered its code: once, and again for the same user. At most 5 codes a user and 10 an address (IPv6:
 * a /64) in a quarter of an hour, counted before anything is looked up (T39).
 * @throws PosternError `user_code.invalid`: unknown, expired, decided or another's · `user_code.limited`
 */
export async function claimUserCode(claim: DeviceClaim, context: IssuerContext): Promise<DevicePrompt> {
  try {
    return await claimed(claim, context)
  } catch (error) {
    if (isPosternError(error, 'user_code.invalid', 'user_code.limited')) tellFailure(error, claim.subject, context)
    throw error
  }
}

async function claimed(claim: DeviceClaim, context: IssuerContext): Promise<DevicePrompt> {
  const { subject, ops = [] } = claim
  const part = await partOf(claim, context)
  const now = context.runtime.clock()
  const [rec] = await context.runtime.store.read(part, [DEVICE_KEY], { now })
  const found = rec ? decodeWaiting<DeviceGrant>(rec) : null
  if (found === null || !mayClaim(found, subject)) throw invalid('unknown')
  const client = await context.clients.find(found.clientId)
  if (client === null) throw invalid('client')
  if (found.status === 'pending') {
    const value = encodeWaiting({ ...found, status: 'claimed', subject } satisfies DeviceGrant)
    const { answer } = await commit(
      part,
      [{ op: 'put', key: DEVICE_KEY, value, rev: rec!.rev, expiresAt: found.exp }, ...ops],
      context,
    )
    if (!answer.ok && !(answer.at === 0 && answer.current !== null && isClaimedBy(decodeWaiting(answer.current), subject)))
      throw invalid('raced')
  }
  const { scope, resource, details: authorizationDetails, acrValues, exp } = found
  return { id: deviceId(part), client, scope, resource, authorizationDetails, acrValues, exp }
}

/** @throws PosternError `user_code.invalid` | `user_code.limited` */
async function partOf(claim: DeviceClaim, context: IssuerContext): Promise<Part> {
  if ('id' in claim) return devicePart(claim.id, context.tenant) ?? refuse('id')
  const { subject, userCode, ip = context.host?.ip } = claim
  await countGuess({ subject, ip }, context.device?.surge ?? 3200, context)
  const code = readUserCode(userCode)
  if (code === null) throw invalid('form')
  return kitOf(context).places.deviceGrant(code)
}

/**
 * Approves or denies a grant that this user has claimed: one terminal state, however many decide.
 * @param o.ops - written with the decision, in the grant's partition; ≤ 8
 * @throws PosternError `user_code.invalid`: unknown, expired or not claimed by this user · `scope.refused` `details.refused` `request.malformed` · `tokens.denied`: the login's session has ended
 */
export async function decideDevice(
  id: string,
  decision: UserDecision,
  context: IssuerContext,
  { ops = [] }: { readonly ops?: readonly Op[] } = {},
): Promise<Decided> {
  const subject = deciderOf(decision)
  const part = devicePart(id, context.tenant) ?? refuse('id')
  const [rec] = await context.runtime.store.read(part, [DEVICE_KEY], { now: context.runtime.clock() })
  const found = rec ? decodeWaiting<DeviceGrant>(rec) : null
  if (found?.subject !== subject) throw invalid('subject')
  const before = decidedBefore(rec!)
  if (before !== null) return before
  const client = await context.clients.find(found.clientId)
  if (client === null) throw invalid('client')
  const granted = decision.outcome === 'granted' ? await grantedOf(decision, found, client, context) : null
  const status = granted === null ? 'denied' : 'approved'
  const event = eventOf('device_code.decided', context, {
    client,
    subject,
    outcome: granted === null ? 'refused' : 'success',
    detail: { decision: status },
  })
  const value = encodeWaiting({ ...found, status, granted } satisfies DeviceGrant)
  const own: Op = { op: 'put', key: DEVICE_KEY, value, rev: rec!.rev, expiresAt: found.exp }
  const { answer } = await commit(part, [own, ...ops, eventOp(event)], context)
  if (answer.ok) {
    ship(part, [event], context)
    return { status, first: true }
  }
  const { at, current } = answer
  if (at > 0) return { status: 'blocked', first: false, at: at - 1, current }
  const standing = decidedBefore(current)
  if (standing === null) throw invalid('raced')
  return standing
}

function mayClaim(state: Waiting, subject: string): boolean {
  return state.status === 'pending' || isClaimedBy(state, subject)
}

function isClaimedBy({ status, subject: owner }: Waiting, subject: string): boolean {
  return status === 'claimed' && owner === subject
}

/** One error for every way a user code can be wrong; `reason` goes into the event alone. */
function invalid(reason: string): PosternError<'user_code.invalid'> {
  return new PosternError('user_code.invalid', { reason: `user_code.${reason}` })
}

function refuse(reason: string): never {
  throw invalid(reason)
}

function tellFailure({ reason, code }: PosternError, subject: string, context: IssuerContext): void {
  tell(eventOf('user_code.failed', context, { subject, outcome: 'refused', reason: reason ?? code }), context)
}
