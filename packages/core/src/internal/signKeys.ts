/** What every implementation checks alike before a key or a signature reaches a library: the rules live here once. */
import { ed25519 } from '@noble/curves/ed25519.js'
import { decodeBase64url } from '../base64url.js'
import type { RareAlg, SignAlg, VerifyAlg } from '../cryptoPort.js'
import { PosternError } from '../errors.js'
import { publicJwk } from '../jwk.js'

/** What an ECDSA algorithm is made of: curve, its names, bytes of a coordinate and the group's order. @see RFC 7518 §3.4, FIPS 186-5 */
export interface EcAlg {
  readonly crv: 'P-256' | 'P-384' | 'P-521'
  /** The curve's name in OpenSSL. */
  readonly openssl: string
  readonly hash: 'SHA-256' | 'SHA-384' | 'SHA-512'
  readonly size: number
  readonly order: bigint
  /** The order's first four bytes, as a number. */
  readonly top: number
}

const P256: EcAlg = {
  crv: 'P-256',
  openssl: 'prime256v1',
  hash: 'SHA-256',
  size: 32,
  order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  top: 0xffffffff,
}
const P384: EcAlg = {
  crv: 'P-384',
  openssl: 'secp384r1',
  hash: 'SHA-384',
  size: 48,
  order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  top: 0xffffffff,
}
const P521: EcAlg = {
  crv: 'P-521',
  openssl: 'secp521r1',
  hash: 'SHA-512',
  size: 66,
  order:
    0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  top: 0x01ffffff,
}

/** JOSE's algorithms and every curve with every hash, by name. */
const EC_ALGS: ReadonlyMap<string, EcAlg> = /* @__PURE__ */ new Map([
  ['ES256', P256],
  ['ES384', P384],
  ['ES512', P521],
  ...[P256, P384, P521].flatMap((curve) =>
    (['SHA-256', 'SHA-384', 'SHA-512'] as const).map((hash) => [`${curve.crv}/${hash}`, { ...curve, hash }] as const),
  ),
])

/** The curve behind an ECDSA algorithm, `null` for any other algorithm. */
export function ecAlg(alg: VerifyAlg): EcAlg | null {
  return EC_ALGS.get(alg) ?? null
}

/** Whether the algorithm is Ed25519 by either of its names. @see RFC 9864 §2.2 */
export function isEd25519(alg: VerifyAlg): boolean {
  return alg === 'Ed25519' || alg === 'EdDSA'
}

/** The hash of an RSA algorithm, `null` for any other algorithm. */
export function rsaHash(alg: VerifyAlg): 'SHA-256' | 'SHA-384' | 'SHA-512' | null {
  return alg === 'RS256' || alg === 'PS256' ? 'SHA-256' : alg === 'RS384' ? 'SHA-384' : alg === 'RS512' ? 'SHA-512' : null
}

/** The public members of a key for an algorithm that few runtimes have, `null` for any other algorithm. Its point or polynomials are theirs to check. */
export function rareJwk(alg: VerifyAlg, jwk: JsonWebKey & { readonly pub?: string }): JsonWebKey | null {
  const size = RARE_BYTES[alg as RareAlg]
  if (size === undefined) return null
  const edwards = alg === 'Ed448'
  const raw = edwards ? jwk.x : jwk.pub
  if (jwk.kty !== (edwards ? 'OKP' : 'AKP') || (edwards ? jwk.crv : jwk.alg) !== alg || 'd' in jwk || 'priv' in jwk)
    throw invalidKey('a key of another algorithm, or a private one')
  if (typeof raw !== 'string' || decodeBase64url(raw)?.length !== size) throw invalidKey(`a key that is not ${size} bytes`)
  return edwards ? { kty: 'OKP', crv: alg, x: raw } : ({ kty: 'AKP', alg, pub: raw } as JsonWebKey)
}

/** Bytes of a public key. @see RFC 8032 §5.2.5, FIPS 204 table 2 */
const RARE_BYTES: Partial<Readonly<Record<RareAlg, number>>> = {
  Ed448: 57,
  'ML-DSA-44': 1312,
  'ML-DSA-65': 1952,
  'ML-DSA-87': 2592,
}

/** The unsigned big-endian integer of bytes. */
export function toBigInt(bytes: Uint8Array): bigint {
  let text = '0x0'
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return BigInt(text)
}

/** Whether big-endian bytes are a scalar in [1, n − 1]. */
export function isScalar(bytes: Uint8Array, order: bigint): boolean {
  const value = toBigInt(bytes)
  return value > 0n && value < order
}

/** Whether r‖s has the one right length and both are in [1, n − 1]: what is DER, truncated or zero ends here. @see FIPS 186-5 §6.4.2 */
export function isEcSignature(ec: EcAlg, signature: Uint8Array): boolean {
  return signature.length === 2 * ec.size && inRange(ec, signature, 0) && inRange(ec, signature, ec.size)
}

/** The first four bytes settle all but one in four thousand million; big integers cost as much as a hash. */
function inRange({ order, size, top }: EcAlg, signature: Uint8Array, at: number): boolean {
  const head = ((signature[at]! << 24) | (signature[at + 1]! << 16) | (signature[at + 2]! << 8) | signature[at + 3]!) >>> 0
  return (head > 0 && head < top) || isScalar(signature.subarray(at, at + size), order)
}

const ED25519_ORDER = 0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3edn

/** Whether R‖S is 64 bytes with S below the group's order: each signature has one spelling. @see RFC 8032 §5.1.7 */
export function isEdSignature(signature: Uint8Array): boolean {
  return signature.length === 64 && toBigInt(signature.slice(32).reverse()) < ED25519_ORDER
}

/**
 * The public members of a key that may verify under `alg`: type, curve, `alg`, `use` and `key_ops` agree, and no private member is there.
 * EC points are left to the implementation's own curve check.
 * @throws PosternError `crypto.invalid_key`
 */
export function checkPublicJwk(alg: VerifyAlg, jwk: JsonWebKey): JsonWebKey {
  const taken = { ...jwk }
  if (PRIVATE.some((member) => member in taken)) throw invalidKey('a private member in a public key')
  return checkMembers(alg, taken, 'verify')
}

/**
 * The public members of a private key for `alg`, with the same rules; `d` must be a scalar of the curve (a string of 32 bytes for Ed25519).
 * @throws PosternError `crypto.invalid_key`
 */
export function checkPrivateJwk(alg: SignAlg, jwk: JsonWebKey): { readonly publicJwk: JsonWebKey; readonly d: Uint8Array } {
  const taken = { ...jwk }
  const members = checkMembers(alg, taken, 'sign')
  const d = typeof taken.d === 'string' ? decodeBase64url(taken.d) : null
  if (d === null) throw invalidKey('no private member')
  const ec = ecAlg(alg)
  if (ec !== null && (d.length !== ec.size || !isScalar(d, ec.order))) throw invalidKey('a private scalar out of range')
  if (isEd25519(alg) && d.length !== 32) throw invalidKey('a private key that is not 32 bytes')
  return { publicJwk: members, d }
}

/** @param reason - for the host's logs, never a value */
export function invalidKey(reason: string, cause?: unknown): PosternError<'crypto.invalid_key'> {
  return new PosternError('crypto.invalid_key', cause === undefined ? { reason } : { reason, cause })
}

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const

function checkMembers(alg: VerifyAlg, jwk: JsonWebKey, operation: 'sign' | 'verify'): JsonWebKey {
  const ec = ecAlg(alg)
  const kty = ec !== null ? 'EC' : isEd25519(alg) ? 'OKP' : rsaHash(alg) !== null ? 'RSA' : null
  if (kty === null || jwk.kty !== kty) throw invalidKey('a key type of another algorithm')
  if (kty !== 'RSA' && jwk.crv !== (ec?.crv ?? 'Ed25519')) throw invalidKey('a curve of another algorithm')
  if (jwk.alg !== undefined && jwk.alg !== alg && !(isEd25519(alg) && (jwk.alg === 'EdDSA' || jwk.alg === 'Ed25519')))
    throw invalidKey('a key of another algorithm')
  if (jwk.use !== undefined && jwk.use !== 'sig') throw invalidKey('a key for another use')
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes(operation)))
    throw invalidKey('a key for other operations')
  const members = publicJwk(jwk)
  if (kty === 'OKP') checkEdPoint(decodeBase64url(members.x!)!)
  if (kty === 'RSA') checkRsa(toBigInt(decodeBase64url(members.n!)!), toBigInt(decodeBase64url(members.e!)!))
  return members
}

/** Canonical, on the curve and not of small order: under a small-order key one signature fits every message. */
function checkEdPoint(x: Uint8Array): void {
  let small = true
  try {
    small = ed25519.Point.fromBytes(x, false).isSmallOrder()
  } catch (cause) {
    throw invalidKey('no point of the curve', cause)
  }
  if (small) throw invalidKey('a point of small order')
}

/** 2048–4096 bits and an odd e from 65537 up, below 2^32 as every platform can hold. */
function checkRsa(n: bigint, e: bigint): void {
  const bits = n.toString(2).length
  if (bits < 2048 || bits > 4096 || n % 2n === 0n) throw invalidKey('an RSA modulus that is not 2048 to 4096 bits and odd')
  if (e < 65537n || e >= 1n << 32n || e % 2n === 0n) throw invalidKey('an RSA exponent that is not odd and from 65537 up')
}
