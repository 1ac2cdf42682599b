/** JSON Web Keys: the public members and the name that follows from them. @see RFC 7517, RFC 7638 */
import { decodeBase64url, encodeBase64url } from './base64url.js'
import { utf8 } from './bytes.js'
import type { CryptoPort } from './cryptoPort.js'
import { PosternError } from './errors.js'

const EC_BYTES: Readonly<Record<string, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66 }
const OKP_BYTES: Readonly<Record<string, number>> = { Ed25519: 32, X25519: 32 }
const MAX_RSA_BYTES = 512

/**
 * The required public members of a key and nothing else, in the order of RFC 7638 §3.2.
 *
 * Each is canonical base64url of the one right length, so one key has one thumbprint. Whether the point is on its curve is
 * `CryptoPort.verifyKey`'s business.
 *
 * @param jwk - EC (P-256, P-384, P-521), OKP (Ed25519, X25519) or RSA, public or private
 * @throws PosternError `crypto.invalid_key`
 */
export function publicJwk(jwk: JsonWebKey): JsonWebKey {
  const { kty, crv, x, y, n, e } = jwk
  if (kty === 'EC') return { crv: crv!, kty, x: coordinate(x, sizeOf(EC_BYTES, crv)), y: coordinate(y, sizeOf(EC_BYTES, crv)) }
  if (kty === 'OKP') return { crv: crv!, kty, x: coordinate(x, sizeOf(OKP_BYTES, crv)) }
  if (kty === 'RSA') return { e: integer(e), kty, n: integer(n) }
  throw invalid('a key type that has no public members')
}

/**
 * The RFC 7638 thumbprint with SHA-256, as base64url: the suite's `kid` and `jkt`.
 * @throws PosternError `crypto.invalid_key`
 */
export async function thumbprint(crypto: CryptoPort, jwk: JsonWebKey): Promise<string> {
  // The members stand in lexicographic order and hold nothing that JSON would escape.
  return encodeBase64url(await crypto.digest('SHA-256', utf8(JSON.stringify(publicJwk(jwk)))))
}

function sizeOf(sizes: Readonly<Record<string, number>>, crv: unknown): number {
  const size = typeof crv === 'string' && Object.hasOwn(sizes, crv) ? sizes[crv] : undefined
  if (size === undefined) throw invalid('an unknown curve')
  return size
}

function coordinate(text: unknown, size: number): string {
  if (typeof text !== 'string' || decodeBase64url(text)?.length !== size) throw invalid(`a coordinate that is not ${size} bytes`)
  return text
}

function integer(text: unknown): string {
  const bytes = typeof text === 'string' ? decodeBase64url(text) : null
  // A leading zero would give the same key a second name (RFC 7518 §2, Base64urlUInt).
  if (bytes === null || bytes.length === 0 || bytes.length > MAX_RSA_BYTES || bytes[0] === 0)
    throw invalid('an RSA integer that is not minimal')
  return text as string
}

function invalid(reason: string): PosternError<'crypto.invalid_key'> {
  return new PosternError('crypto.invalid_key', { reason })
}
