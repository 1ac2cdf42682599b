/** `refresh_token` (RFC 6749 §6, RFC 9700 §4.14.2): one compare-and-swap; a lost reply is answered again with the same bytes. */
import { PosternError } from '@postern/core/errors'
import type { Op, Part, Rec } from '@postern/store'
import type { Evaluated, GrantType, Refusal, TokenCall } from '../grant.js'
import { tokenDetails } from '../internal/details.js'
import { idClaimsOf } from '../internal/deviceSecret.js'
import { eventOf } from '../internal/events.js'
import {
  decodeFamily,
  encodeFamily,
  expiryOf,
  type Family,
  familyKey,
  openRefreshToken,
  outlivesClient,
  revokedFamily,
  step,
  verdict,
} from '../internal/family.js'
import { type Judged, judge, MAX_TRIES } from '../internal/judge.js'
import { kitOf } from '../internal/kit.js'
import type { TokenPlan } from '../internal/plan.js'
import { isBound, missingOf } from '../internal/possession.js'
import { narrowScope } from '../internal/scope.js'
import { invalidGrant, malformed } from '../internal/wire.js'
import type { IssuerContext } from '../issuer.js'
import { instanceOf } from './code.js'

const MAX_RETRIES_OF_ONE = 100

/** The grant type. */
export const refresh: GrantType = {
  grantType: 'refresh_token',

  async vouched(form, context) {
    const token = await presented(form, context)
    return token === null ? null : instanceOf(token.family.grant, true)
  },

  async evaluate(form, call) {
    const { client, now, context } = call
    if (!form.has('refresh_token')) throw malformed('refresh_token is missing.')
    const token = await presented(form, context)
    if (token === null) throw invalidGrant('refresh.unreadable')
    const { family } = token
    const { grant } = family
    // A stranger's call ends here: it never gets near the family (T18).
    if (grant.clientId !== client.id) throw invalidGrant('refresh.client')
    const missing = missingOf(grant, call)
    if (missing !== null) throw invalidGrant(`refresh.${missing}`)
    if (!outlivesClient(grant, client)) throw invalidGrant('refresh.client_revoked')
    if (family.absoluteExp <= now) throw invalidGrant('refresh.expired')
    const scope = narrowScope(form.get('scope'), grant.scope) //                                   the access token alone narrows (T19)
    const resource = form.get('resource')
    if (resource !== undefined && resource !== grant.resource) throw new PosternError('target.refused')
    const part = { tenant: context.tenant, id: family.part }
    const details = tokenDetails(form, grant.details, client, context)
    return rotate({ token, call, part, scope, details, tries: 0, current: null })
  },
}

type Opened = Awaited<ReturnType<typeof openRefreshToken>>

/** What a form presented: an instance's token vouches for it before it is judged, and is opened once. */
const opened: WeakMap<
  ReadonlyMap<string, string>,
  { readonly context: IssuerContext; readonly token: Opened }
> = /* @__PURE__ */ new WeakMap()

async function presented(form: ReadonlyMap<string, string>, context: IssuerContext): Promise<Opened> {
  const known = opened.get(form)
  if (known?.context === context) return known.token
  const text = form.get('refresh_token')
  const token = text === undefined ? null : await openRefreshToken(kitOf(context), text)
  opened.set(form, { context, token })
  return token
}

interface Turn {
  readonly token: { readonly family: Family; readonly rev: string }
  readonly call: TokenCall
  readonly part: Part
  readonly scope: readonly string[]
  /** Of the access token; the family keeps all. */
  readonly details: Pick<TokenPlan, 'details'>
  readonly tries: number
  readonly current: { readonly key: string; readonly rec: Rec | null } | null
}

async function rotate(turn: Turn): Promise<Evaluated> {
  const { token, call, part } = turn
  const { now, context, proofOps, client } = call
  const { family, rev } = token
  const judged = await judgeTurn(turn, family)
  const next = step(family, rev, now, kitOf(context).long.activeKid(), judged.seen)
  const key = familyKey(family.id)
  const ops: readonly Op[] = [
    ...guardOps(family, judged),
    ...proofOps,
    { op: 'put', key, value: encodeFamily(next), rev, expiresAt: expiryOf(next) },
  ]
  return {
    part,
    ops,
    event: eventOf('token.refreshed', context, { client, subject: family.grant.subject, detail: { generation: next.gen } }),
    plan: planOf(turn, judged, { family: next }),
    conflict: (at, rec) => (ops[at]!.key === key ? lost(turn, rec) : blocked(turn, family, ops[at]!.key, rec, rotate)),
  }
}

/** The compare-and-swap was lost: what stands there says whether this is an honest retry or theft. */
async function lost(turn: Turn, rec: Rec | null): Promise<Evaluated> {
  const { token, call, part } = turn
  const { now, context, client } = call
  const { config } = context
  const current = rec === null ? null : decodeFamily(rec.value)
  const graceMs = 1000 * (isBound(token.family.grant) ? config.graceSec.bound : config.graceSec.bearer)
  const said = verdict(token, current, now, graceMs)
  if (said === 'retry') return repeat(turn, current!, rec!.rev)
  if (said === 'gone' || (config.onReuse === 'refuse' && isBound(token.family.grant))) throw invalidGrant(`refresh.${said}`)
  return {
    refuse: invalidGrant('refresh.reused'),
    part,
    ops: [{ op: 'put', key: familyKey(token.family.id), value: revokedFamily(), expiresAt: token.family.absoluteExp }],
    event: eventOf('refresh.reused', context, {
      client,
      subject: token.family.grant.subject,
      outcome: 'refused',
      detail: { generation: token.family.gen },
    }),
  } satisfies Refusal
}

/** Everyone who retries inside the grace gets the successor that stands in the store: the same bytes, and a fresh access token. */
async function repeat(turn: Turn, successor: Family, rev: string): Promise<Evaluated> {
  const { token, call, part } = turn
  const judged = await judgeTurn(turn, successor)
  const key = familyKey(successor.id)
  const ops: readonly Op[] = [
    ...guardOps(successor, judged),
    { op: 'check', key, rev },
    ...call.proofOps,
    {
      op: 'add',
      key: `fr/${successor.id}/${token.family.gen}`,
      by: 1,
      max: MAX_RETRIES_OF_ONE,
      expiresAt: successor.absoluteExp,
    },
  ]
  return {
    part,
    ops,
    event: null,
    plan: planOf(turn, judged, { family: successor, rev }),
    async conflict(at, rec) {
      const failed = ops[at]!.key
      if (failed.startsWith('fr/')) throw invalidGrant('refresh.retries')
      if (failed !== key) return blocked(turn, successor, failed, rec, (next) => repeat(next, successor, rev))
      if (turn.tries + 1 >= MAX_TRIES) throw new PosternError('store.overloaded')
      return lost({ ...turn, tries: turn.tries + 1, current: null }, rec)
    },
  }
}

async function blocked(
  turn: Turn,
  { guards }: Family,
  key: string,
  rec: Rec | null,
  again: (turn: Turn) => Promise<Evaluated>,
): Promise<Evaluated> {
  if (guards.some((guard) => guard.key === key)) throw invalidGrant('refresh.revoked')
  if (key.startsWith('j/')) throw new PosternError('dpop.proof', { reason: 'dpop.replayed' })
  if (turn.tries + 1 >= MAX_TRIES) throw new PosternError('store.overloaded')
  return again({ ...turn, tries: turn.tries + 1, current: { key, rec } })
}

function judgeTurn({ call, part, scope, current }: Turn, { grant, seen }: Family): Promise<Judged> {
  const { context, request } = call
  const lifetimeSec = context.config.resources[grant.resource]?.accessSec ?? context.config.lifetimes.accessSec
  return judge({ at: 'refresh', grant, part, guards: [], seen, current, scope, lifetimeSec, request }, context)
}

function guardOps({ guards }: Family, judged: Judged): readonly Op[] {
  return [...guards, ...judged.guards].map(({ key, rev }) => ({ op: 'check', key, rev }))
}

function planOf({ call, part, details }: Turn, judged: Judged, refresh: NonNullable<TokenPlan['refresh']>): TokenPlan {
  const { family } = refresh
  const { kind, clientId, subject, sector, resource, amr, authTime, sid, nonce, x5t, app } = family.grant
  return {
    kind,
    clientId,
    subject,
    ...(sector !== undefined && { sector }),
    resource,
    amr,
    authTime,
    sid,
    nonce,
    ...(x5t !== undefined && { x5t }),
    ...details,
    part,
    family: { id: family.id, row: true },
    epochs: family.guards,
    scope: judged.scope,
    lifetimeSec: judged.lifetimeSec,
    notAfter: family.absoluteExp,
    jkt: call.proof?.jkt ?? null,
    acr: judged.acr,
    app: app ?? null,
    refresh,
    members: judged.members,
    ...idClaimsOf(family.grant),
    claims: judged.claims,
  }
}
