/** The tokens that a client brings to be exchanged (RFC 8693): whether it may, whether they live, and who acts by them. */
import { PosternError } from '@postern/core/errors'
import type { Client } from '../clients.js'
import type { TokenCall } from '../grant.js'
import type { IssuerContext } from '../issuer.js'
import { mayIntrospect, type OwnToken, readOwnToken, type Standing, standingOf } from './accessToken.js'
import { outlivesClient } from './family.js'

/**
 * A live token that the caller may present: its own, with proof of the key it is bound to, or one that it is an audience of.
 * @returns the token, and the epochs under which it was found alive
 * @throws PosternError `request.malformed`, which RFC 8693 §2.2.2 asks for | `dpop.proof`
 */
export async function presented(
  text: string | undefined,
  { client, proof, x5t, context }: TokenCall,
): Promise<{ readonly token: OwnToken; readonly revs: readonly (string | null)[] }> {
  const token = text === undefined ? null : await readOwnToken(text, context)
  if (token === null) throw unexchangeable('token')
  const audience = mayIntrospect(client, token)
  if (!audience) {
    if (token.clientId !== client.id) throw unexchangeable('foreign')
    if (token.jkt !== null && token.jkt !== proof?.jkt) throw new PosternError('dpop.proof', { reason: 'dpop.key' })
    if (token.x5t !== null && token.x5t !== x5t) throw unexchangeable('certificate')
  }
  const standing = await standingOf(token, context)
  if (standing === null || !(await outlivesGrantee(token, standing, client, context))) throw unexchangeable('revoked')
  return { token, revs: standing.epochs.map(({ rev }) => rev) }
}

/** Whether the client that the grant was made to is still there, and was not revoked since. An instance's own epoch has said so. */
async function outlivesGrantee(
  { handle, clientId }: OwnToken,
  { family }: Standing,
  caller: Client,
  { clients }: IssuerContext,
): Promise<boolean> {
  if (handle.part.startsWith('dev:')) return true
  const id = handle.exchanged?.grantee ?? clientId
  const grantee = id === caller.id ? caller : await clients.find(id)
  return grantee !== null && (family === null || outlivesClient(family.record().grant, grantee))
}

/** Who acts, the latest first: a resource server acts by the exchange itself, a client that narrows its own token does not (§4.1, §4.4; T45). */
export function actorsOf(subject: OwnToken, actor: OwnToken | null, client: Client): readonly string[] {
  const before: string[] = []
  for (let act = subject.claims.act as Act | undefined; act !== undefined; act = act.act) before.push(act.sub)
  const mayAct = subject.claims.may_act as { readonly sub?: string } | undefined
  const latest = actor === null ? (subject.clientId === client.id ? null : client.id) : (actor.claims.sub as string)
  if (mayAct !== undefined && mayAct.sub !== (latest ?? client.id)) throw unexchangeable('may_act')
  if (latest === null) return before
  if (before.includes(latest) || subject.claims.sub === latest) throw unexchangeable('loop')
  return [latest, ...before]
}

interface Act {
  readonly sub: string
  readonly act?: Act
}

/** RFC 8693 §2.2.2: whatever is wrong with a token, it is the request. */
export function unexchangeable(reason: string): PosternError<'request.malformed'> {
  return new PosternError('request.malformed', {
    reason: `exchange.${reason}`,
    publicMessage: 'The subject_token or the actor_token cannot be exchanged by this client.',
  })
}
