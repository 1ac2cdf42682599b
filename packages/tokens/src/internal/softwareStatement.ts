/** Software statements (RFC 7591 §2.3): what an issuer whom the host trusts says of a piece of software, once. */
import { isPosternError, PosternError } from '@postern/core/errors'
import { type JsonObject, type JsonValue, parseJson } from '@postern/core/json'
import { type Jws, readJws, verifyJws } from '@postern/core/jws'
import type { Marker } from '../clientAuth.js'
import type { StatementIssuer } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { DEFAULT_ALGS, numericDate, textClaim } from '../jose.js'
import { kitOf } from './kit.js'

/** A statement that holds. */
export interface Statement {
  readonly issuer: string
  /** What it says of the client: its members take the place of those that were sent. */
  readonly members: JsonObject
  /** What makes it single-use; spent last. */
  readonly marker: Omit<Marker, 'spent'>
}

const MAX_LIFE_MS = 366 * 86_400_000
const SKEW_MS = 60_000
/** Of the statement itself, not of the client. */
const REGISTERED = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']

/**
 * The statement in a registration.
 * @param o.known - it was accepted before for this very client: neither its end nor its single use count again
 * @throws PosternError `statement.refused`; `statement.unapproved` for an issuer that is not trusted here
 */
export async function readStatement(
  value: JsonValue,
  issuers: readonly StatementIssuer[],
  context: IssuerContext,
  { known }: { readonly known: boolean },
): Promise<Statement> {
  if (typeof value !== 'string') throw refuse('form')
  try {
    const jws = readJws(value, { algs: [...new Set(issuers.flatMap(algsOf))], typ: [undefined, 'JWT', 'software-statement+jwt'] })
    const issuer = issuers.find((one) => one.issuer === claimedIssuer(jws))
    if (issuer === undefined) throw new PosternError('statement.unapproved')
    const key = jws.kid === null || !algsOf(issuer).includes(jws.alg) ? null : await issuer.keys.find(jws.kid)
    if (key === null) throw refuse('key')
    const claims = await verifyJws(context.runtime.crypto, jws, key)
    if (claims.aud !== undefined && claims.aud !== context.issuer) throw refuse('audience')
    const exp = numericDate(claims.exp, 'exp') * 1000
    if (!known) checkTimes(claims, exp, context.runtime.clock())
    const jti = textClaim(claims, 'jti', 128)
    const members = Object.fromEntries(Object.entries(claims).filter(([name]) => !REGISTERED.includes(name)))
    return { issuer: issuer.issuer, members, marker: await kitOf(context).places.statementOp(issuer.issuer, jti, exp + SKEW_MS) }
  } catch (cause) {
    throw isPosternError(cause, 'jws.refused', 'json.malformed', 'json.too_large') ? refuse(cause.reason ?? 'form', cause) : cause
  }
}

function checkTimes(claims: JsonObject, exp: number, now: number): void {
  if (exp <= now) throw refuse('expired')
  if (exp > now + MAX_LIFE_MS) throw refuse('too long')
  if (claims.nbf !== undefined && numericDate(claims.nbf, 'nbf') * 1000 > now + SKEW_MS) throw refuse('early')
}

/** Whom a statement claims to be from, unverified: only to find the keys that verify it. */
function claimedIssuer({ payload }: Jws): string | null {
  const claims = parseJson(payload, { maxDepth: 16 }) as JsonObject | null
  return typeof claims?.iss === 'string' ? claims.iss : null
}

function algsOf({ algs = DEFAULT_ALGS }: StatementIssuer): NonNullable<StatementIssuer['algs']> {
  return algs
}

function refuse(reason: string, cause?: unknown): PosternError<'statement.refused'> {
  return new PosternError('statement.refused', { reason: `statement.${reason}`, cause })
}
