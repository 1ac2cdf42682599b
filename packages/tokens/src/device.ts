/** The device authorization grant (RFC 8628): a device without a browser shows a code, its user enters it elsewhere and decides there. */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Op, Part } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Client } from './clients.js'
import type { Endpoint } from './endpoint.js'
import { authenticate, spendAll } from './internal/authenticate.js'
import { words } from './internal/authorizationRequest.js'
import { newId } from './internal/code.js'
import { commit } from './internal/commit.js'
import { askedDetails } from './internal/details.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { eventOf, ship, tell } from './internal/events.js'
import { sealHandle } from './internal/handles.js'
import { json, readForm } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { clientResource, clientScope } from './internal/scope.js'
import { countGuess, newUserCode, readUserCode, shownUserCode } from './internal/userCode.js'
import {
  type Decided,
  decidedBefore,
  deciderOf,
  decodeWaiting,
  encodeWaiting,
  grantedOf,
  type UserDecision,
  type Waiting,
} from './internal/waiting.js'
import type { IssuerContext } from './issuer.js'

export type { Decided, UserDecision } from './internal/waiting.js'

/** The `grant_type` that redeems it. */
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/** A device's request, as the host is told of it. */
export interface DeviceAsk {
  /** Names the grant: {@link DevicePrompt.id} later. */
  readonly id: string
  /** Where it waits: ops of {@link DevicePort.begin} stand here. */
  readonly part: Part
  /** As it is shown: `WDJB-MJHT`. */
  readonly userCode: string
  readonly client: Client
  readonly scope: readonly string[]
  readonly resource: string
  readonly authorizationDetails: readonly JsonObject[]
  readonly acrValues: readonly string[]
  /** Ms. */
  readonly exp: number
  readonly form: ReadonlyMap<string, string>
  readonly request: Request
}

/** The device grant of an issuer. */
export interface DevicePort {
  /** The host's page for the code; short, since people type it. */
  readonly verificationUri: string
  /** Default 600, 1 to 1800. */
  readonly lifetimeSec?: number
  /** Between polls; default 5. */
  readonly intervalSec?: number
  /** User codes tried in a quarter of an hour, over all users, from which on `user_code.surge` is told; default 3,200. */
  readonly surge?: number
  /**
   * Called before a grant is stored: what else to put with it (≤ 8 ops in its partition), and what else to answer, such as
   * `verification_uri_complete`. It refuses by throwing a `PosternError`. Called again where a code was taken.
   */
  begin?(ask: DeviceAsk): Promise<{ readonly ops?: readonly Op[]; readonly members?: JsonObject }>
}

/** What a device's handle holds. */
export interface DeviceCode {
  readonly id: string
  readonly jti: string
  /** Ms. */
  readonly exp: number
  readonly clientId: string
  /** The key whose proof came with the request; polls come with it, too. */
  readonly jkt: string | null
  readonly intervalSec: number
}

/** The record: what the user must be shown of the request. */
interface DeviceGrant extends Waiting {
  readonly acrValues: readonly string[]
}

const KEY = 'dg'
const MAX_COLLISIONS = 4

/** `POST /device_authorization` (RFC 8628 §3.1), where the issuer has a {@link DevicePort}. */
export const deviceAuthorization: Endpoint = {
  name: 'device',
  metadataName: 'device_authorization_endpoint',
  offered: ({ device }) => device !== undefined,
  handle: endpoint('device', async (request, context) => {
    const form = await readForm(request)
    const caller = await authenticate(request, form, context, { url: urlOf('device', context), tokens: false })
    const { client, proof } = caller
    if (!client.grantTypes.includes(DEVICE_GRANT)) throw new PosternError('grant.not_allowed')
    const asked = {
      client,
      scope: clientScope(form.get('scope'), client, context.config),
      resource: clientResource(form.get('resource'), client, context.config),
      authorizationDetails: askedDetails(form, client, context) ?? [],
      acrValues: words(form.get('acr_values')),
      form,
      request,
    }
    await spendAll(caller, context)
    return json(200, await begin(asked, proof?.jkt ?? null, context))
  }),
}

async function begin(
  asked: Omit<DeviceAsk, 'id' | 'part' | 'userCode' | 'exp'>,
  jkt: string | null,
  context: IssuerContext,
): Promise<JsonObject> {
  const { runtime, device } = context
  const { verificationUri, lifetimeSec = 600, intervalSec = 5 } = device!
  const exp = runtime.clock() + lifetimeSec * 1000
  const { client, scope, resource, authorizationDetails: details, acrValues } = asked
  const jti = newId(context)
  const grant: DeviceGrant = {
    v: 1,
    status: 'pending',
    jti,
    exp,
    clientId: client.id,
    scope,
    resource,
    details,
    acrValues,
    subject: null,
    granted: null,
  }
  for (let tries = 0; tries < MAX_COLLISIONS; tries++) {
    const code = newUserCode(runtime.random)
    const part = await kitOf(context).places.deviceGrant(code)
    const id = idOf(part)
    const userCode = shownUserCode(code)
    const { ops = [], members = {} } = (await device!.begin?.({ ...asked, id, part, userCode, exp })) ?? {}
    const own: Op = { op: 'put', key: KEY, value: encodeWaiting(grant), rev: null, expiresAt: exp }
    const { answer } = await commit(part, [own, ...ops], context)
    if (!answer.ok) continue
    const handle: DeviceCode = { id, jti, exp, clientId: client.id, jkt, intervalSec }
    return {
      verification_uri: verificationUri,
      ...members,
      device_code: await sealHandle(kitOf(context), 'device', handle),
      user_code: userCode,
      expires_in: lifetimeSec,
      interval: intervalSec,
    }
  }
  throw new PosternError('store.overloaded')
}

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
  const [rec] = await context.runtime.store.read(part, [KEY], { now })
  const found = rec ? decodeWaiting<DeviceGrant>(rec) : null
  if (found === null || !mayClaim(found, subject)) throw invalid('unknown')
  const client = await context.clients.find(found.clientId)
  if (client === null) throw invalid('client')
  if (found.status === 'pending') {
    const value = encodeWaiting({ ...found, status: 'claimed', subject } satisfies DeviceGrant)
    const { answer } = await commit(part, [{ op: 'put', key: KEY, value, rev: rec!.rev, expiresAt: found.exp }, ...ops], context)
    if (!answer.ok && !(answer.at === 0 && answer.current !== null && isClaimedBy(decodeWaiting(answer.current), subject)))
      throw invalid('raced')
  }
  const { scope, resource, details: authorizationDetails, acrValues, exp } = found
  return { id: idOf(part), client, scope, resource, authorizationDetails, acrValues, exp }
}

/** @throws PosternError `user_code.invalid` | `user_code.limited` */
async function partOf(claim: DeviceClaim, context: IssuerContext): Promise<Part> {
  if ('id' in claim) return { tenant: context.tenant, id: `dg:${checkedId(claim.id)}` }
  const { subject, userCode, ip = context.host?.ip } = claim
  await countGuess({ subject, ip }, context.device?.surge ?? 3200, context)
  const code = readUserCode(userCode)
  if (code === null) throw invalid('form')
  return kitOf(context).places.deviceGrant(code)
}

/**
 * Approves or denies a grant that this user has claimed: one terminal state, however many decide.
 * @param o.ops - written with the decision, in the grant's partition; ≤ 8
 * @throws PosternError `user_code.invalid`: unknown, expired or not claimed by this user · `scope.refused` `details.refused` `request.malformed`
 */
export async function decideDevice(
  id: string,
  decision: UserDecision,
  context: IssuerContext,
  { ops = [] }: { readonly ops?: readonly Op[] } = {},
): Promise<Decided> {
  const subject = deciderOf(decision)
  const part: Part = { tenant: context.tenant, id: `dg:${checkedId(id)}` }
  const [rec] = await context.runtime.store.read(part, [KEY], { now: context.runtime.clock() })
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
  const own: Op = { op: 'put', key: KEY, value, rev: rec!.rev, expiresAt: found.exp }
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

const ID = /^[a-z2-7]{26}$/

function checkedId(id: string): string {
  if (!ID.test(id)) throw invalid('id')
  return id
}

function idOf({ id }: Part): string {
  return id.slice('dg:'.length)
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

function tellFailure({ reason, code }: PosternError, subject: string, context: IssuerContext): void {
  tell(eventOf('user_code.failed', context, { subject, outcome: 'refused', reason: reason ?? code }), context)
}
