/** `authorization_code` with PKCE S256 (OAuth 2.1 §4.1.3, RFC 7636, RFC 9700 §2.1.1): redemption is one commit in the owner's partition. */
import { equal, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { Client } from '../clients.js'
import type { GrantType, Refusal, TokenCall } from '../grant.js'
import { type Code, challengeOf } from '../internal/code.js'
import { tokenDetails } from '../internal/details.js'
import type { Grant } from '../internal/family.js'
import { openHandle } from '../internal/handles.js'
import { kitOf } from '../internal/kit.js'
import { type RedeemAs, redeem, redeemedKey } from '../internal/redeem.js'
import { invalidGrant, malformed } from '../internal/wire.js'

const MAX_FAILURES = 5
const AS_CODE: RedeemAs = { at: 'code', event: 'code.redeemed' }
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
    return redeem(opened, AS_CODE, { ...call, ...tokenDetails(form, opened.grant.details, client, context) })
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
    otherwise: [{ op: 'put', key: redeemedKey(jti), value: utf8('{}'), rev: null, expiresAt: exp }],
    event: null,
  }
}
