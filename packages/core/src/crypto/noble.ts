/** The crypto port in JavaScript alone, for runtimes without WebCrypto such as React Native: @noble/ciphers, @noble/curves, @noble/hashes. */
import { gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { sha3_256 } from '@noble/hashes/sha3.js'
import { decodeBase64url, encodeBase64url } from '../base64url.js'
import { concat, equal } from '../bytes.js'
import type { AeadKey, CryptoPort, DhKeyPair, HmacKey, SignAlg, Signer, VerifyKey } from '../cryptoPort.js'
import { PosternError } from '../errors.js'
import { drawScalar } from '../internal/drawScalar.js'
import { mlKemDecap, mlKemEncap, mlKemPair, shake256 } from '../internal/mlKem.js'
import { type RsaKey, verifyPkcs1, verifyPss } from '../internal/rsa.js'
import {
  checkPrivateJwk,
  checkPublicJwk,
  type EcAlg,
  ecAlg,
  invalidKey,
  isEcSignature,
  isEd25519,
  isEdSignature,
  isScalar,
  rareJwk,
  rsaHash,
  toBigInt,
} from '../internal/signKeys.js'

interface NobleHmacKey extends HmacKey {
  /** The hash with the key block absorbed; cloned for each message. */
  readonly keyed: ReturnType<typeof hmac.create>
}
interface NobleAeadKey extends AeadKey {
  readonly raw: Uint8Array
}
interface NobleVerifyKey extends VerifyKey {
  /** An uncompressed point, 32 bytes of Ed25519, or the integers of RSA. */
  readonly key: Uint8Array | RsaKey
}

const HASHES = { 'SHA-256': sha256, 'SHA-384': sha384, 'SHA-512': sha512, 'SHA3-256': sha3_256 } as const
const CURVES = { 'P-256': p256, 'P-384': p384, 'P-521': p521 } as const
const AEADS = {
  A128GCM: { make: gcm, size: 16 },
  A256GCM: { make: gcm, size: 32 },
  C20P: { make: chacha20poly1305, size: 32 },
} as const

/**
 * The port in JavaScript alone. It verifies RS256 and PS256 but does not sign them: a private RSA operation without constant-time
 * big integers would leak its key.
 * @throws PosternError `crypto.unsupported` from `signer` for RS256 and PS256
 */
export function createCrypto(): CryptoPort {
  return {
    name: 'noble',
    digest: (alg, data) => HASHES[alg](data),
    hmacKey: (alg, raw) => ({ alg, keyed: hmac.create(HASHES[alg], raw) }) as NobleHmacKey,
    hmac: (key, data) => (key as NobleHmacKey).keyed.clone().update(data).digest(),
    aeadKey(alg, raw) {
      if (raw.length !== AEADS[alg].size) throw invalidKey(`a key that is not ${AEADS[alg].size} bytes`)
      return { alg, raw: new Uint8Array(raw) } as NobleAeadKey
    },
    seal(key, nonce, aad, plaintext) {
      if (nonce.length !== 12) throw new RangeError('a nonce that is not 12 bytes')
      return AEADS[key.alg].make((key as NobleAeadKey).raw, nonce, aad).encrypt(plaintext)
    },
    open(key, nonce, aad, ciphertext) {
      if (nonce.length !== 12 || ciphertext.length < 16) return null
      try {
        return AEADS[key.alg].make((key as NobleAeadKey).raw, nonce, aad).decrypt(ciphertext)
      } catch {
        return null
      }
    },
    dhKeyPair(group, privateKey): DhKeyPair {
      const taken = new Uint8Array(privateKey)
      if (taken.length !== 32) throw invalidKey('a private key that is not 32 bytes')
      if (group === 'X25519') return { privateKey: taken, publicKey: x25519.getPublicKey(taken) }
      if (!isScalar(taken, ecAlg('ES256')!.order)) throw invalidKey('a private scalar out of range')
      return { privateKey: taken, publicKey: p256.getPublicKey(taken, false) }
    },
    dh(group, { privateKey }, publicKey) {
      if (publicKey.length !== (group === 'X25519' ? 32 : 65) || (group === 'P-256' && publicKey[0] !== 4)) return null
      if (privateKey.length !== 32 || (group === 'P-256' && !isScalar(privateKey, ecAlg('ES256')!.order)))
        throw invalidKey('a private scalar out of range')
      try {
        if (group === 'X25519') return x25519.getSharedSecret(privateKey, publicKey)
        return p256.getSharedSecret(privateKey, publicKey, false).slice(1, 33)
      } catch {
        return null
      }
    },
    shake256,
    mlKemPair,
    mlKemEncap,
    mlKemDecap,
    signer,
    generateKey(alg, random) {
      const ec = ecAlg(alg)
      const d = ec === null ? new Uint8Array(random(32)) : drawScalar(ec, random)
      return { ...publicOf(ec, d), d: encodeBase64url(d) }
    },
    verifyKey(alg, publicJwk) {
      if (rareJwk(alg, publicJwk) !== null) throw new PosternError('crypto.unsupported', { reason: alg })
      const { kty, crv, x, y, n, e } = checkPublicJwk(alg, publicJwk)
      if (kty === 'RSA') return { alg, key: { n: integer(n!), e: integer(e!) } } as NobleVerifyKey
      if (kty === 'OKP') return { alg, key: decodeBase64url(x!)! } as NobleVerifyKey
      const key = concat(Uint8Array.of(4), decodeBase64url(x!)!, decodeBase64url(y!)!)
      if (!CURVES[crv as EcAlg['crv']].utils.isValidPublicKey(key, false)) throw invalidKey('no point of the curve')
      return { alg, key } as NobleVerifyKey
    },
    verify(key, data, signature) {
      try {
        return verifySignature(key as NobleVerifyKey, data, signature)
      } catch {
        return false
      }
    },
  }
}

/** The public members that belong to a private key: what a signer's JWK is held against. */
export function publicOf(ec: EcAlg | null, d: Uint8Array): JsonWebKey {
  if (ec === null) return { kty: 'OKP', crv: 'Ed25519', x: encodeBase64url(ed25519.getPublicKey(d)) }
  const point = CURVES[ec.crv].getPublicKey(d, false)
  const [x, y] = [point.subarray(1, 1 + ec.size), point.subarray(1 + ec.size)]
  return { kty: 'EC', crv: ec.crv, x: encodeBase64url(x), y: encodeBase64url(y) }
}

function signer(alg: SignAlg, privateJwk: JsonWebKey): Signer {
  const { publicJwk, d } = checkPrivateJwk(alg, privateJwk)
  if (publicJwk.kty === 'RSA') throw new PosternError('crypto.unsupported', { reason: 'RSA signing in JavaScript' })
  const ec = ecAlg(alg)
  const own = publicOf(ec, d)
  if (own.x !== publicJwk.x || own.y !== publicJwk.y) throw invalidKey('the halves do not belong together')
  const sign = (data: Uint8Array): Uint8Array =>
    ec === null ? ed25519.sign(data, d) : CURVES[ec.crv].sign(data, d, { lowS: false })
  return { alg, publicJwk, sign }
}

function verifySignature({ alg, key }: NobleVerifyKey, data: Uint8Array, signature: Uint8Array): boolean {
  if ('n' in key) return alg === 'PS256' ? verifyPss(key, data, signature) : verifyPkcs1(key, rsaHash(alg)!, data, signature)
  if (isEd25519(alg)) return isEdSignature(signature) && verifyEd25519(key, data, signature)
  const ec = ecAlg(alg)!
  return (
    isEcSignature(ec, signature) && CURVES[ec.crv].verify(signature, HASHES[ec.hash](data), key, { lowS: false, prehash: false })
  )
}

/** Without the cofactor and with R compared as bytes, as OpenSSL does: the looser equation accepts what Node refuses. @see RFC 8032 §5.1.7 */
function verifyEd25519(key: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  const { Point } = ed25519
  const r = signature.subarray(0, 32)
  const s = toBigInt(signature.slice(32).reverse())
  const k = Point.Fn.create(toBigInt(sha512(concat(r, key, data)).reverse()))
  const minusA = Point.fromBytes(key, false).negate()
  return equal(Point.BASE.multiplyUnsafe(s).add(minusA.multiplyUnsafe(k)).toBytes(), r)
}

function integer(text: string): bigint {
  return toBigInt(decodeBase64url(text)!)
}
