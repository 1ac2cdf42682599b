/** Redemption: what a user granted becomes tokens once, in one commit in the owner's partition. A code, a device grant and an authentication request share it. */
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { EventType } from '@postern/core/events'
import type { JsonObject } from '@postern/core/json'
import type { Op, Rec } from '@postern/store'
import type { Evaluated, Issue, Refusal, TokenCall } from '../grant.js'
import type { Guard } from '../login.js'
import type { RecheckAt } from '../recheck.js'
import { newId } from './code.js'
import { DEVICE_SSO, deviceSecret, idClaimsOf } from './deviceSecret.js'
import { eventOf } from './events.js'
import { encodeFamily, expiryOf, type Family, familyKey, type Grant, outlivesClient, revokedFamily } from './family.js'
import { judge, MAX_TRIES } from './judge.js'
import { kitOf } from './kit.js'
import { listenerOps } from './listeners.js'
import { merged } from './merged.js'
import { boundTo } from './possession.js'
import { invalidGrant } from './wire.js'

/** What a user granted, until it is redeemed. */
export interface Redeemable {
  /** Names its one redemption. */
  readonly jti: string
  /** Ms: it can be redeemed until then. */
  readonly exp: number
  readonly grant: Grant
  readonly epochs: readonly Guard[]
  /** Of the login. */
  readonly guards: readonly Guard[]
  /** Whether a refresh token is due. */
  readonly refresh: boolean
  /** What else must stand at the redemption, though the grant outlives it: the session whose end is told, the device secret it comes from. */
  readonly ending?: readonly Guard[]
}

/** How one kind of grant is told of. */
export interface RedeemAs {
  readonly at: Exclude<RecheckAt, 'refresh' | 'client'>
  readonly event: EventType
  /** Seconds, where less than the resource's. */
  readonly lifetimeSec?: number
  /** Further members of the answer. */
  readonly members?: JsonObject
}

/** Who redeems it. */
export interface Redeemer
  extends Pick<TokenCall, 'client' | 'proofOps' | 'now' | 'context'>,
    Partial<Pick<TokenCall, 'x5t' | 'holder'>> {
  readonly proof: { readonly jkt: string } | null
  /** `null` where no client asks: tokens that are pushed to it. */
  readonly request: Request | null
  /** What this token gets of the granted `authorization_details`; default all. The family keeps them. */
  readonly details?: readonly JsonObject[]
}

interface Attempt {
  readonly tries: number
  readonly current: { readonly key: string; readonly rec: Rec | null } | null
}

/** The key under which a redemption stands: put if absent, so that one of all who race for it wins, at any latency. */
export function redeemedKey(jti: string): string {
  return `code/${jti}`
}

/**
 * The ops that redeem a grant, and what is to be issued when they hold. A second redemption ends the family of the first (T01, T02).
 * @throws PosternError `grant.invalid` | `tokens.denied`: the host's `recheck` says no
 */
export async function redeem(
  what: Redeemable,
  as: RedeemAs,
  by: Redeemer,
  { tries, current }: Attempt = { tries: 0, current: null },
): Promise<Issue> {
  const { client, proof, now, context, proofOps, request } = by
  const { lifetimes, resources } = context.config
  const kit = kitOf(context)
  const { epochs, guards } = what
  if (!outlivesClient(what.grant, client)) throw invalidGrant(`${as.at}.client_revoked`)
  const bound: Grant = { ...what.grant, ...boundTo(by) }
  const id = newId(context)
  const origin = { epochs, family: { id, row: what.refresh } }
  const secret = bound.scope.includes(DEVICE_SSO) ? await deviceSecret(bound, origin, now, context) : null
  const grant = secret?.grant ?? bound
  const part = await kit.places.owner(client, grant.subject)
  const accessSec = as.lifetimeSec ?? resources[grant.resource]?.accessSec ?? lifetimes.accessSec
  const judged = await judge(
    { at: as.at, grant, part, guards, seen: null, current, scope: grant.scope, lifetimeSec: accessSec, request },
    context,
  )
  const family: Family = {
    v: 1,
    status: 'live',
    id,
    gen: 0,
    prevRev: null,
    rotatedAt: now,
    sealKid: kit.long.activeKid(),
    created: now,
    absoluteExp: now + lifetimes.familySec * 1000,
    idleMs: lifetimes.familyIdleSec * 1000,
    part: part.id,
    guards: epochs,
    seen: judged.seen,
    grant,
  }
  const redeemed = utf8(JSON.stringify({ family: id, absoluteExp: family.absoluteExp }))
  const key = redeemedKey(what.jti)
  const ending = [...epochs, ...(what.ending ?? [])]
  const ops: readonly Op[] = [
    ...ending.map(({ key, rev }): Op => ({ op: 'check', key, rev })),
    ...judged.guards.map(({ key, rev }): Op => ({ op: 'check', key, rev })),
    ...proofOps,
    { op: 'put', key, value: redeemed, rev: null, expiresAt: what.exp + accessSec * 1000 },
    ...(what.refresh
      ? [{ op: 'put', key: familyKey(id), value: encodeFamily(family), rev: null, expiresAt: expiryOf(family) } satisfies Op]
      : []),
    ...(secret?.ops ?? []),
    ...(await listenerOps(client, grant, family.absoluteExp, kit)),
  ]
  return {
    part,
    ops,
    event: eventOf(as.event, context, {
      client,
      subject: grant.subject,
      detail: { scope: grant.scope.join(' '), acr: grant.acr, ...(as.at !== 'code' && { grant: as.at }) },
    }),
    plan: merged(grant, {
      ...(by.details !== undefined && { details: by.details }),
      part,
      family: { id, row: what.refresh },
      epochs,
      scope: judged.scope,
      lifetimeSec: judged.lifetimeSec,
      notAfter: family.absoluteExp,
      jkt: proof?.jkt ?? null,
      acr: judged.acr,
      app: grant.app ?? null,
      refresh: what.refresh ? { family } : null,
      members: { ...judged.members, ...as.members, ...secret?.members },
      ...idClaimsOf(grant),
      claims: judged.claims,
    }),
    async conflict(at, rec): Promise<Evaluated> {
      const failed = ops[at]!.key
      if (ending.some((guard) => guard.key === failed)) throw invalidGrant(`${as.at}.revoked`)
      if (failed.startsWith('j/')) throw new PosternError('dpop.proof', { reason: 'dpop.replayed' })
      if (failed === key) return replayed(rec, what, as, part, by)
      if (tries + 1 >= MAX_TRIES) throw new PosternError('store.overloaded')
      return redeem(what, as, by, { tries: tries + 1, current: { key: failed, rec } })
    },
  }
}

/** It has been redeemed before: whoever holds the tokens of that time loses them (RFC 6749 §4.1.2; T01, T02). */
function replayed(
  rec: Rec | null,
  { grant }: Redeemable,
  { at }: RedeemAs,
  part: Refusal['part'],
  { client, context }: Redeemer,
): Refusal {
  const { family, absoluteExp } = JSON.parse((rec && fromUtf8(rec.value)) || '{}') as { family?: string; absoluteExp?: number }
  const refuse = invalidGrant(`${at}.replayed`)
  if (family === undefined || absoluteExp === undefined) return { refuse, part, ops: [], event: null }
  return {
    refuse,
    part,
    // Without condition: whatever the family has become, it ends.
    ops: [{ op: 'put', key: familyKey(family), value: revokedFamily(), expiresAt: absoluteExp }],
    event: eventOf('code.replayed', context, { client, subject: grant.subject, outcome: 'refused' }),
  }
}
