/** What an access token says once it has been verified, from a JWT or from what its issuer says of it. */
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { type KnownHeaders, readJws, verifyJws } from '@postern/core/jws'
import { accessTokenRules, numericDate, textClaim } from '../jose.js'
import type { TokenKind } from '../login.js'
import type { IssuerKeys } from '../resource.js'

/** The content of a verified token, without the token. */
export interface Verdict {
  readonly subject: string
  readonly clientId: string
  readonly kind: TokenKind
  readonly scope: readonly string[]
  readonly acr: string | null
  readonly amr: readonly string[]
  /** Ms. */
  readonly authTime: number | null
  /** Ms. */
  readonly expiresAt: number
  readonly jkt: string | null
  /** `x5t#S256` of the certificate it is bound to. */
  readonly x5t: string | null
  readonly claims: JsonObject
}

/** What a verdict is judged by. */
export interface VerdictRules {
  readonly issuer: string
  readonly audience: string
  readonly kindOf?: (claims: JsonObject) => TokenKind | null
}

/** RFC 9068 §4: gate, key of this issuer, signature, then the claims. @throws PosternError `token.invalid` */
export async function readToken(
  token: string,
  now: number,
  o: VerdictRules & { readonly keys: IssuerKeys; readonly crypto: CryptoPort },
  known?: KnownHeaders,
): Promise<Verdict> {
  return refusing(async () => {
    const jws = readJws(token, accessTokenRules(undefined, known))
    const key = jws.kid === null ? null : await o.keys.find(jws.kid)
    if (key === null) throw invalidToken('kid')
    const claims = await verifyJws(o.crypto, jws, key)
    if (claims.iss !== o.issuer) throw invalidToken('issuer')
    if (claims.aud !== o.audience) throw invalidToken('audience')
    return verdictOf(claims, now, o)
  })
}

/**
 * What an issuer says of a token (RFC 7662 §2.2), held to the same. `iss` may be absent, for it was asked itself; an audience may not.
 * @throws PosternError `token.invalid`
 */
export function readAnswer(members: JsonObject, now: number, o: VerdictRules): Promise<Verdict> {
  return refusing(async () => {
    if (members.active !== true) throw invalidToken('inactive')
    if (members.iss !== undefined && members.iss !== o.issuer) throw invalidToken('issuer')
    const { aud } = members
    if (aud !== o.audience && !(Array.isArray(aud) && aud.includes(o.audience))) throw invalidToken('audience')
    // A client's own token may name nobody else.
    return verdictOf('sub' in members ? members : { ...members, sub: members.client_id ?? null }, now, o)
  })
}

function verdictOf(claims: JsonObject, now: number, { kindOf = ownKind }: VerdictRules): Verdict {
  const expiresAt = numericDate(claims.exp, 'exp') * 1000
  if (expiresAt <= now) throw invalidToken('expired')
  if (claims.nbf !== undefined && numericDate(claims.nbf, 'nbf') * 1000 > now) throw invalidToken('early')
  const kind = kindOf(claims)
  if (kind === null) throw invalidToken('kind')
  const cnf = (claims.cnf ?? {}) as JsonObject
  // A binding we cannot check is a binding we may not ignore (RFC 7800 §3.1).
  if (Object.keys(cnf).some((name) => name !== 'jkt' && name !== 'x5t#S256')) throw invalidToken('cnf')
  return {
    subject: textClaim(claims, 'sub', 255),
    clientId: textClaim(claims, 'client_id', 256),
    kind,
    scope: typeof claims.scope === 'string' && claims.scope !== '' ? claims.scope.split(' ') : [],
    acr: typeof claims.acr === 'string' ? claims.acr : null,
    amr: Array.isArray(claims.amr) ? claims.amr.filter((value): value is string => typeof value === 'string') : [],
    authTime: claims.auth_time === undefined ? null : numericDate(claims.auth_time, 'auth_time') * 1000,
    expiresAt,
    jkt: cnf.jkt === undefined ? null : textClaim(cnf, 'jkt', 64),
    x5t: cnf['x5t#S256'] === undefined ? null : textClaim(cnf, 'x5t#S256', 64),
    claims,
  }
}

/** Our own tokens say their kind; one that does not is of no kind. */
function ownKind({ kind }: JsonObject): TokenKind | null {
  return kind === 'user' || kind === 'implicit' || kind === 'device' ? kind : null
}

async function refusing<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    throw isPosternError(cause, 'jws.refused') ? invalidToken(cause.reason ?? 'form', cause) : cause
  }
}

/** Why, goes into the event alone. */
export function invalidToken(reason: string, cause?: unknown): PosternError<'token.invalid'> {
  return new PosternError('token.invalid', { reason: `token.${reason}`, cause })
}
