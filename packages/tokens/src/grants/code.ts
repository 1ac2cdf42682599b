/** `authorization_code` with PKCE S256 (OAuth 2.1 §4.1.3, RFC 7636, RFC 9700 §2.1.1): redemption is one commit in the owner's partition. */
import { equal, fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { Op, Rec } from '@postern/store'
import type { Client } from '../clients.js'
import type { Evaluated, GrantType, Refusal, TokenCall } from '../grant.js'
import { type Code, challengeOf, newId } from '../internal/code.js'
import { eventOf } from '../internal/events.js'
import { encodeFamily, expiryOf, type Family, familyKey, type Grant, revokedFamily } from '../internal/family.js'
import { openHandle } from '../internal/handles.js'
import { judge, MAX_TRIES } from '../internal/judge.js'
import { kitOf } from '../internal/kit.js'
import { invalidGrant, malformed } from '../internal/wire.js'

const MAX_FAILURES = 5
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/

/** The grant type. */
export const code: GrantType = {
  grantType: 'authorization_code',

  async vouched(form, context) {
    const sealed = form.get('code')
    const opened = sealed === undefined ? null : await openHandle<Code>(kitOf(context), 'code', sealed)
    return opened === null ? null : instanceOf(opened.grant, opened.refresh)
  },

  async evaluate(form, call) {
    const { client, proof, now, context } = call
    const text = form.get('code')
    if (text === undefined) throw malformed('code is missing.')
    const opened = await openHandle<Code>(kitOf(context), 'code', text)
    if (opened === null) throw invalidGrant('code.unreadable') //                                  altered, foreign, another type (T20)
    if (opened.exp <= now) throw invalidGrant('code.expired') //                                   RFC 6749 §4.1.2 (T05)
    if (opened.grant.clientId !== client.id) throw invalidGrant('code.client') //                  RFC 6749 §4.1.3 (T03)
    if (opened.dpopJkt !== null && opened.dpopJkt !== proof?.jkt) throw new PosternError('dpop.proof', { reason: 'dpop.key' }) // RFC 9449 §10
    const verifier = form.get('code_verifier')
    if (verifier === undefined || !VERIFIER.test(verifier))
      throw malformed('code_verifier must be 43 to 128 unreserved characters.') // RFC 7636 §4.1
    const resource = form.get('resource')
    if (resource !== undefined && resource !== opened.grant.resource) throw new PosternError('target.refused')
    const challenge = await challengeOf(context.runtime.crypto, verifier)
    const right = equal(utf8(challenge), utf8(opened.challenge)) //                                RFC 7636 §4.6
    if (!right || (form.get('redirect_uri') ?? null) !== opened.redirectUri) return counted(opened, call) // T04, T09
    return redeem(opened, call, { tries: 0, current: null })
  },
}

/** An instance as its own sealed grant describes it. */
export function instanceOf({ clientId, clientKind, jkt, scope, resource }: Grant, refresh: boolean): Client | null {
  if (clientKind !== 'instance' || jkt === null) return null
  const grantTypes = refresh ? ['authorization_code', 'refresh_token'] : ['authorization_code']
  return {
    id: clientId,
    kind: 'instance',
    auth: { method: 'none' },
    jkt,
    redirectUris: [],
    grantTypes,
    scope,
    resources: [resource],
  }
}

/** A wrong verifier or redirect_uri is counted; the sixth burns the code (T09). */
async function counted({ jti, exp, grant }: Code, { client, context }: TokenCall): Promise<Refusal> {
  return {
    refuse: invalidGrant('code.pkce'),
    part: await kitOf(context).places.owner(client, grant.subject),
    ops: [{ op: 'add', key: `cf/${jti}`, by: 1, max: MAX_FAILURES, expiresAt: exp }],
    otherwise: [{ op: 'put', key: `code/${jti}`, value: utf8('{}'), rev: null, expiresAt: exp }],
    event: null,
  }
}

interface Attempt {
  readonly tries: number
  readonly current: { readonly key: string; readonly rec: Rec | null } | null
}

async function redeem(opened: Code, call: TokenCall, { tries, current }: Attempt): Promise<Evaluated> {
  const { client, proof, now, context, proofOps, request } = call
  const { lifetimes, resources } = context.config
  const kit = kitOf(context)
  // A public client's family is bound to the key of its first proof (RFC 9449 §5); a confidential one's to its authentication.
  const grant: Grant = { ...opened.grant, jkt: client.auth.method === 'none' ? (proof?.jkt ?? null) : null }
  const part = await kit.places.owner(client, grant.subject)
  const accessSec = resources[grant.resource]?.accessSec ?? lifetimes.accessSec
  const judged = await judge(
    { at: 'code', grant, part, guards: opened.guards, seen: null, current, scope: grant.scope, lifetimeSec: accessSec, request },
    context,
  )
  const id = newId(context)
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
    guards: opened.epochs,
    seen: judged.seen,
    grant,
  }
  const redeemed = utf8(JSON.stringify({ family: id, absoluteExp: family.absoluteExp }))
  const ops: readonly Op[] = [
    ...opened.epochs.map(({ key, rev }): Op => ({ op: 'check', key, rev })),
    ...judged.guards.map(({ key, rev }): Op => ({ op: 'check', key, rev })),
    ...proofOps,
    { op: 'put', key: `code/${opened.jti}`, value: redeemed, rev: null, expiresAt: opened.exp + accessSec * 1000 },
    ...(opened.refresh
      ? [{ op: 'put', key: familyKey(id), value: encodeFamily(family), rev: null, expiresAt: expiryOf(family) } satisfies Op]
      : []),
  ]
  return {
    part,
    ops,
    event: eventOf('code.redeemed', context, {
      client,
      subject: grant.subject,
      detail: { scope: grant.scope.join(' '), acr: grant.acr },
    }),
    plan: {
      ...grant,
      part,
      family: { id, row: opened.refresh },
      epochs: opened.epochs,
      scope: judged.scope,
      lifetimeSec: judged.lifetimeSec,
      notAfter: family.absoluteExp,
      jkt: proof?.jkt ?? null,
      acr: judged.acr,
      app: null,
      refresh: opened.refresh ? { family } : null,
      members: judged.members,
      claims: judged.claims,
    },
    async conflict(at, rec) {
      const { key } = ops[at]!
      if (opened.epochs.some((guard) => guard.key === key)) throw invalidGrant('code.revoked')
      if (key.startsWith('j/')) throw new PosternError('dpop.proof', { reason: 'dpop.replayed' })
      if (key.startsWith('code/')) return replayed(rec, part, opened, call)
      if (tries + 1 >= MAX_TRIES) throw new PosternError('store.overloaded')
      return redeem(opened, call, { tries: tries + 1, current: { key, rec } })
    },
  }
}

/** The code has been redeemed before: whoever holds the tokens of that time loses them (RFC 6749 §4.1.2; T01, T02). */
function replayed(rec: Rec | null, part: Refusal['part'], { grant }: Code, { client, context }: TokenCall): Refusal {
  const { family, absoluteExp } = JSON.parse((rec && fromUtf8(rec.value)) || '{}') as { family?: string; absoluteExp?: number }
  const refuse = invalidGrant('code.replayed')
  if (family === undefined || absoluteExp === undefined) return { refuse, part, ops: [], event: null }
  return {
    refuse,
    part,
    // Without condition: whatever the family has become, it ends.
    ops: [{ op: 'put', key: familyKey(family), value: revokedFamily(), expiresAt: absoluteExp }],
    event: eventOf('code.replayed', context, { client, subject: grant.subject, outcome: 'refused' }),
  }
}
