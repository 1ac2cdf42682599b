/** A grant that waits for its user elsewhere: its record has one writer, the user's side, and one terminal state. Device grants and CIBA share it. */
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Part, Rec } from '@postern/store'
import type { Client } from '../clients.js'
import type { Evaluated, TokenCall } from '../grant.js'
import type { IssuerContext } from '../issuer.js'
import type { Login } from '../login.js'
import { redeemableOf } from './code.js'
import { narrowedDetails, tokenDetails } from './details.js'
import { type Gate, passGate } from './poll.js'
import { type RedeemAs, type Redeemable, redeem } from './redeem.js'

/** What a user has decided. */
export type UserDecision =
  | {
      readonly outcome: 'granted'
      readonly login: Login
      /** ⊆ what was asked for; default all of it. */
      readonly scope?: readonly string[]
      /** Within what was asked for, by the law of their types; left out, none are granted. */
      readonly authorizationDetails?: readonly JsonObject[]
    }
  | { readonly outcome: 'denied'; readonly subject: string }

/** What became of it. */
export type Decided =
  | {
      /** The one terminal state. */
      readonly status: 'approved' | 'denied'
      /** Whether this call brought it about; otherwise an earlier one has, and nothing of this one was written. */
      readonly first: boolean
    }
  /** An op of the caller's did not hold, and nothing was written: which, and what is there. */
  | { readonly status: 'blocked'; readonly first: false; readonly at: number; readonly current: Rec | null }

/** The record. */
export interface Waiting {
  readonly v: 1
  readonly status: 'pending' | 'claimed' | 'approved' | 'denied'
  /** Names the one redemption; a handle of another request does not fit. */
  readonly jti: string
  /** Ms. */
  readonly exp: number
  readonly clientId: string
  readonly scope: readonly string[]
  readonly resource: string
  readonly details: readonly JsonObject[]
  /** Whose it is; `null` while nobody has claimed it. */
  readonly subject: string | null
  /** When approved. */
  readonly granted: Redeemable | null
}

export function encodeWaiting(state: Waiting): Uint8Array {
  return utf8(JSON.stringify(state))
}

/** @throws PosternError `store.schema_unknown` */
export function decodeWaiting<T extends Waiting = Waiting>(rec: Rec): T {
  const state = JSON.parse(fromUtf8(rec.value) ?? 'null') as T | null
  if (state?.v !== 1) throw new PosternError('store.schema_unknown')
  return state
}

/** The user whose decision it is. */
export function deciderOf(decision: UserDecision): string {
  return decision.outcome === 'granted' ? decision.login.subject : decision.subject
}

/** The terminal state that stands, or `null`. */
export function decidedBefore(rec: Rec | null): Decided | null {
  const status = rec === null ? null : decodeWaiting(rec).status
  return status === 'approved' || status === 'denied' ? { status, first: false } : null
}

/**
 * What was granted of what was asked for. One read, of the epochs.
 * @throws PosternError `scope.refused` | `details.refused` when it is more
 */
export async function grantedOf(
  decision: Extract<UserDecision, { outcome: 'granted' }>,
  asked: Waiting,
  client: Client,
  context: IssuerContext,
): Promise<Redeemable> {
  const { jti, exp, resource } = asked
  const { login, scope = asked.scope, authorizationDetails = [] } = decision
  if (!scope.every((token) => asked.scope.includes(token))) throw new PosternError('scope.refused')
  const details = authorizationDetails.length === 0 ? [] : narrowedDetails(authorizationDetails, asked.details, context)
  return redeemableOf({ client, login, scope, resource, details, jti, exp }, context)
}

/**
 * A poll: through the gate, then what stands there. Whatever the answer, the assertion or proof of a shared client is spent.
 * @param o.jti - the request's that the handle was made for
 */
export async function poll(
  gate: Gate,
  o: { readonly jti: string; readonly form: ReadonlyMap<string, string>; readonly as: RedeemAs },
  call: TokenCall,
): Promise<Evaluated> {
  const rec = await passGate(gate, call.now, call.context)
  if (rec === 'slow') return not('grant.slow_down', gate.part)
  const state = rec === null ? null : decodeWaiting(rec)
  if (state?.jti !== o.jti) return not('grant.expired', gate.part)
  const { status, granted } = state
  if (granted === null) return not(status === 'denied' ? 'grant.denied' : 'grant.pending', gate.part)
  const { resource, details } = granted.grant
  const asked = o.form.get('resource')
  if (asked !== undefined && asked !== resource) throw new PosternError('target.refused')
  return redeem(granted, o.as, { ...call, ...tokenDetails(o.form, details, call.client, call.context) })
}

type Answer = 'grant.slow_down' | 'grant.expired' | 'grant.denied' | 'grant.pending'

function not(code: Answer, part: Part): Evaluated {
  return { refuse: new PosternError(code), part, ops: [], event: null }
}
