/** `client_credentials` (RFC 6749 §4.4): a token of the client itself, `kind: device` for an app instance. No refresh token. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Op, Part, Rec } from '@postern/store'
import type { Client } from '../clients.js'
import type { Evaluated, GrantType, TokenCall } from '../grant.js'
import { askedDetails } from '../internal/details.js'
import { readGuards } from '../internal/epochs.js'
import { eventOf } from '../internal/events.js'
import { judge, MAX_TRIES } from '../internal/judge.js'
import { kitOf } from '../internal/kit.js'
import { merged } from '../internal/merged.js'
import { clientResource, clientScope } from '../internal/scope.js'
import { invalidGrant } from '../internal/wire.js'
import type { IssuerContext } from '../issuer.js'
import type { Guard } from '../login.js'

/** The grant type. */
export const clientCredentials: GrantType = {
  grantType: 'client_credentials',
  async evaluate(form, call) {
    const { client, context } = call
    if (client.kind === 'shared' && client.auth.method === 'none') throw new PosternError('grant.not_allowed') // RFC 6749 §4.4
    const scope = clientScope(form.get('scope'), client, context.config).filter(
      (token) => token !== 'openid' && token !== 'offline_access',
    )
    return evaluate({
      call,
      scope,
      resource: clientResource(form.get('resource'), client, context.config),
      details: askedDetails(form, client, context),
      tries: 0,
      current: null,
    })
  },
}

interface Turn {
  readonly call: TokenCall
  readonly scope: readonly string[]
  readonly resource: string
  readonly details: readonly JsonObject[] | null
  readonly tries: number
  readonly current: { readonly key: string; readonly rec: Rec | null } | null
}

async function evaluate(turn: Turn): Promise<Evaluated> {
  const { call, scope, resource, details, tries, current } = turn
  const { client, proof, proofOps, now, context, request } = call
  const { places } = kitOf(context)
  const part = client.kind === 'instance' ? places.device(client.id) : places.client(client.id)
  const grant = {
    subject: client.id,
    clientId: client.id,
    clientKind: client.kind,
    kind: 'device',
    scope,
    resource,
    acr: null,
    amr: [],
    authTime: null,
    sid: null,
    nonce: null,
    jkt: proof?.jkt ?? null,
    facts: null,
    ...(details !== null && { details }),
  } as const
  const epochs = await epochsOf(client, part, context)
  const lifetimeSec = context.config.resources[resource]?.accessSec ?? context.config.lifetimes.accessSec
  const own =
    client.kind === 'instance' && client.record !== undefined ? [{ key: client.record.key, rev: client.record.rev }] : []
  const judged = await judge(
    { at: 'client', grant, part, guards: own, seen: null, current, scope, lifetimeSec, request },
    context,
  )
  const guards = client.kind === 'instance' || judged.guards.length > 0 ? [...(epochs ?? []), ...judged.guards] : []
  const ops: readonly Op[] = [...guards.map(({ key, rev }): Op => ({ op: 'check', key, rev })), ...proofOps]
  return {
    part,
    ops,
    event: eventOf('token.issued', context, { client, detail: { grant: 'client_credentials', scope: judged.scope.join(' ') } }),
    plan: merged(grant, {
      part,
      family: null,
      epochs,
      scope: judged.scope,
      lifetimeSec: judged.lifetimeSec,
      notAfter: now + lifetimeSec * 1000,
      app: client.app === undefined ? null : { ...client.app },
      refresh: null,
      members: judged.members,
      claims: judged.claims,
    }),
    async conflict(at, rec) {
      const { key } = ops[at]!
      if (key.startsWith('j/')) throw new PosternError('dpop.proof', { reason: 'dpop.replayed' })
      if (epochs?.some((guard) => guard.key === key)) throw invalidGrant('client.revoked')
      if (tries + 1 >= MAX_TRIES) throw new PosternError('store.overloaded')
      return evaluate({ ...turn, tries: tries + 1, current: { key, rec } })
    },
  }
}

/** What the token dies with. A shared client's own epoch came with its look-up: no trip is spent, and where its port knows none, introspection compares `iat`. */
async function epochsOf({ kind, epoch }: Client, part: Part, context: IssuerContext): Promise<readonly Guard[] | null> {
  const { places } = kitOf(context)
  if (kind === 'instance') return readGuards(part, [places.epoch], [], context)
  return epoch === undefined ? null : [{ key: places.epoch, rev: epoch }]
}
