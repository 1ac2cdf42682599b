/** A backchannel authentication between its request and its end: the record, and the `auth_req_id` that leads to it. */
import type { Part } from '@postern/store'
import type { RedeemAs } from './redeem.js'
import type { Waiting } from './waiting.js'

/** The `grant_type` that redeems it (CIBA Core §10.1). */
export const CIBA_GRANT = 'urn:openid:params:grant-type:ciba'

/** How a client hears of the decision: it asks, is told that it may ask, or is sent the tokens (§5). */
export type DeliveryMode = 'poll' | 'ping' | 'push'

/** What an `auth_req_id` holds. */
export interface AuthReqId {
  readonly id: string
  /** The partition, by {@link placed}. */
  readonly at: string
  /** Ms. */
  readonly exp: number
  readonly clientId: string
  readonly mode: DeliveryMode
  /** The key whose proof came with the request; polls come with it, too. */
  readonly jkt: string | null
  readonly intervalSec: number
}

const PLACE_CHARACTERS = 40

/** A partition's id at one length, whoever waits there: the length of an `auth_req_id` does not tell whether there is such a user. */
export function placed({ id }: Part): string {
  return id.padEnd(PLACE_CHARACTERS)
}

/** The partition of {@link placed}. */
export function placeOf({ at }: AuthReqId, tenant: string): Part {
  return { tenant, id: at.trimEnd() }
}

/** What reaches a client's endpoint: sealed at rest, since whoever knows both can speak for us there. */
export interface Notification {
  readonly token: string
  readonly authReqId: string
}

/** The record. */
export interface CibaState extends Waiting {
  readonly mode: DeliveryMode
  /** A sealed {@link Notification}; `null` for polls. */
  readonly notification: string | null
  /** What the client that asked has proved, for tokens that are pushed. */
  readonly bound: { readonly jkt: string | null; readonly x5t: string | null; readonly holder: string | null }
}

/** The key of a request in its partition; its gate is `.po`, its slow-downs `.sd`. */
export function cibaKey(id: string): string {
  return `ciba/${id}`
}

/** How its redemption is told of. */
export const AS_CIBA: RedeemAs = { at: 'ciba', event: 'token.issued' }
