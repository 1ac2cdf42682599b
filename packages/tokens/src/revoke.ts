/** Revocation (RFC 7009, and the host's own): each writes what rotation compares, so the two are ordered (T17). No children are enumerated. */
import type { PosternEvent } from '@postern/core/events'
import type { Op, Part } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Client } from './clients.js'
import { REVOKED_TOKEN, readOwnToken } from './internal/accessToken.js'
import { authenticate, type Caller, spendAll } from './internal/authenticate.js'
import { commit, commitRepeatable } from './internal/commit.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { bumpOp } from './internal/epochs.js'
import { eventOf, ship, type Told, tell } from './internal/events.js'
import { familyKey, openRefreshToken, revokedFamily } from './internal/family.js'
import { empty, readForm } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { revokeEverywhere } from './internal/revokeEverywhere.js'
import { malformed } from './internal/wire.js'
import type { Handler, IssuerContext } from './issuer.js'

export type RevokeTarget =
  | { readonly family: { readonly part: Part; readonly id: string; readonly absoluteExp: number } }
  /** `owner` alone: everything in it (an instance, or a user's shared clients); with `subject`: that user on the instance; `client`: one client of the user, and the consent it had; `sid`: one session. */
  | { readonly owner: Part; readonly subject?: string; readonly client?: string; readonly sid?: string }
  /** A shared client, with every grant it holds: {@link Client.epoch} moves, and its families end at their next refresh. */
  | { readonly client: string }
  | Everywhere

/** A subject wherever it has tokens: its shared clients, then each instance named. */
export interface Everywhere {
  readonly subject: string
  /** Client ids of its instances, ≤ 64. */
  readonly devices: readonly string[]
  /** What logins on those instances read from now on beside their guards; default: the moment, which is no status. */
  readonly status?: string
  /** ≤ 8, in the user's own partition and commit: the change that this revocation goes with. */
  readonly ops?: readonly Op[]
}

/**
 * After it has returned, nothing issued later is active under introspection. Families of a revoked shared client end at their next refresh,
 * when the client is looked up.
 * @throws PosternError `store.outcome_unknown` | `store.unavailable`: call again, it is idempotent. `store.overloaded`: one of `ops` did not hold
 */
export async function revoke(target: RevokeTarget, context: IssuerContext): Promise<void> {
  if ('family' in target) return endFamily(target.family, context)
  if ('devices' in target) return revokeEverywhere(target, context)
  const { places } = kitOf(context)
  if (!('owner' in target)) return bump(places.client(target.client), places.epoch, context, {})
  const { owner, subject, client, sid } = target
  if (subject !== undefined) return bump(owner, await places.userEpoch(subject), context, { subject })
  if (sid !== undefined) return bump(owner, places.sessionEpoch(sid), context, {})
  if (client === undefined) return bump(owner, places.epoch, context, {})
  const consent: Op = { op: 'del', key: await places.consent(client) }
  return bump(owner, await places.clientEpoch(client), context, {}, [consent])
}

/** `POST /revoke` (RFC 7009). Unknown tokens and foreign ones are answered alike: 200, no effect (T43). */
export function revokeEndpoint(): Handler {
  return endpoint('revoke', async (request, context) => {
    const form = await readForm(request)
    const caller = await authenticate(request, form, context, { url: urlOf('revoke', context), tokens: false })
    const text = form.get('token')
    if (text === undefined) throw malformed('token is missing.')
    await spendAll(caller, context)
    await revokeToken(text, caller, context)
    return empty(200)
  })
}

async function revokeToken(text: string, { client, proof }: Caller, context: IssuerContext): Promise<void> {
  const { places } = kitOf(context)
  const refresh = await openRefreshToken(kitOf(context), text)
  if (refresh !== null) {
    const { id, grant, absoluteExp } = refresh.family
    const foreign = grant.clientId !== client.id || (grant.jkt !== null && client.kind === 'instance' && grant.jkt !== proof?.jkt)
    if (foreign) return tellForeign(client, context)
    return endFamily({ part: await places.owner(client, grant.subject), id, absoluteExp }, context, {
      client,
      subject: grant.subject,
    })
  }
  const access = await readOwnToken(text, context)
  if (access === null) return
  if (access.clientId !== client.id) return tellForeign(client, context)
  const part = { tenant: context.tenant, id: access.handle.part }
  const mark: Op = { op: 'put', key: access.revokedKey, value: REVOKED_TOKEN, expiresAt: access.exp * 1000 }
  await write(
    part,
    [mark],
    eventOf('token.revoked', context, { client, subject: access.subject, detail: { token: 'access' } }),
    context,
  )
}

async function endFamily(
  { part, id, absoluteExp }: { readonly part: Part; readonly id: string; readonly absoluteExp: number },
  context: IssuerContext,
  told: Told = {},
): Promise<void> {
  const tombstone: Op = { op: 'put', key: familyKey(id), value: revokedFamily(), expiresAt: absoluteExp }
  await write(part, [tombstone], eventOf('token.revoked', context, { ...told, detail: { token: 'refresh' } }), context)
}

async function bump(part: Part, key: string, context: IssuerContext, told: Told, more: readonly Op[] = []): Promise<void> {
  const event = eventOf('token.revoked', context, { ...told, detail: { epoch: key } })
  const { answer } = await commit(part, [await bumpOp(part, key, context), ...more, eventOp(event)], context)
  if (answer.ok) ship(part, [event], context)
}

async function write(part: Part, ops: readonly Op[], event: PosternEvent, context: IssuerContext): Promise<void> {
  const answer = await commitRepeatable(part, [...ops, eventOp(event)], context)
  if (answer.ok) ship(part, [event], context)
}

function tellForeign(client: Client, context: IssuerContext): void {
  tell(eventOf('token.refused', context, { client, outcome: 'refused', reason: 'revoke.foreign' }), context)
}
