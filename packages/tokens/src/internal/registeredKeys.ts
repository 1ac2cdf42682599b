/** The public keys that a shared client registers (RFC 7591 §2): by value and usable, or at a URL, from which nothing is fetched here. */
import type { SignAlg } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import { publicJwk } from '@postern/core/jwk'
import type { ClientMetadata } from '../clients.js'
import type { IssuerContext } from '../issuer.js'

const MAX_KEYS = 32

/** A client's keys, or where they are. @throws PosternError `metadata.refused` */
export async function registeredKeys(
  { jwks, jwks_uri: jwksUri }: { readonly jwks?: JsonObject; readonly jwks_uri?: string },
  context: IssuerContext,
): Promise<Pick<ClientMetadata, 'jwks' | 'jwksUri'>> {
  if (jwks !== undefined && jwksUri !== undefined) throw refused('jwks and jwks_uri exclude each other.') // RFC 7591 §2
  if (jwksUri !== undefined) return { jwksUri }
  if (jwks === undefined) return {}
  const { keys } = jwks
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw refused(`jwks must hold at most ${MAX_KEYS} keys.`)
  return { jwks: await Promise.all(keys.map((key: JsonValue) => keyOf(key, context))) }
}

const SIGN_ALGS: Readonly<Record<string, SignAlg>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512', Ed25519: 'Ed25519' }

/** A public key that can be used: its required members, and what it says of itself. */
async function keyOf(value: JsonValue, { runtime: { crypto } }: IssuerContext): Promise<JsonWebKey> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused('jwks must hold keys.')
  const key = value as JsonObject & JsonWebKey
  if (['d', 'k', 'p', 'q'].some((member) => member in key)) throw refused('jwks must hold public keys alone.')
  try {
    const own = publicJwk(key)
    const alg = own.kty === 'RSA' ? 'PS256' : SIGN_ALGS[own.crv!]
    if (alg !== undefined) await crypto.verifyKey(alg, own)
    const { kid, alg: named, use } = key
    return { ...own, ...textMembers({ kid, alg: named, use }) } as JsonWebKey
  } catch (cause) {
    if (!isPosternError(cause, 'crypto.invalid_key')) throw cause
    throw new PosternError('metadata.refused', { publicMessage: 'A key in jwks is not usable.', cause })
  }
}

function textMembers(members: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(members).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

function refused(publicMessage: string): PosternError<'metadata.refused'> {
  return new PosternError('metadata.refused', { publicMessage })
}
