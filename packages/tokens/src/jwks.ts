/** `GET /jwks`: the public keys, the next one included, so that every verifier has it before it signs; and those to encrypt to. */
import type { SigningKey } from '@postern/core/keyRing'
import { publicDocument } from './internal/document.js'
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
  const keysOf = ({ keys, runtime, jwe }: IssuerContext) => [
    ...keys.signing.published(runtime.clock()),
    ...(jwe?.publicKeys ?? []),
  ]
  return publicDocument(jwkSet, keysOf, JWKS_MAX_AGE)
}
