/** Permissions that may be used so many times, a one-shot payment above all: counted where the grant lives, ordered with its revocation (F68). */
import { PosternError } from '@postern/core/errors'
import { newRev, type Op } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { type OwnToken, readOwnToken, standingOf } from './internal/accessToken.js'
import { eventOf, ship } from './internal/events.js'
import { familyKey } from './internal/family.js'
import { kitOf } from './internal/kit.js'
import { MAX_ACCESS_SEC } from './internal/plan.js'
import { limitedUses, useKey } from './internal/uses.js'
import type { IssuerContext } from './issuer.js'

/** Every code that {@link usePermission} refuses with. */
export type UsePermissionCode =
  | 'token.invalid'
  | 'token.scope'
  | 'permission.spent'
  | 'store.outcome_unknown'
  | 'store.unavailable'
  | 'store.overloaded'

const MAX_TRIES = 4

/**
 * Spends one use of a permission of a live access token: one read, one commit. All tokens of the grant share the count, refreshed and
 * exchanged ones too. Call it last, when everything else about the request has been judged.
 * @param o.token - an access token of this issuer; that its bearer may present it is the caller's to have verified
 * @param o.permission - a scope, or a type of `authorization_details`, that `config.limitedUse` names
 * @throws PosternError of {@link UsePermissionCode}; where the outcome is unknown, the use counts as spent
 */
export async function usePermission(
  { token: text, permission }: { readonly token: string; readonly permission: string },
  context: IssuerContext,
): Promise<{ readonly used: number; readonly limit: number }> {
  const token = await readOwnToken(text, context)
  if (token === null) throw new PosternError('token.invalid')
  const [, limit] = limitedUses(token, context.config).find(([name]) => name === permission) ?? []
  if (limit === undefined) throw new PosternError('token.scope', { reason: 'permission.unknown' })
  const key = await useKey(token, permission, kitOf(context))
  for (let n = 0; n < MAX_TRIES; n++) {
    const used = await spend(token, permission, key, limit, context)
    if (used !== null) return { used, limit }
  }
  throw new PosternError('store.overloaded')
}

/** @returns how often it has been used now; `null` when what stands behind the token has changed in between */
async function spend(
  token: OwnToken,
  permission: string,
  key: string,
  limit: number,
  context: IssuerContext,
): Promise<number | null> {
  const { runtime, tenant } = context
  const { store, clock, random } = runtime
  const { handle, revokedKey, subject, clientId, exp } = token
  const standing = await standingOf(token, context)
  if (standing === null) throw new PosternError('token.invalid', { reason: 'token.revoked' })
  const { epochs, family } = standing
  const part = { tenant, id: handle.part }
  const now = clock()
  if (exp * 1000 <= now) throw new PosternError('token.invalid', { reason: 'token.expired' })
  const told = {
    client: { id: clientId, kind: handle.part.startsWith('dev:') ? 'instance' : 'shared' },
    ...(token.claims.kind !== 'device' && { subject }),
    detail: { permission },
  } as const
  const event = eventOf('permission.used', context, told)
  // Revoked between the read and here: the commit says so, since all that was read is checked.
  const ops: readonly Op[] = [
    ...epochs.map(({ key, rev }): Op => ({ op: 'check', key, rev })),
    ...[revokedKey, ...(handle.exchanged?.marks ?? [])].map((mark): Op => ({ op: 'check', key: mark, rev: null })),
    ...(handle.family === null ? [] : [{ op: 'check', key: familyKey(handle.family.id), rev: family?.rev ?? null } satisfies Op]),
    // As long as any token of the grant: one that was exchanged may end before the one it came from.
    { op: 'add', key, by: 1, max: limit, expiresAt: family?.record().absoluteExp ?? now + MAX_ACCESS_SEC * 1000 },
    eventOp(event),
  ]
  const answer = await store.commit(part, ops, { now, rev: newRev(random) })
  if (!answer.ok) {
    if (ops[answer.at]!.key !== key) return null
    throw new PosternError('permission.spent')
  }
  ship(part, [event], context)
  return answer.recs[ops.length - 2]!.n
}
