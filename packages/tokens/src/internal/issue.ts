/** Claims become tokens, after the commit. Nothing is issued anywhere else. */
import { encodeBase32 } from '@postern/core/base32'
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { type Claims, signJws } from '@postern/core/jws'
import type { SigningKey } from '@postern/core/keyRing'
import type { IssuerContext } from '../issuer.js'
import { claimNames } from './claims.js'
import { toClient } from './encrypted.js'
import { refreshToken } from './family.js'
import { type Kit, kitOf } from './kit.js'
import { merged } from './merged.js'
import { sealOpaque } from './opaque.js'
import { pairwiseSubject } from './pairwise.js'
import type { TokenPlan } from './plan.js'
import { scopeAt } from './scope.js'
import { sealTokenHandle, type TokenHandle } from './tokenHandle.js'

/** The body of a token response (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3). `rev`: the commit's. */
export async function issue(plan: TokenPlan, rev: string, context: IssuerContext): Promise<Claims> {
  const { runtime, keys, config } = context
  const now = runtime.clock()
  const kit = kitOf(context)
  const key = keys.signing.active(now)
  const scope = scopeAt(plan.resource, plan.scope, config)
  const exp = Math.floor(Math.min(now + plan.lifetimeSec * 1000, plan.notAfter) / 1000)
  const shown = plan.sector === undefined ? plan.subject : await pairwiseSubject(kit, plan.subject, plan.sector)
  const claims = accessClaims(plan, shown, scope, exp, now, context)
  const accessToken = await accessTokenOf(plan, claims, key, kit, context)
  const openid = plan.kind === 'user' && plan.scope.includes('openid')
  const renewal = plan.refresh === null ? null : await refreshToken(kit, plan.refresh.family, plan.refresh.rev ?? rev)
  return merged(plan.members, {
    access_token: accessToken,
    token_type: plan.jkt === null ? 'Bearer' : 'DPoP',
    expires_in: Math.max(0, exp - Math.floor(now / 1000)),
    scope: scope.join(' '),
    authorization_details: plan.details, // RFC 9396 §7
    refresh_token: renewal ?? undefined,
    id_token: openid ? await idToken(plan, shown, accessToken, renewal, key, now, context) : undefined,
  })
}

/** A JWT, or its claims sealed, as the resource wants it. */
async function accessTokenOf(
  plan: TokenPlan,
  claims: (jti: string) => Claims,
  { signer, kid }: SigningKey,
  kit: Kit,
  { runtime, config }: IssuerContext,
): Promise<string> {
  const id = encodeBase32(runtime.random(10))
  const handle = handleOf(plan, id)
  if (config.resources[plan.resource]?.format === 'opaque') return sealOpaque(kit, handle, claims(id))
  return signJws(signer, { typ: 'at+jwt', kid }, claims(await sealTokenHandle(kit, handle)))
}

function handleOf({ part, family, epochs, subject, sector, exchanged }: TokenPlan, id: string): TokenHandle {
  const { session, revs } = exchanged ?? {
    session: epochs?.some(({ key }) => key.startsWith('ep/s/')) ?? false,
    revs: epochs?.map(({ rev }) => rev) ?? null,
  }
  return {
    id,
    part: part.id,
    family,
    session,
    revs,
    ...(sector !== undefined && { subject }),
    ...(exchanged !== undefined && { exchanged: { grantee: exchanged.grantee, marks: exchanged.marks } }),
  }
}

/** RFC 9068 §2.2, but for their `jti`. What the host adds replaces nothing of it, `act` above all: who acts is said by an exchange alone (T45). */
function accessClaims(
  plan: TokenPlan,
  sub: string,
  scope: readonly string[],
  exp: number,
  now: number,
  { issuer }: IssuerContext,
): (jti: string) => Claims {
  const { clientId, resource, kind, jkt, x5t, details, acr, amr, authTime, sid, app, act } = plan
  const bound = jkt !== null || x5t !== undefined
  const claims = (jti: string): Claims => ({
    iss: issuer,
    sub,
    aud: resource,
    client_id: clientId,
    exp,
    iat: Math.floor(now / 1000),
    jti,
    scope: scope.join(' '),
    kind,
    cnf: bound ? { ...(jkt !== null && { jkt }), ...(x5t !== undefined && { 'x5t#S256': x5t }) } : undefined,
    act,
    authorization_details: details,
    acr: acr ?? undefined,
    amr: amr.length > 0 ? amr : undefined,
    auth_time: authTime === null ? undefined : Math.floor(authTime / 1000),
    sid: sid ?? undefined,
    app: app ?? undefined,
  })
  return (jti) => merged(plan.claims, claims(jti))
}

/** OpenID Connect Core §2. */
async function idToken(
  plan: TokenPlan,
  sub: string,
  accessToken: string,
  renewal: string | null,
  key: SigningKey,
  now: number,
  context: IssuerContext,
): Promise<string> {
  const { subject, clientId, authTime, nonce, acr, amr, sid, scope } = plan
  const { config, issuer, claims, runtime } = context
  const iat = Math.floor(now / 1000)
  const about = (await claims?.({ subject, names: claimNames(scope), locales: [], at: 'id_token' })) ?? {}
  const hashed = plan.rtHash === true ? renewal : null
  const own: Claims = {
    iss: issuer,
    sub,
    aud: clientId,
    exp: iat + config.lifetimes.idTokenSec,
    iat,
    auth_time: authTime === null ? undefined : Math.floor(authTime / 1000),
    nonce: nonce ?? undefined,
    acr: acr ?? undefined,
    amr: amr.length > 0 ? amr : undefined,
    sid: sid ?? undefined,
    at_hash: await halfHash(accessToken, key, runtime.crypto),
    'urn:openid:params:jwt:claim:rt_hash': hashed === null ? undefined : await halfHash(hashed, key, runtime.crypto),
  }
  const signed = await signJws(key.signer, { typ: 'JWT', kid: key.kid }, Object.assign({}, about, plan.idClaims, own))
  if (context.jwe === undefined) return signed
  const client = await context.clients.find(clientId)
  if (client === null) throw new PosternError('client.unknown')
  return toClient('idToken', signed, client, context)
}

/** The left half of the hash that goes with the signature's algorithm (OpenID Connect Core §3.1.3.6). */
async function halfHash(text: string, { signer }: SigningKey, crypto: IssuerContext['runtime']['crypto']): Promise<string> {
  const alg = { ES384: 'SHA-384', ES512: 'SHA-512', EdDSA: 'SHA-512', Ed25519: 'SHA-512' }[signer.alg as string] ?? 'SHA-256'
  const digest = await crypto.digest(alg as 'SHA-256' | 'SHA-384' | 'SHA-512', utf8(text))
  return encodeBase64url(digest.subarray(0, digest.length / 2))
}
