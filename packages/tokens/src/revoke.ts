/** Revocation (RFC 7009, and the host's own): each writes what rotation compares, so the two are ordered (T17). No children are enumerated. */
import type { PosternEvent } from '@postern/core/events'
import type { Op, Part } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Client } from './clients.js'
import { REVOKED_TOKEN, readOwnToken } from './internal/accessToken.js'
import { authenticate, type Caller, spendAll } from './internal/authenticate.js'
import { commit, commitRepeatable } from './internal/commit.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { bumpOps } from './internal/epochs.js'
import { eventOf, ship, type Told, tell } from './internal/events.js'
import { familyKey, openRefreshToken, revokedFamily } from './internal/family.js'
import { empty, readForm } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { malformed } from './internal/wire.js'
import type { Handler, IssuerContext } from './issuer.js'

/** `owner` alone: everything in it (an instance, or a user's shared clients); with `subject`: that user on the instance; `client`: one client of the user; `sid`: one session. */
export type RevokeTarget =
  | { readonly family: { readonly part: Part; readonly id: string; readonly absoluteExp: number } }
  | { readonly owner: Part; readonly subject?: string; readonly client?: string; readonly sid?: string }
  /** Everywhere: `usr:` first, then each instance named. */
  | { readonly subject: string; readonly devices: readonly string[] }

/**
 * After it has returned, nothing issued later is active under introspection.
 * @throws PosternError `store.outcome_unknown` | `store.unavailable`: call again, it is idempotent
 */
export async function revoke(target: RevokeTarget, context: IssuerContext): Promise<void> {
  if ('family' in target) return endFamily(target.family, context)
  const { places } = kitOf(context)
  if ('owner' in target) {
    const { owner, subject, client, sid } = target
    const key =
      subject !== undefined
        ? await places.userEpoch(subject)
        : client !== undefined
          ? await places.clientEpoch(client)
          : sid !== undefined
            ? places.sessionEpoch(sid)
            : places.epoch
    return bump(owner, key, context, subject === undefined ? {} : { subject })
  }
  const { subject, devices } = target
  await bump(await places.user(subject), places.epoch, context, { subject })
  const key = await places.userEpoch(subject)
  for (const id of devices) await bump(places.device(id), key, context, { subject, client: { id, kind: 'instance' } })
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

async function bump(part: Part, key: string, context: IssuerContext, told: Told): Promise<void> {
  const event = eventOf('token.revoked', context, { ...told, detail: { epoch: key } })
  const { answer } = await commit(part, [await bumpOps(part, key, context), eventOp(event)], context)
  if (answer.ok) ship(part, [event], context)
}

async function write(part: Part, ops: readonly Op[], event: PosternEvent, context: IssuerContext): Promise<void> {
  const answer = await commitRepeatable(part, [...ops, eventOp(event)], context)
  if (answer.ok) ship(part, [event], context)
}

function tellForeign(client: Client, context: IssuerContext): void {
  tell(eventOf('token.refused', context, { client, outcome: 'refused', reason: 'revoke.foreign' }), context)
}
