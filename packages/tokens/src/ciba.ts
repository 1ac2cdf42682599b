/** Client-initiated backchannel authentication (OpenID CIBA Core 1.0): a client names a user, the user decides on a device of his own; poll, ping and push. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Op, Part } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Client } from './clients.js'
import type { Endpoint } from './endpoint.js'
import { authenticate, boundCertificate, owesProof, spendAll } from './internal/authenticate.js'
import { sweepCallbacks } from './internal/callbacks.js'
import { isCallbackUrl } from './internal/callbackUrl.js'
import { cibaCallback } from './internal/cibaCallback.js'
import { type CibaRequest, cibaParameters, parseCibaRequest } from './internal/cibaRequest.js'
import {
  type AuthReqId,
  CIBA_GRANT,
  type CibaState,
  cibaKey,
  type DeliveryMode,
  type Notification,
  placed,
} from './internal/cibaState.js'
import { newId } from './internal/code.js'
import { commit } from './internal/commit.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { eventOf, later, ship } from './internal/events.js'
import { sealHandle } from './internal/handles.js'
import { json, readForm } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { encodeWaiting } from './internal/waiting.js'
import type { IssuerContext } from './issuer.js'

export { decideCiba } from './internal/cibaDecision.js'
export type { CibaHint, CibaRequest } from './internal/cibaRequest.js'
export { CIBA_GRANT, type DeliveryMode } from './internal/cibaState.js'
export type { Decided, UserDecision } from './internal/waiting.js'

/** A request, as the host is asked whom it is about. */
export interface CibaAsk extends CibaRequest {
  /** Names it: `decideCiba` takes it. Lower-case base32, 26 characters. */
  readonly id: string
  readonly client: Client
  /** Ms. */
  readonly exp: number
  readonly request: Request
}

/** Whom a request is about. */
export interface CibaAnswer {
  /**
   * `null`: nobody, or nobody who can be asked. The client is not told: it gets an `auth_req_id` like any other, which ends `expired_token`.
   * To tell it instead, throw `ciba.unknown_user`.
   */
  readonly subject: string | null
  /**
   * Written with the request, in the user's partition, or in one that the hint names where there is no user; ≤ 8. Where one does not hold
   * (somebody waits for this user already), the client is answered as for nobody.
   */
  readonly ops?: readonly Op[]
  /** Runs once the request stands: reach the user's device. No reply waits for it, and no failure of it is told: that is the host's own matter. */
  after?(): Promise<void>
}

/** Backchannel authentication of an issuer. */
export interface CibaPort {
  /** @throws PosternError `ciba.unknown_user` `ciba.expired_hint` `ciba.missing_user_code` `ciba.invalid_user_code` `tokens.denied`, or any below 500, to refuse openly */
  begin(ask: CibaAsk, context: IssuerContext): Promise<CibaAnswer>
  /** Default all three. Clients are registered for one of them. */
  readonly deliveryModes?: readonly DeliveryMode[]
  /** The most, and what counts without `requested_expiry`; default 300, which is the most. */
  readonly lifetimeSec?: number
  /** Between polls; default 5. */
  readonly intervalSec?: number
  /** Whether {@link CibaRequest.userCode} is used, for the metadata. */
  readonly userCode?: boolean
}

const MODES: readonly DeliveryMode[] = ['poll', 'ping', 'push']
const MAX_LIFE_SEC = 300

/** `POST /bc-authorize` (§7), where the issuer has a {@link CibaPort}; for confidential clients. */
export const backchannelAuthentication: Endpoint = {
  name: 'ciba',
  metadataName: 'backchannel_authentication_endpoint',
  offered: ({ ciba }) => ciba !== undefined,
  announce: ({ ciba, config }) => ({
    backchannel_token_delivery_modes_supported: ciba?.deliveryModes ?? MODES,
    backchannel_authentication_request_signing_alg_values_supported: config.algs,
    backchannel_user_code_parameter_supported: ciba?.userCode ?? false,
  }),
  // Where a client can only poll, a store without an outbox will do.
  sweep: async (context) => (context.ciba === undefined || context.runtime.store.outbox === undefined ? 0 : deliver(context)),
  handle: endpoint('ciba', async (request, context) => {
    const sent = await readForm(request)
    const caller = await authenticate(request, sent, context, { url: urlOf('ciba', context), tokens: false })
    const { client, proof, holder } = caller
    const mode = modeOf(client, context)
    // What is pushed is bound now or never: nobody proves anything at delivery.
    if (mode === 'push' && proof === null && owesProof(client, context, true))
      throw new PosternError('dpop.proof', { reason: 'dpop.missing' })
    const x5t = mode === 'push' && client.certificateBound === true ? await boundCertificate(context) : null
    const { form, markers } = await cibaParameters(sent, client, context)
    const asked = await parseCibaRequest(form, client, mode, context)
    await spendAll({ ...caller, markers: [...caller.markers, ...markers] }, context)
    return json(200, await begin(asked, { mode, client, bound: { jkt: proof?.jkt ?? null, x5t, holder } }, request, context))
  }),
}

/** @throws PosternError `grant.not_allowed` */
function modeOf(client: Client, { ciba }: IssuerContext): DeliveryMode {
  const { backchannelTokenDeliveryMode: mode = 'poll', backchannelClientNotificationEndpoint: url = '' } = client
  if (client.kind !== 'shared' || client.auth.method === 'none' || !client.grantTypes.includes(CIBA_GRANT))
    throw new PosternError('grant.not_allowed')
  if (!(ciba?.deliveryModes ?? MODES).includes(mode) || (mode !== 'poll' && !isCallbackUrl(url)))
    throw new PosternError('grant.not_allowed', { reason: `ciba.${mode}` })
  return mode
}

interface Asked {
  readonly asked: CibaRequest
  readonly id: string
  readonly client: Client
  readonly mode: DeliveryMode
  readonly bound: CibaState['bound']
  /** Ms. */
  readonly exp: number
  /** For the event, which tells the truth. */
  readonly told: string | null
}

async function begin(
  asked: CibaRequest,
  by: Pick<Asked, 'client' | 'mode' | 'bound'>,
  request: Request,
  context: IssuerContext,
): Promise<JsonObject> {
  const { runtime, ciba } = context
  const { client, mode } = by
  const { lifetimeSec = MAX_LIFE_SEC, intervalSec = 5 } = ciba!
  const expiresIn = Math.min(asked.requestedExpiry ?? lifetimeSec, lifetimeSec, MAX_LIFE_SEC)
  const id = newId(context)
  const exp = runtime.clock() + expiresIn * 1000
  const answer = await ciba!.begin({ ...asked, id, client, exp, request }, context)
  const { subject, ops = [] } = answer
  const it: Asked = { ...by, asked, id, exp, told: subject }
  const { places } = kitOf(context)
  const { hint } = asked
  const part = await (subject === null ? places.nobody('value' in hint ? hint.value : hint.subject) : places.user(subject))
  const stood = await stand(it, part, subject, ops, subject === null ? 'ciba.nobody' : null, context)
  // Whoever finds that somebody waits for this user already learns no more of it than of a user who is not there.
  const authReqId = stood ?? (await stand(it, await places.nobody(id), null, [], 'ciba.busy', context))
  if (authReqId === null) throw new PosternError('store.overloaded')
  if (stood !== null && answer.after !== undefined) later(context, async () => answer.after!())
  return { auth_req_id: authReqId, expires_in: expiresIn, ...(mode !== 'push' && { interval: intervalSec }) }
}

/** @returns the `auth_req_id`; `null` when an op did not hold */
async function stand(
  { asked, id, client, mode, bound, exp, told }: Asked,
  part: Part,
  subject: string | null,
  ops: readonly Op[],
  refused: string | null,
  context: IssuerContext,
): Promise<string | null> {
  const kit = kitOf(context)
  const { scope, resource, authorizationDetails: details, notificationToken: token } = asked
  const { intervalSec = 5 } = context.ciba!
  const handle: AuthReqId = { id, at: placed(part), exp, clientId: client.id, mode, jkt: bound.jkt, intervalSec }
  const authReqId = await sealHandle(kit, 'ciba', handle)
  const about = { jti: id, exp, clientId: client.id, scope, resource, details, subject, mode, bound }
  const notification = token === null ? null : await sealHandle(kit, 'notification', { token, authReqId } satisfies Notification)
  const state: CibaState = { v: 1, status: 'pending', ...about, granted: null, notification }
  const event = eventOf('ciba.requested', context, {
    client,
    ...(told !== null && { subject: told }),
    ...(refused !== null && { outcome: 'refused', reason: refused }),
    detail: { mode },
  })
  const own: Op = { op: 'put', key: cibaKey(id), value: encodeWaiting(state), rev: null, expiresAt: exp }
  const { answer } = await commit(part, [own, ...ops, eventOp(event)], context)
  if (answer.ok) ship(part, [event], context)
  return answer.ok ? authReqId : null
}

/**
 * Sends the pings and pushes that are due: those that a crash kept, and those that a client did not take. `createAuthorizationServer().sweep`
 * calls it, where the endpoint was passed in.
 * @returns how many were delivered
 */
export function deliver(context: IssuerContext): Promise<number> {
  return sweepCallbacks(cibaCallback, context)
}
