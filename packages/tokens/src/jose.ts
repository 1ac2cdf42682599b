/** Tokens' rules for each use of a JWS. The gate itself is `@postern/core/jws`: nothing reaches a signature check before it has passed. */
import type { SignAlg } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import type { JwsRules, KnownHeaders } from '@postern/core/jws'

/** What an issuer or a client signs with unless configured otherwise. */
export const DEFAULT_ALGS: readonly SignAlg[] = ['ES256', 'EdDSA', 'Ed25519']
const ALL_ALGS: readonly SignAlg[] = [...DEFAULT_ALGS, 'ES384', 'ES512', 'RS256', 'PS256']
const ACCESS_TOKEN = ['at+jwt', 'application/at+jwt']
const PROOF = ['dpop+jwt']

/** Access tokens (RFC 9068 §2.1). The issuer's own algorithms, whatever they are: its keys decide. */
export function accessTokenRules(algs: readonly SignAlg[] = ALL_ALGS, known?: KnownHeaders): JwsRules {
  return { algs, typ: ACCESS_TOKEN, ...(known && { known }) }
}

/** DPoP proofs (RFC 9449 §4.2): the one use whose header carries its key. */
export function proofRules(algs: readonly SignAlg[] = DEFAULT_ALGS, known?: KnownHeaders): JwsRules {
  return { algs, typ: PROOF, jwk: true, maxBytes: 8192, ...(known && { known }) }
}

/** Client assertions (RFC 7523 §2.2; the explicit type is draft-ietf-oauth-rfc7523bis). */
export function assertionRules(algs: readonly SignAlg[] = DEFAULT_ALGS): JwsRules {
  return { algs, typ: [undefined, 'JWT', 'client-authentication+jwt'], maxBytes: 8192 }
}

/** Request objects (RFC 9101 §10.8). */
export function requestObjectRules(algs: readonly SignAlg[] = DEFAULT_ALGS): JwsRules {
  return { algs, typ: [undefined, 'oauth-authz-req+jwt'] }
}

/** ID tokens that come back as hints. The issuer's own algorithms, whatever they are. */
export function idTokenRules(algs: readonly SignAlg[] = ALL_ALGS): JwsRules {
  return { algs, typ: ['JWT'] }
}

/**
 * A NumericDate claim in seconds: a finite number from 0 to 2^40, fractions allowed (RFC 7519 §2). `"60"`, 1e308 and −0 are none (H18).
 * @throws PosternError `jws.refused`
 */
export function numericDate(value: JsonValue | undefined, name: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value < 2 ** 40))
    throw new PosternError('jws.refused', { reason: `claim ${name}` })
  return value
}

/** A string claim of 1 to `max` characters. @throws PosternError `jws.refused` */
export function textClaim(claims: JsonObject, name: string, max: number): string {
  const value = claims[name]
  if (typeof value !== 'string' || value.length === 0 || value.length > max)
    throw new PosternError('jws.refused', { reason: `claim ${name}` })
  return value
}
