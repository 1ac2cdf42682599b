/** The crypto port on WebCrypto; noble stands in for each primitive that the runtime lacks or gets wrong. */
import { p256 } from '@noble/curves/nist.js'
import { encodeBase64url } from '../base64url.js'
import { concat, fromHex } from '../bytes.js'
import type { AeadKey, CryptoPort, DhKeyPair, HmacKey, SignAlg, Signer, VerifyAlg, VerifyKey } from '../cryptoPort.js'
import {
  checkPrivateJwk,
  checkPublicJwk,
  ecAlg,
  invalidKey,
  isEcSignature,
  isEd25519,
  isEdSignature,
  isScalar,
  rareJwk,
  rsaHash,
} from '../internal/signKeys.js'
import { knows, type Primitive } from '../internal/webFeatures.js'
import { createCrypto as createNoble, publicOf } from './noble.js'

type Bytes = Uint8Array<ArrayBuffer>

/** A key of this port: WebCrypto's where it is trusted with the algorithm, noble's own otherwise. */
interface WebKey {
  readonly key: CryptoKey | null
  readonly noble: unknown
}

const noble: CryptoPort = /* @__PURE__ */ createNoble()
/** Up to this many bytes the way to another thread and back costs more than hashing in JavaScript: on Node 20 to 24 three to eight times as much. */
const NO_HOP_BYTES = 1024
/** PKCS #8 of an X25519 key up to its 32 bytes (RFC 8410 §7): unlike a JWK it needs no public half. */
const X25519_PKCS8 = '302e020100300506032b656e04220420'
const BASE_POINT: Uint8Array = /* @__PURE__ */ Uint8Array.of(9, ...new Uint8Array(31))

/** The port on the global WebCrypto. Answers are promises but where noble gives them. */
export function createCrypto(): CryptoPort {
  const { subtle } = globalThis.crypto
  const agreements = new WeakMap<DhKeyPair, Promise<CryptoKey>>()

  /** The private half as WebCrypto holds it, imported once per pair. */
  function agreementKey(group: 'X25519' | 'P-256', pair: DhKeyPair): Promise<CryptoKey> {
    let key = agreements.get(pair)
    if (key === undefined) {
      key = group === 'X25519' ? importX25519(subtle, pair.privateKey) : importP256(subtle, pair)
      agreements.set(pair, key)
    }
    return key
  }

  return {
    name: 'web',
    async digest(alg, data) {
      if (alg === 'SHA3-256' || data.length <= NO_HOP_BYTES) return noble.digest(alg, data)
      return new Uint8Array(await subtle.digest(alg, data as Bytes))
    },
    async hmacKey(alg, raw) {
      // WebCrypto refuses an empty key; HMAC pads a key with zeros, so one zero is the same key.
      const bytes = raw.length === 0 ? new Uint8Array(1) : raw
      const key = await subtle.importKey('raw', bytes as Bytes, { name: 'HMAC', hash: alg }, false, ['sign'])
      return { alg, key, noble: null } as HmacKey & WebKey
    },
    async hmac(key, data) {
      return new Uint8Array(await subtle.sign('HMAC', (key as HmacKey & WebKey).key!, data as Bytes))
    },
    async aeadKey(alg, raw) {
      const taken = new Uint8Array(raw)
      if (taken.length !== (alg === 'A128GCM' ? 16 : 32)) throw invalidKey('a key of another length than the cipher has')
      if (alg === 'C20P') return { alg, key: null, noble: noble.aeadKey(alg, taken) } as AeadKey & WebKey
      const key = await subtle.importKey('raw', taken, 'AES-GCM', false, ['encrypt', 'decrypt'])
      return { alg, key, noble: null } as AeadKey & WebKey
    },
    async seal(aead, nonce, aad, plaintext) {
      const { key, noble: own } = aead as AeadKey & WebKey
      if (nonce.length !== 12) throw new RangeError('a nonce that is not 12 bytes')
      if (key === null) return noble.seal(own as AeadKey, nonce, aad, plaintext)
      return new Uint8Array(await subtle.encrypt(gcm(nonce, aad), key, plaintext as Bytes))
    },
    async open(aead, nonce, aad, ciphertext) {
      const { key, noble: own } = aead as AeadKey & WebKey
      if (nonce.length !== 12 || ciphertext.length < 16) return null
      if (key === null) return noble.open(own as AeadKey, nonce, aad, ciphertext)
      try {
        return new Uint8Array(await subtle.decrypt(gcm(nonce, aad), key, ciphertext as Bytes))
      } catch {
        return null
      }
    },
    async dhKeyPair(group, privateKey) {
      const taken = new Uint8Array(privateKey)
      if (taken.length !== 32) throw invalidKey('a private key that is not 32 bytes')
      // WebCrypto cannot find the public half of a P-256 scalar.
      if (group === 'P-256' || !(await knows(subtle, 'X25519'))) return noble.dhKeyPair(group, taken)
      const key = importX25519(subtle, taken)
      const pair: DhKeyPair = { privateKey: taken, publicKey: (await agreeX25519(subtle, await key, BASE_POINT))! }
      agreements.set(pair, key)
      return pair
    },
    async dh(group, pair, theirs) {
      const publicKey = new Uint8Array(theirs)
      if (publicKey.length !== (group === 'X25519' ? 32 : 65) || (group === 'P-256' && publicKey[0] !== 4)) return null
      if (pair.privateKey.length !== 32 || (group === 'P-256' && !isScalar(pair.privateKey, ecAlg('ES256')!.order)))
        throw invalidKey('a private scalar out of range')
      if (!(await knows(subtle, group))) return noble.dh(group, pair, publicKey)
      const key = await agreementKey(group, pair)
      try {
        if (group === 'X25519') return await agreeX25519(subtle, key, publicKey)
        const peer = await subtle.importKey('raw', publicKey as Bytes, { name: 'ECDH', namedCurve: 'P-256' }, false, [])
        return new Uint8Array(await subtle.deriveBits({ name: 'ECDH', public: peer }, key, 256))
      } catch {
        return null
      }
    },
    shake256: noble.shake256,
    mlKemPair: noble.mlKemPair,
    mlKemEncap: noble.mlKemEncap,
    mlKemDecap: noble.mlKemDecap,
    signer: (alg, privateJwk) => signer(subtle, alg, privateJwk),
    generateKey: (alg, random) => noble.generateKey(alg, random),
    async verifyKey(alg, publicJwk) {
      const members = rareJwk(alg, publicJwk) ?? checkPublicJwk(alg, publicJwk)
      // Noble's check first: engines differ in when they look at a point.
      const own = await noble.verifyKey(alg, members)
      if (!(await knows(subtle, primitive(alg)))) return { alg, key: null, noble: own } as VerifyKey & WebKey
      try {
        const key = await subtle.importKey('jwk', members, parameters(alg), false, ['verify'])
        return { alg, key, noble: own } as VerifyKey & WebKey
      } catch (cause) {
        throw invalidKey('a key that the runtime refuses', cause)
      }
    },
    async verify(prepared, data, signature) {
      const { alg, key, noble: own } = prepared as VerifyKey & WebKey
      const ec = ecAlg(alg)
      if (ec !== null && !isEcSignature(ec, signature)) return false
      if (isEd25519(alg) && !isEdSignature(signature)) return false
      if (key === null) return noble.verify(own as VerifyKey, data, signature)
      try {
        return await subtle.verify(parameters(alg), key, signature as Bytes, data as Bytes)
      } catch {
        return false
      }
    },
  }
}

async function signer(subtle: SubtleCrypto, alg: SignAlg, privateJwk: JsonWebKey): Promise<Signer> {
  const taken = { ...privateJwk }
  const { alg: _alg, use: _use, key_ops: _operations, ext: _ext, ...jwk } = taken
  const { publicJwk, d } = checkPrivateJwk(alg, taken)
  if (publicJwk.kty !== 'RSA') {
    const own = publicOf(ecAlg(alg), d)
    if (own.x !== publicJwk.x || own.y !== publicJwk.y) throw invalidKey('the halves do not belong together')
  }
  if (!(await knows(subtle, primitive(alg)))) return noble.signer(alg, jwk)
  try {
    const key = await subtle.importKey('jwk', jwk, parameters(alg), false, ['sign'])
    const sign = async (data: Uint8Array): Promise<Uint8Array> =>
      new Uint8Array(await subtle.sign(parameters(alg), key, data as Bytes))
    if (publicJwk.kty === 'RSA') await checkRsaPair(alg, publicJwk, sign)
    return { alg, publicJwk, sign }
  } catch (cause) {
    throw invalidKey('a private key that is not whole', cause)
  }
}

/** One signature checked: numbers that do not belong together would give away the factors with the first faulty one. */
async function checkRsaPair(alg: SignAlg, publicJwk: JsonWebKey, sign: (data: Uint8Array) => Promise<Uint8Array>): Promise<void> {
  const probe = new Uint8Array(32)
  const key = await noble.verifyKey(alg, publicJwk)
  if (!(await noble.verify(key, probe, await sign(probe)))) throw new RangeError('the halves do not belong together')
}

/** What a curve's algorithm needs of the runtime; RSA is everywhere. */
function primitive(alg: VerifyAlg): Primitive | null {
  return isEd25519(alg) ? 'Ed25519' : (ecAlg(alg)?.crv ?? null)
}

function parameters(alg: VerifyAlg): RsaPssParams & EcKeyImportParams & EcdsaParams & RsaHashedImportParams {
  const ec = ecAlg(alg)
  const chosen =
    ec !== null
      ? { name: 'ECDSA', namedCurve: ec.crv, hash: ec.hash }
      : isEd25519(alg)
        ? { name: 'Ed25519' }
        : { name: alg === 'PS256' ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5', hash: rsaHash(alg), saltLength: 32 }
  return chosen as ReturnType<typeof parameters>
}

function gcm(nonce: Uint8Array, aad: Uint8Array): AesGcmParams {
  return { name: 'AES-GCM', iv: nonce as Bytes, additionalData: aad as Bytes, tagLength: 128 }
}

function importX25519(subtle: SubtleCrypto, raw: Uint8Array): Promise<CryptoKey> {
  return subtle.importKey('pkcs8', concat(fromHex(X25519_PKCS8)!, raw) as Bytes, 'X25519', false, ['deriveBits'])
}

/** Engines differ: some refuse a low-order point, some answer with zeros (RFC 7748 §6.1). */
async function agreeX25519(subtle: SubtleCrypto, key: CryptoKey, publicKey: Uint8Array): Promise<Uint8Array | null> {
  const peer = await subtle.importKey('raw', publicKey as Bytes, 'X25519', false, [])
  const secret = new Uint8Array(await subtle.deriveBits({ name: 'X25519', public: peer }, key, 256))
  return secret.every((byte) => byte === 0) ? null : secret
}

/** The public half is reckoned anew: a pair put together by hand may hold another's. */
function importP256(subtle: SubtleCrypto, { privateKey }: DhKeyPair): Promise<CryptoKey> {
  const point = p256.getPublicKey(privateKey, false)
  const [x, y] = [encodeBase64url(point.subarray(1, 33)), encodeBase64url(point.subarray(33))]
  const jwk = { kty: 'EC', crv: 'P-256', x, y, d: encodeBase64url(privateKey) }
  return subtle.importKey('jwk', jwk, { name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits'])
}
