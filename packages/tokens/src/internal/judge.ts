/** `recheck`, called before the commit and again when one of its guards did not hold; never more than four times. */
import type { JsonObject } from '@postern/core/json'
import type { Part, Rec } from '@postern/store'
import type { IssuerContext } from '../issuer.js'
import type { Guard } from '../login.js'
import type { GrantView, RecheckAt } from '../recheck.js'
import type { Grant } from './family.js'
import { narrowed } from './narrow.js'
import { hostRefusal, invalidGrant } from './wire.js'

export const MAX_TRIES = 4
const MAX_GUARDS = 6

/** What `recheck` allows, complete. */
export interface Judged {
  readonly guards: readonly Guard[]
  readonly scope: readonly string[]
  readonly lifetimeSec: number
  readonly acr: string | null
  readonly seen: JsonObject | null
  readonly members: JsonObject
  readonly claims: JsonObject
}

export interface JudgeInput {
  readonly at: RecheckAt
  readonly grant: Omit<Grant, 'acr' | 'authTime'> & { readonly acr: string | null; readonly authTime: number | null }
  readonly part: Part
  readonly guards: readonly Guard[]
  readonly seen: JsonObject | null
  readonly current: { readonly key: string; readonly rec: Rec | null } | null
  /** What the token would get. */
  readonly scope: readonly string[]
  readonly lifetimeSec: number
  readonly request: Request | null
}

/** @throws PosternError `grant.invalid` | `tokens.denied`, with the host's code */
export async function judge(input: JudgeInput, { recheck, config }: IssuerContext): Promise<Judged> {
  const { at, grant, part, guards, seen, current, scope, lifetimeSec, request } = input
  if (recheck === undefined) {
    // Without a port nobody can say that a changed record still allows the grant.
    if (current !== null) throw invalidGrant('guard')
    return { guards, scope, lifetimeSec, acr: grant.acr, seen, members: {}, claims: {} }
  }
  const view: GrantView = {
    subject: grant.kind === 'device' ? null : grant.subject,
    client: { id: grant.clientId, kind: grant.clientKind, jkt: grant.jkt },
    part,
    kind: grant.kind,
    scope,
    resource: grant.resource,
    ...(grant.details !== undefined && { details: grant.details }),
    acr: grant.acr,
    amr: grant.amr,
    authTime: grant.authTime,
    sid: grant.sid,
    facts: grant.facts,
    guards,
    seen,
    current,
    request,
  }
  const said = await recheck(view, at)
  if (!said.ok) throw hostRefusal(said.error, said.code)
  return {
    ...narrowed({ scope, lifetimeSec, acr: grant.acr, kind: grant.kind }, said.narrow ?? {}, config),
    guards: merged(guards, said.guards ?? []),
    seen: said.seen ?? seen,
    members: said.members ?? {},
    claims: said.claims ?? {},
  }
}

/** The login's guards, each replaced by the port's of the same key. */
function merged(before: readonly Guard[], now: readonly Guard[]): readonly Guard[] {
  const all = new Map([...before, ...now].map((guard) => [guard.key, guard]))
  if (all.size > MAX_GUARDS) throw new RangeError(`recheck and login name ${all.size} guards; ${MAX_GUARDS} is the most`)
  return [...all.values()]
}
