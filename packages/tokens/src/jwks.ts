/** `GET /jwks`: the public keys, the next one included, so that every verifier has it before it signs; and those to encrypt to. */
import type { SigningKey } from '@postern/core/keyRing'
import { empty } from './internal/http.js'
import type { Handler, IssuerContext } from './issuer.js'

/** Seconds that a key set may be kept; the key ring's lead time counts on it. */
export const JWKS_MAX_AGE = 300

/** The JWK Set of an issuer (RFC 7517 §5). */
export function jwkSet({ keys, runtime, jwe }: IssuerContext): { readonly keys: readonly JsonWebKey[] } {
  return { keys: [...keys.signing.published(runtime.clock()).map(publicKey), ...(jwe?.publicKeys ?? [])] }
}

function publicKey({ kid, signer }: SigningKey): JsonWebKey {
  const { alg, publicJwk } = signer
  return { ...publicJwk, kid, alg, use: 'sig' } as JsonWebKey
}

/** `GET /jwks`. */
export function jwksEndpoint(): Handler {
  return async (request, context) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return empty(405, { allow: 'GET, HEAD' })
    return publicJson(jwkSet(context), `public, max-age=${JWKS_MAX_AGE}`)
  }
}

/** A public document, readable from every origin, without credentials. */
export function publicJson(body: unknown, cacheControl: string): Response {
  const headers = { 'content-type': 'application/json', 'cache-control': cacheControl, 'access-control-allow-origin': '*' }
  return new Response(JSON.stringify(body), { headers })
}
