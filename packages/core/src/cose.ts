/**
 * COSE keys of authenticators: from a map to a typed key. Exactly the members that its kind has, and an algorithm that is one of its kind: a private
 * member, a key id or a list of operations has no place in one.
 * @see RFC 9052 §7, RFC 9053 §7, RFC 8230 §4, RFC 9864, RFC 9964, WebAuthn Level 3 §6.5.1
 */
import { encodeBase64url } from './base64url.js'
import { type CborKey, type CborMap, type CborValue, isCborMap, readCbor } from './cbor.js'
import type { VerifyAlg } from './cryptoPort.js'
import { PosternError } from './errors.js'

/** A public key with the one algorithm that it is for. */
export interface CoseKey {
  /** COSEAlgorithmIdentifier. */
  readonly alg: number
  /** The same for the crypto port. */
  readonly verifyAlg: VerifyAlg
  /** Public members: EC, OKP, RSA, or AKP (RFC 9964 §3) with `pub`. */
  readonly jwk: JsonWebKey & { readonly pub?: string }
}

/** What follows from an algorithm. */
interface CoseAlg {
  readonly verifyAlg: VerifyAlg
  readonly kty: 'EC' | 'OKP' | 'RSA' | 'AKP'
  readonly crv?: string
}

const EC = 'EC'
const OKP = 'OKP'
const RSA = 'RSA'
const AKP = 'AKP'

/** One table for both halves, so that no key can be registered that could never sign in. */
const ALGS: ReadonlyMap<number, CoseAlg> = /* @__PURE__ */ new Map<number, CoseAlg>([
  [-7, { verifyAlg: 'ES256', kty: EC, crv: 'P-256' }],
  [-8, { verifyAlg: 'Ed25519', kty: OKP, crv: 'Ed25519' }],
  [-9, { verifyAlg: 'ES256', kty: EC, crv: 'P-256' }],
  [-19, { verifyAlg: 'Ed25519', kty: OKP, crv: 'Ed25519' }],
  [-35, { verifyAlg: 'ES384', kty: EC, crv: 'P-384' }],
  [-36, { verifyAlg: 'ES512', kty: EC, crv: 'P-521' }],
  [-37, { verifyAlg: 'PS256', kty: RSA }],
  [-48, { verifyAlg: 'ML-DSA-44', kty: AKP }],
  [-49, { verifyAlg: 'ML-DSA-65', kty: AKP }],
  [-50, { verifyAlg: 'ML-DSA-87', kty: AKP }],
  [-51, { verifyAlg: 'ES384', kty: EC, crv: 'P-384' }],
  [-52, { verifyAlg: 'ES512', kty: EC, crv: 'P-521' }],
  [-53, { verifyAlg: 'Ed448', kty: OKP, crv: 'Ed448' }],
  [-257, { verifyAlg: 'RS256', kty: RSA }],
  [-258, { verifyAlg: 'RS384', kty: RSA }],
  [-259, { verifyAlg: 'RS512', kty: RSA }],
])

const KTY: Readonly<Record<number, CoseAlg['kty']>> = { 1: OKP, 2: EC, 3: RSA, 7: AKP }
/** Curves by number, with the bytes of a coordinate. */
const CURVES: Readonly<Record<number, { readonly crv: string; readonly size: number }>> = {
  1: { crv: 'P-256', size: 32 },
  2: { crv: 'P-384', size: 48 },
  3: { crv: 'P-521', size: 66 },
  6: { crv: 'Ed25519', size: 32 },
  7: { crv: 'Ed448', size: 57 },
}
const AKP_BYTES: Readonly<Record<string, number>> = { 'ML-DSA-44': 1312, 'ML-DSA-65': 1952, 'ML-DSA-87': 2592 }

/** Members: 1 is the kind, 3 the algorithm; below zero they are the kind's own. */
const MEMBERS: Readonly<Record<CoseAlg['kty'], readonly CborKey[]>> = {
  EC: [1, 3, -1, -2, -3],
  OKP: [1, 3, -1, -2],
  RSA: [1, 3, -1, -2],
  AKP: [1, 3, -1],
}

/** Whether an algorithm is known here. */
export function isCoseAlg(alg: number): boolean {
  return ALGS.has(alg)
}

/**
 * The algorithm of the table for a key of this kind. EdDSA (−8) goes with Ed25519 or Ed448; ECDSA's with one curve each.
 * @param crv - of an EC or OKP key
 * @returns `null` when there is none
 */
export function verifyAlgOf(alg: number, kty: string | undefined, crv?: string): VerifyAlg | null {
  const known = ALGS.get(alg === -8 && crv === 'Ed448' ? -53 : alg)
  return known !== undefined && known.kty === kty && known.crv === crv ? known.verifyAlg : null
}

/**
 * The key of a map, or of its canonical encoding. Whether a point is on its curve is `CryptoPort.verifyKey`'s business.
 * @throws PosternError `cose.malformed` | `cose.algorithm` for one that is unknown, or no algorithm of this key | `cbor.malformed`
 */
export function readCoseKey(key: CborMap | Uint8Array): CoseKey {
  const map: CborValue = key instanceof Uint8Array ? readCbor(key) : key
  if (!isCborMap(map)) throw malformed('map')
  const [kind, alg] = [map.get(1), map.get(3)]
  const kty = typeof kind === 'number' ? KTY[kind] : undefined
  if (kty === undefined || typeof alg !== 'number') throw malformed('kty')
  const members = MEMBERS[kty]
  if (map.size !== members.length || members.some((name) => !map.has(name))) throw malformed('members')
  const jwk = jwkOf(kty, map)
  const verifyAlg = verifyAlgOf(alg, kty, jwk.crv)
  if (verifyAlg === null) throw unfit('alg')
  return { alg, verifyAlg, jwk: kty === AKP ? akp(verifyAlg, bytesAt(map, -1)) : jwk }
}

function jwkOf(kty: CoseAlg['kty'], map: CborMap): CoseKey['jwk'] {
  if (kty === AKP) return { kty }
  if (kty === RSA) return { kty, n: unsigned(map, -1, 256, 512), e: exponent(map) }
  const number = map.get(-1)
  const curve = typeof number === 'number' ? CURVES[number] : undefined
  if (curve === undefined) throw unfit('crv')
  const { crv, size } = curve
  return { kty, crv, x: coordinate(map, -2, size), ...(kty === EC && { y: coordinate(map, -3, size) }) }
}

function akp(alg: VerifyAlg, pub: Uint8Array): CoseKey['jwk'] {
  if (pub.length !== AKP_BYTES[alg]) throw malformed('pub')
  return { kty: AKP, alg, pub: encodeBase64url(pub) }
}

function coordinate(map: CborMap, name: number, size: number): string {
  const bytes = bytesAt(map, name)
  // A compressed point's y is a boolean, which ends in `bytesAt`.
  if (bytes.length !== size) throw malformed('coordinate')
  return encodeBase64url(bytes)
}

/** RFC 8230 §4: unsigned, without leading zeros. */
function unsigned(map: CborMap, name: number, min: number, max: number): string {
  const bytes = bytesAt(map, name)
  if (bytes.length < min || bytes.length > max || bytes[0] === 0) throw malformed('rsa.size')
  return encodeBase64url(bytes)
}

/** Odd and from 3 up: under 1 every number is its own signature. */
function exponent(map: CborMap): string {
  const bytes = bytesAt(map, -2)
  const last = bytes.at(-1) ?? 0
  if (last % 2 === 0 || (bytes.length === 1 && last < 3)) throw malformed('rsa.e')
  return unsigned(map, -2, 1, 4)
}

function bytesAt(map: CborMap, name: number): Uint8Array {
  const value = map.get(name)
  if (!(value instanceof Uint8Array)) throw malformed('bytes')
  return value
}

function malformed(reason: string): PosternError<'cose.malformed'> {
  return new PosternError('cose.malformed', { reason })
}

function unfit(reason: string): PosternError<'cose.algorithm'> {
  return new PosternError('cose.algorithm', { reason })
}
