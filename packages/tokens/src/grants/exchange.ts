/** Token exchange (RFC 8693): a token of ours for a narrower one, elsewhere. It dies with what the first dies with, and who acts is written into it. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Op, Rec } from '@postern/store'
import type { Client } from '../clients.js'
import type { Evaluated, GrantType, TokenCall } from '../grant.js'
import type { OwnToken } from '../internal/accessToken.js'
import { spend } from '../internal/authenticate.js'
import { eventOf } from '../internal/events.js'
import { actorsOf, presented, unexchangeable } from '../internal/exchanged.js'
import { judge, MAX_TRIES } from '../internal/judge.js'
import { kitOf } from '../internal/kit.js'
import { narrowed } from '../internal/narrow.js'
import { sectorOf } from '../internal/pairwise.js'
import { clientResource, narrowScope, scopeAt } from '../internal/scope.js'
import { hostRefusal, malformed } from '../internal/wire.js'
import type { TokenKind } from '../login.js'

/** What would be issued, for the host to allow. */
export interface ExchangeView {
  readonly client: Client
  /** `null`: a client's own token. */
  readonly subject: string | null
  /** The client that the user granted it to, or logged in at. */
  readonly grantee: string
  /** `native_sso`: another app of the same vendor on the same phone logs in. */
  readonly profile: 'exchange' | 'native_sso'
  readonly kind: TokenKind
  readonly scope: readonly string[]
  readonly resource: string
  /** Who acts for the subject, the latest first. */
  readonly actors: readonly string[]
  readonly acr: string | null
  readonly amr: readonly string[]
  /** Seconds. */
  readonly lifetimeSec: number
  /** Of the token that was sent. */
  readonly claims: JsonObject
}

export type ExchangeVerdict =
  | {
      readonly ok: true
      /** What the token gets at most. It never widens: a stronger `acr` or another kind than `implicit` is an error of the host's. */
      readonly narrow?: {
        readonly scope?: readonly string[]
        readonly lifetimeSec?: number
        readonly acr?: string
        readonly kind?: 'implicit'
      }
    }
  | {
      readonly ok: false
      readonly error: 'invalid_grant' | 'access_denied' /** For the answer's `code` member and the event. */
      readonly code: string
    }

/** The host's word on an exchange, after everything else has been judged. */
export type ExchangePort = (view: ExchangeView, request: Request) => Promise<ExchangeVerdict>

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const MAX_DEPTH = 4

/** The grant type: access tokens of this issuer, presented by the client they were issued to, or by a resource server they were meant for. */
export const exchange: GrantType = {
  grantType: TOKEN_EXCHANGE,
  offered: ({ exchange: port }) => port !== undefined,
  takes: (form) => form.get('subject_token_type') === ACCESS_TOKEN,
  async evaluate(form, call) {
    const { client, context } = call
    const requested = form.get('requested_token_type')
    if (requested !== undefined && requested !== ACCESS_TOKEN) throw malformed('Only access tokens are issued by exchange.')
    const actorType = form.get('actor_token_type')
    const actorText = form.get('actor_token')
    if ((actorText === undefined) !== (actorType === undefined) || (actorType ?? ACCESS_TOKEN) !== ACCESS_TOKEN)
      throw malformed('actor_token and actor_token_type go together; an actor is named by an access token.')
    const { token: subject, revs } = await presented(form.get('subject_token'), call)
    const actor = actorText === undefined ? null : (await presented(actorText, call)).token
    // RFC 8693 §1.1: whoever acts does so in its own name.
    if (actor !== null && actor.clientId !== client.id) throw unexchangeable('actor')
    const chain = actorsOf(subject, actor, client)
    const marks = [subject.revokedKey, ...(subject.handle.exchanged?.marks ?? [])]
    if (chain.length > MAX_DEPTH || marks.length > MAX_DEPTH) throw unexchangeable('depth')
    const own = subject.clientId === client.id
    const resource = clientResource(targetOf(form) ?? (own ? (subject.claims.aud as string) : undefined), client, context.config)
    const most = scopeAt(resource, subject.scope, context.config).filter(
      (token) => client.scope.includes(token) && token !== 'openid' && token !== 'offline_access',
    )
    return evaluate({
      call,
      subject,
      revs,
      marks,
      chain,
      resource,
      scope: narrowScope(form.get('scope'), most), //                                               T19
      notAfter: 1000 * Math.min(subject.exp, actor?.exp ?? subject.exp),
      tries: 0,
      current: null,
    })
  },
}

/** §2.1: `audience` names the same things as `resource` here, so that two different ones are one too many. */
function targetOf(form: ReadonlyMap<string, string>): string | undefined {
  const resource = form.get('resource')
  const audience = form.get('audience')
  if (resource !== undefined && audience !== undefined && resource !== audience) throw new PosternError('target.refused')
  return resource ?? audience
}

interface Turn {
  readonly call: TokenCall
  readonly subject: OwnToken
  readonly revs: readonly (string | null)[]
  readonly marks: readonly string[]
  readonly chain: readonly string[]
  readonly resource: string
  readonly scope: readonly string[]
  /** Ms. */
  readonly notAfter: number
  readonly tries: number
  readonly current: { readonly key: string; readonly rec: Rec | null } | null
}

async function evaluate(turn: Turn): Promise<Evaluated> {
  const { call, subject: token, revs, marks, chain, resource, notAfter, tries, current } = turn
  const { client, proof, request, context } = call
  const { handle, subject } = token
  // The host is shown its own: a token that was read is kept.
  const claims = structuredClone(token.claims)
  const { config } = context
  const part = { tenant: context.tenant, id: handle.part }
  const acr = (claims.acr ?? null) as string | null
  const amr = (claims.amr ?? []) as readonly string[]
  const grantee = handle.exchanged?.grantee ?? token.clientId
  const most = {
    scope: turn.scope,
    lifetimeSec: config.resources[resource]?.accessSec ?? config.lifetimes.accessSec,
    acr,
    kind: claims.kind as TokenKind,
  }
  const view: ExchangeView = {
    ...most,
    client,
    subject: most.kind === 'device' ? null : subject,
    grantee,
    profile: 'exchange',
    resource,
    actors: chain,
    amr,
    claims,
  }
  const allowed = narrowed(most, await allowedBy(view, call), config)
  const sector = sectorOf(client)
  const grant = {
    subject,
    ...(sector !== undefined && { sector }),
    clientId: client.id,
    clientKind: client.kind,
    kind: allowed.kind,
    scope: allowed.scope,
    resource,
    acr: allowed.acr,
    amr,
    authTime: claims.auth_time === undefined ? null : (claims.auth_time as number) * 1000,
    sid: (claims.sid ?? null) as string | null,
    nonce: null,
    jkt: proof?.jkt ?? null,
    facts: null,
  }
  const judged = await judge(
    {
      at: 'exchange',
      grant,
      part,
      guards: [],
      seen: null,
      current,
      scope: grant.scope,
      lifetimeSec: allowed.lifetimeSec,
      request,
    },
    context,
  )
  const ops: readonly Op[] = [
    ...judged.guards.map(({ key, rev }): Op => ({ op: 'check', key, rev })),
    ...(await joining(part.id, call)),
  ]
  return {
    part,
    ops,
    event: eventOf('token.exchanged', context, {
      client,
      ...(view.subject !== null && { subject }),
      detail: { resource, scope: judged.scope.join(' '), actors: chain.length },
    }),
    plan: {
      ...grant,
      part,
      family: handle.family,
      epochs: null,
      exchanged: { grantee, marks, session: handle.session, revs },
      ...(chain.length > 0 && { act: actOf(chain) }),
      scope: judged.scope,
      lifetimeSec: judged.lifetimeSec,
      notAfter,
      acr: judged.acr,
      app: null,
      refresh: null,
      members: { ...judged.members, issued_token_type: ACCESS_TOKEN },
      claims: judged.claims,
    },
    async conflict(at, rec) {
      const { key } = ops[at]!
      if (key.startsWith('j/')) throw new PosternError('dpop.proof', { reason: 'dpop.replayed' })
      if (tries + 1 >= MAX_TRIES) throw new PosternError('store.overloaded')
      return evaluate({ ...turn, tries: tries + 1, current: { key, rec } })
    },
  }
}

/** The host's verdict. @throws PosternError with its code */
export async function allowedBy(
  view: ExchangeView,
  { context, request }: Pick<TokenCall, 'context' | 'request'>,
): Promise<NonNullable<Extract<ExchangeVerdict, { ok: true }>['narrow']>> {
  if (context.exchange === undefined) throw new PosternError('grant.unknown')
  const said = await context.exchange(view, request)
  if (!said.ok) throw hostRefusal(said.error, said.code)
  return said.narrow ?? {}
}

/** An instance's proof marker joins the commit where that is its own partition; elsewhere it is spent just before. */
async function joining(partId: string, { client, proofOps, context }: TokenCall): Promise<readonly Op[]> {
  const own = kitOf(context).places.device(client.id)
  if (partId === own.id) return proofOps
  await spend(
    proofOps.map((op) => ({ part: own, op, spent: 'dpop.proof' })),
    context,
  )
  return []
}

function actOf([latest, ...before]: readonly string[]): JsonObject {
  return { sub: latest!, ...(before.length > 0 && { act: actOf(before) }) }
}
