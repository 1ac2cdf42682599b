/** Claims become tokens, after the commit. Nothing is issued anywhere else. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { JsonObject } from '@postern/core/json'
import { signJws } from '@postern/core/jws'
import type { SigningKey } from '@postern/core/keyRing'
import type { IssuerContext } from '../issuer.js'
import { claimNames } from './claims.js'
import { digestOf } from './epochs.js'
import { refreshToken } from './family.js'
import { type Kit, kitOf } from './kit.js'
import type { TokenPlan } from './plan.js'
import { scopeAt } from './scope.js'
import { sealTokenHandle } from './tokenHandle.js'

/** The body of a token response (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3). `rev`: the commit's. */
export async function issue(plan: TokenPlan, rev: string, context: IssuerContext): Promise<JsonObject> {
  const { runtime, keys, config } = context
  const now = runtime.clock()
  const kit = kitOf(context)
  const key = keys.signing.active(now)
  const scope = scopeAt(plan.resource, plan.scope, config)
  const exp = Math.floor(Math.min(now + plan.lifetimeSec * 1000, plan.notAfter) / 1000)
  const accessToken = await signJws(
    key.signer,
    { typ: 'at+jwt', kid: key.kid },
    await accessClaims(plan, scope, exp, now, kit, context),
  )
  const openid = plan.kind === 'user' && plan.scope.includes('openid')
  return {
    ...plan.members,
    access_token: accessToken,
    token_type: plan.jkt === null ? 'Bearer' : 'DPoP',
    expires_in: Math.max(0, exp - Math.floor(now / 1000)),
    scope: scope.join(' '),
    ...(plan.details !== undefined && { authorization_details: plan.details }), // RFC 9396 §7
    ...(plan.refresh !== null && { refresh_token: await refreshToken(kit, plan.refresh.family, plan.refresh.rev ?? rev) }),
    ...(openid && { id_token: await idToken(plan, accessToken, key, now, context) }),
  }
}

/** RFC 9068 §2.2. */
async function accessClaims(
  plan: TokenPlan,
  scope: readonly string[],
  exp: number,
  now: number,
  kit: Kit,
  { issuer, runtime }: IssuerContext,
): Promise<JsonObject> {
  const { epochs, family, part, subject, clientId, resource, kind, jkt, x5t, details, acr, amr, authTime, sid, app } = plan
  const session = epochs?.some(({ key }) => key.startsWith('ep/s/')) ?? false
  const digest = epochs === null ? null : await digestOf(runtime.crypto, epochs)
  return {
    ...plan.claims,
    iss: issuer,
    sub: subject,
    aud: resource,
    client_id: clientId,
    exp,
    iat: Math.floor(now / 1000),
    jti: await sealTokenHandle(kit, { part: part.id, family, session, digest }),
    scope: scope.join(' '),
    kind,
    ...((jkt !== null || x5t !== undefined) && {
      cnf: { ...(jkt !== null && { jkt }), ...(x5t !== undefined && { 'x5t#S256': x5t }) },
    }),
    ...(details !== undefined && { authorization_details: details }),
    ...(acr !== null && { acr }),
    ...(amr.length > 0 && { amr }),
    ...(authTime !== null && { auth_time: Math.floor(authTime / 1000) }),
    ...(sid !== null && { sid }),
    ...(app !== null && { app }),
  }
}

/** OpenID Connect Core §2. */
async function idToken(
  plan: TokenPlan,
  accessToken: string,
  key: SigningKey,
  now: number,
  context: IssuerContext,
): Promise<string> {
  const { subject, clientId, authTime, nonce, acr, amr, sid, scope } = plan
  const { config, issuer, claims, runtime } = context
  const iat = Math.floor(now / 1000)
  const about = (await claims?.({ subject, names: claimNames(scope), locales: [], at: 'id_token' })) ?? {}
  return signJws(
    key.signer,
    { typ: 'JWT', kid: key.kid },
    {
      ...about,
      ...plan.idClaims,
      iss: issuer,
      sub: subject,
      aud: clientId,
      exp: iat + config.lifetimes.idTokenSec,
      iat,
      ...(authTime !== null && { auth_time: Math.floor(authTime / 1000) }),
      ...(nonce !== null && { nonce }),
      ...(acr !== null && { acr }),
      ...(amr.length > 0 && { amr }),
      ...(sid !== null && { sid }),
      at_hash: await halfHash(accessToken, key, runtime.crypto),
    },
  )
}

/** The left half of the hash that goes with the signature's algorithm (OpenID Connect Core §3.1.3.6). */
async function halfHash(text: string, { signer }: SigningKey, crypto: IssuerContext['runtime']['crypto']): Promise<string> {
  const alg = { ES384: 'SHA-384', ES512: 'SHA-512', EdDSA: 'SHA-512', Ed25519: 'SHA-512' }[signer.alg as string] ?? 'SHA-256'
  const digest = await crypto.digest(alg as 'SHA-256' | 'SHA-384' | 'SHA-512', utf8(text))
  return encodeBase64url(digest.subarray(0, digest.length / 2))
}
