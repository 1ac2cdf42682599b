/** What a client is told of a decision, at its notification endpoint: that there is one (ping), or the tokens themselves (push). @see OpenID CIBA Core §10.2, §10.3, §12 */
import { isPosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Claims } from '@postern/core/jws'
import type { Rec } from '@postern/store'
import type { Client } from '../clients.js'
import type { Issue, TokenPlan } from '../grant.js'
import type { IssuerContext } from '../issuer.js'
import type { Guard } from '../login.js'
import type { CallbackKind, Message } from './callbacks.js'
import type { Notification } from './cibaState.js'
import { decodeFamily, type Family, familyKey, type Grant, outlivesClient } from './family.js'
import { openHandle } from './handles.js'
import { issue } from './issue.js'
import { type Judged, judge, MAX_TRIES } from './judge.js'
import { kitOf } from './kit.js'
import type { Redeemable } from './redeem.js'
import { invalidGrant, wireError } from './wire.js'

/** What a record holds. No token: what is pushed is made at each try. */
export interface CibaNotice {
  readonly clientId: string
  readonly subject: string
  /** A sealed {@link Notification}. */
  readonly notification: string
  /** `null` for a ping; an error, or what was redeemed, for a push. */
  readonly push: { readonly error: string } | { readonly redeemed: Redeemed } | null
}

/** A redemption that was committed with the decision. */
export interface Redeemed {
  /** Without the refresh token's record: that is read from the store, which knows its `rev`. */
  readonly plan: Omit<TokenPlan, 'refresh'>
  readonly grant: Grant
  readonly guards: readonly Guard[]
  readonly seen: JsonObject | null
}

/** What of a redemption a push needs. @param x5t - of the certificate that the request came with, for a client that is bound to it */
export function redeemedBy({ plan }: Issue, { grant, guards }: Redeemable, x5t: string | null): Redeemed {
  const { refresh, ...rest } = plan
  return {
    plan: x5t === null ? rest : { ...rest, x5t },
    grant: refresh?.family.grant ?? grant,
    guards,
    seen: refresh?.family.seen ?? null,
  }
}

/** Pings and pushes. */
export const cibaCallback: CallbackKind<CibaNotice> = {
  name: 'ciba',
  about: ({ clientId, subject }) => ({ client: { id: clientId, kind: 'shared' }, subject }),
  async compose({ clientId, notification, push }, _part, context) {
    const client = await context.clients.find(clientId)
    const opened = await openHandle<Notification>(kitOf(context), 'notification', notification)
    const url = client?.backchannelClientNotificationEndpoint
    if (client === null || opened === null || url === undefined) return null
    const { token, authReqId } = opened
    const body = push === null ? {} : 'error' in push ? push : await pushed(push.redeemed, authReqId, client, context)
    return body === null ? null : post(url, token, { auth_req_id: authReqId, ...body })
  },
}

function post(url: string, token: string, body: Claims): Message {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  return { url, headers, body: JSON.stringify(body) }
}

/**
 * The tokens of a redemption, or the error that has taken their place: locked, revoked or narrowed since the decision (T41). The refresh
 * token is the same at each try, since it is the record.
 * @returns `null` when it has been used, and so was received
 */
async function pushed(redeemed: Redeemed, authReqId: string, client: Client, context: IssuerContext): Promise<Claims | null> {
  const { plan, grant } = redeemed
  try {
    if (!outlivesClient(grant, client)) throw invalidGrant('ciba.client_revoked')
    const { judged, family } = await stillGranted(redeemed, context)
    if (family !== null && family.family.gen > 0) return null
    const now: TokenPlan = {
      ...plan,
      scope: judged.scope,
      lifetimeSec: judged.lifetimeSec,
      acr: judged.acr,
      members: judged.members,
      claims: judged.claims,
      refresh: family,
      idClaims: { ...plan.idClaims, 'urn:openid:params:jwt:claim:auth_req_id': authReqId },
      rtHash: true,
    }
    return await issue(now, '', context)
  } catch (error) {
    if (!isPosternError(error, 'grant.invalid', 'tokens.denied')) throw error
    const { description } = wireError(error)
    return { error: 'access_denied', error_description: description }
  }
}

interface Standing {
  readonly judged: Judged
  /** `null` where no refresh token is due. */
  readonly family: { readonly family: Family; readonly rev: string } | null
}

/** @throws PosternError `grant.invalid` | `tokens.denied` */
async function stillGranted({ plan, grant, guards, seen }: Redeemed, context: IssuerContext): Promise<Standing> {
  const { runtime } = context
  const { part, scope, lifetimeSec } = plan
  const epochs = plan.epochs ?? []
  for (let tries = 0, current: { key: string; rec: Rec | null } | null = null; tries < MAX_TRIES; tries++) {
    const judged = await judge({ at: 'ciba', grant, part, guards, seen, current, scope, lifetimeSec, request: null }, context)
    const checks = [...epochs, ...judged.guards]
    const keys = [familyKey(plan.family!.id), ...checks.map(({ key }) => key)]
    const [fam, ...recs] = await runtime.store.read(part, keys, { now: runtime.clock() })
    const failed = checks.findIndex(({ rev }, i) => rev !== (recs[i]?.rev ?? null))
    if (failed >= 0 && failed < epochs.length) throw invalidGrant('ciba.revoked')
    if (failed < 0) return { judged, family: standing(fam ?? null, plan) }
    current = { key: checks[failed]!.key, rec: recs[failed] ?? null }
  }
  throw invalidGrant('ciba.guards')
}

function standing(rec: Rec | null, { family: due }: Redeemed['plan']): Standing['family'] {
  const family = rec === null ? null : decodeFamily(rec.value)
  // A tombstone, or a record that is gone though there must be one: revoked.
  if (family === null && (rec !== null || due?.row === true)) throw invalidGrant('ciba.revoked')
  return family === null ? null : { family, rev: rec!.rev }
}
