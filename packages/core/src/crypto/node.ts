/// <reference types="node" />
/** The crypto port on `node:crypto`, synchronous throughout: nothing waits for a thread. */
import nodeCrypto, {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  type ECDH,
  getCiphers,
  hash,
  type JsonWebKeyInput,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { decodeBase64url, encodeBase64url } from '../base64url.js'
import { concat, fromHex } from '../bytes.js'
import type {
  AeadAlg,
  AeadKey,
  CryptoPort,
  DhKeyPair,
  DigestAlg,
  HmacAlg,
  HmacKey,
  MlKemKeyPair,
  SignAlg,
  Signer,
  VerifyAlg,
  VerifyKey,
} from '../cryptoPort.js'
import { PosternError } from '../errors.js'
import { drawScalar } from '../internal/drawScalar.js'
import { isPoint } from '../internal/ecPoint.js'
import { CIPHERTEXT_BYTES, mlKemDecap, mlKemEncap, mlKemPair, shake256 } from '../internal/mlKem.js'
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
} from '../internal/signKeys.js'

interface NodeHmacKey extends HmacKey {
  /** At most a block. */
  readonly raw: Uint8Array
}
interface NodeAeadKey extends AeadKey {
  readonly key: KeyObject | Uint8Array
  /** ChaCha20-Poly1305 where `node:crypto` lacks it. */
  readonly noble?: true
}
interface NodeVerifyKey extends VerifyKey {
  readonly key: KeyObject
}

const NAMES = { 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512', 'SHA3-256': 'sha3-256' } as const
const AEADS = {
  A128GCM: { name: 'aes-128-gcm', size: 16 },
  A256GCM: { name: 'aes-256-gcm', size: 32 },
  C20P: { name: 'chacha20-poly1305', size: 32 },
} as const
const RSA_PADDING = 1
const RSA_PSS_PADDING = 6
/** Above this the copy that a one-shot HMAC makes costs more than a streaming one. */
const ONE_SHOT_BYTES = 16_384
const SCRATCH_BYTES = 512

/** From Node 24.7 on, where OpenSSL knows the algorithm: six times as fast as JavaScript. */
const decapsulate = (nodeCrypto as { decapsulate?: (key: KeyObject, ciphertext: Uint8Array) => Uint8Array }).decapsulate

/** The port on `node:crypto`; also right for Bun and Deno. Every answer is a plain value, never a promise. */
export function createCrypto(): CryptoPort {
  // From Node 22 on a KeyObject is four times as fast as raw bytes; on 20 it is slower.
  const keyObjects = Number.parseInt(process.versions.node, 10) >= 22
  // Bun has WebCrypto's ciphers alone.
  const chacha = getCiphers().includes(AEADS.C20P.name)
  const pairs = new WeakMap<DhKeyPair, KeyObject | ECDH>()
  const kemKeys = new WeakMap<MlKemKeyPair, KeyObject | null>()
  return {
    name: 'node',
    digest,
    hmacKey,
    hmac,
    aeadKey(alg, raw) {
      if (raw.length !== AEADS[alg].size) throw invalidKey(`a key that is not ${AEADS[alg].size} bytes`)
      if (alg === 'C20P' && !chacha) return { alg, key: new Uint8Array(raw), noble: true } as NodeAeadKey
      return { alg, key: keyObjects ? createSecretKey(raw) : new Uint8Array(raw) } as NodeAeadKey
    },
    seal,
    open,
    sealApart,
    openApart,
    dhKeyPair(group, privateKey) {
      const taken = new Uint8Array(privateKey)
      const key = group === 'X25519' ? x25519Private(taken) : ecdh(taken)
      const publicKey = 'getPublicKey' in key ? key.getPublicKey() : x25519PublicOf(key)
      const pair: DhKeyPair = { privateKey: taken, publicKey: new Uint8Array(publicKey) }
      pairs.set(pair, key)
      return pair
    },
    dh(group, pair, publicKey) {
      if (publicKey.length !== (group === 'X25519' ? 32 : 65) || (group === 'P-256' && publicKey[0] !== 4)) return null
      const key = pairs.get(pair) ?? (group === 'X25519' ? x25519Private(pair.privateKey) : ecdh(pair.privateKey))
      return agree(key, publicKey)
    },
    shake256,
    mlKemPair,
    mlKemEncap,
    mlKemDecap(pair, ciphertext) {
      let key = kemKeys.get(pair)
      if (key === undefined) kemKeys.set(pair, (key = mlKemPrivate(pair.seed)))
      if (key === null || ciphertext.length !== CIPHERTEXT_BYTES) return mlKemDecap(pair, ciphertext)
      return new Uint8Array(decapsulate!(key, ciphertext))
    },
    signer,
    generateKey(alg, random) {
      const ec = ecAlg(alg)
      if (ec === null) {
        const d = new Uint8Array(random(32))
        return { kty: 'OKP', crv: 'Ed25519', x: encodeBase64url(edPublic(edPrivate(d))), d: encodeBase64url(d) }
      }
      const d = drawScalar(ec, random)
      return { ...ecPublic(ec, d), d: encodeBase64url(d) }
    },
    verifyKey(alg, publicJwk) {
      const rare = rareJwk(alg, publicJwk)
      if (rare !== null) return { alg, key: rareKey(rare) } as NodeVerifyKey
      const key = checkPublicJwk(alg, publicJwk)
      const ec = ecAlg(alg)
      if (ec !== null) {
        if (!isPoint(ec.crv, decodeBase64url(key.x!)!, decodeBase64url(key.y!)!)) throw invalidKey('no point of the curve')
        return lazyKey(alg, key)
      }
      try {
        return { alg, key: importKey(key) } as NodeVerifyKey
      } catch (cause) {
        throw invalidKey('a key that this runtime does not take', cause)
      }
    },
    verify: verifySignature,
  }
}

/** As a string of its bytes: a fresh buffer for so few of them costs more than the hash, and the collector besides. */
function hashed(alg: DigestAlg, data: Uint8Array): string {
  return hash(NAMES[alg], data, 'binary')
}

function putBytes(text: string, out: Uint8Array, at: number): Uint8Array {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i)
  return out
}

function digest(alg: DigestAlg, data: Uint8Array): Uint8Array {
  const bytes = hashed(alg, data)
  return putBytes(bytes, new Uint8Array(bytes.length), 0)
}

function hmacKey(alg: HmacAlg, raw: Uint8Array): NodeHmacKey {
  return { alg, raw: raw.length > blockOf(alg) ? digest(alg, raw) : new Uint8Array(raw) }
}

function blockOf(alg: HmacAlg): number {
  return alg === 'SHA-256' ? 64 : 128
}

/** Two one-shot hashes (RFC 2104 §2): a fifth of what a streaming HMAC takes for short messages. */
function hmac(key: HmacKey, data: Uint8Array): Uint8Array {
  const { alg, raw } = key as NodeHmacKey
  if (data.length > ONE_SHOT_BYTES) return new Uint8Array(createHmac(NAMES[alg], raw).update(data).digest())
  const block = blockOf(alg)
  const first = scratch(block + data.length)
  pad(first, block, raw, 0x36)
  first.set(data, block)
  const inner = hashed(alg, first)
  const second = scratch(block + inner.length)
  pad(second, block, raw, 0x5c)
  putBytes(inner, second, block)
  return digest(alg, second)
}

function pad(out: Uint8Array, block: number, raw: Uint8Array, byte: number): void {
  const { length } = raw
  for (let i = 0; i < length; i++) out[i] = raw[i]! ^ byte
  out.fill(byte, length, block)
}

const scratches: Uint8Array[] = []

/** An array of exactly that length, kept where it is short: allocating and collecting it costs more than the hash. All use of it is synchronous. */
function scratch(length: number): Uint8Array {
  if (length > SCRATCH_BYTES) return new Uint8Array(length)
  return (scratches[length] ??= new Uint8Array(length))
}

function seal(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const { key: raw, noble } = key as NodeAeadKey
  if (noble) return chacha20poly1305(raw as Uint8Array, checkedNonce(nonce), aad).encrypt(plaintext)
  const cipher = createCipheriv(cipherName(key.alg), raw, checkedNonce(nonce))
  if (aad.length > 0) cipher.setAAD(aad)
  const out = new Uint8Array(plaintext.length + 16)
  out.set(cipher.update(plaintext))
  cipher.final()
  out.set(cipher.getAuthTag(), plaintext.length)
  return out
}

function sealApart(
  key: AeadKey,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): { readonly body: Uint8Array; readonly tag: Uint8Array } {
  const { key: raw, noble } = key as NodeAeadKey
  if (noble) {
    const sealed = seal(key, nonce, aad, plaintext)
    return { body: sealed.subarray(0, plaintext.length), tag: sealed.subarray(plaintext.length) }
  }
  const cipher = createCipheriv(cipherName(key.alg), raw, checkedNonce(nonce))
  if (aad.length > 0) cipher.setAAD(aad)
  const body = alone(cipher.update(plaintext))
  cipher.final()
  return { body, tag: alone(cipher.getAuthTag()) }
}

function checkedNonce(nonce: Uint8Array): Uint8Array {
  if (nonce.length !== 12) throw new RangeError('a nonce that is not 12 bytes')
  return nonce
}

function open(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array | null {
  const length = ciphertext.length - 16
  return length < 0 ? null : openApart(key, nonce, aad, ciphertext.subarray(0, length), ciphertext.subarray(length))
}

function openApart(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, body: Uint8Array, tag: Uint8Array): Uint8Array | null {
  if (nonce.length !== 12 || tag.length !== 16) return null
  const { key: raw, noble } = key as NodeAeadKey
  if (noble) return orNull(() => chacha20poly1305(raw as Uint8Array, nonce, aad).decrypt(concat(body, tag)))
  const cipher = createDecipheriv(cipherName(key.alg), raw, nonce)
  cipher.setAuthTag(tag)
  if (aad.length > 0) cipher.setAAD(aad)
  const out = alone(cipher.update(body))
  return orNull(() => {
    cipher.final()
    return out
  })
}

/** The bytes of a Buffer as they are, when nothing else is in its memory; otherwise a copy. */
function alone(buffer: Buffer): Uint8Array {
  const { buffer: memory, byteLength } = buffer
  return memory.byteLength === byteLength ? new Uint8Array(memory, 0, byteLength) : new Uint8Array(buffer)
}

function orNull(run: () => Uint8Array): Uint8Array | null {
  try {
    return run()
  } catch {
    return null
  }
}

/** Node's own JWK type has an index signature that the platform's lacks. */
function jwkInput(jwk: object): JsonWebKeyInput {
  return { key: jwk as JsonWebKeyInput['key'], format: 'jwk' }
}

/** All three share the shape of GCM in Node's types. */
function cipherName(alg: AeadAlg): 'aes-256-gcm' {
  return AEADS[alg].name as 'aes-256-gcm'
}

/** JWK, because importing SPKI or PKCS #8 takes fifteen times as long on Node 20. OpenSSL derives x itself and reads none. */
function x25519Private(raw: Uint8Array): KeyObject {
  if (raw.length !== 32) throw invalidKey('a private key that is not 32 bytes')
  return createPrivateKey({ key: { kty: 'OKP', crv: 'X25519', d: encodeBase64url(raw), x: '' }, format: 'jwk' })
}

/** From PKCS #8 of the seed alone (RFC 9935 §6); `null` where the runtime or its OpenSSL lacks the algorithm. */
function mlKemPrivate(seed: Uint8Array): KeyObject | null {
  if (decapsulate === undefined || seed.length !== 64) return null
  const key = Buffer.from(concat(fromHex('3054020100300b060960864801650304040204428040')!, seed))
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  } catch {
    return null
  }
}

function x25519Public(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: encodeBase64url(raw) }, format: 'jwk' })
}

/** The import has derived x already, so that reading it costs nothing; a runtime that kept the empty x it was given multiplies instead. */
function x25519PublicOf(key: KeyObject): Uint8Array {
  const x = decodeBase64url(key.export({ format: 'jwk' }).x ?? '')
  return x?.length === 32 ? x : diffieHellman({ privateKey: key, publicKey: basePoint() })
}

let base: KeyObject | null = null
/** u = 9 (RFC 7748 §4.1). */
function basePoint(): KeyObject {
  base ??= x25519Public(Uint8Array.of(9, ...new Uint8Array(31)))
  return base
}

/** SubjectPublicKeyInfo up to the point (RFC 5480 §2): Node 20 multiplies by the order when it takes a JWK, at the price of a verification. */
const SPKI_HEADS: Readonly<Record<string, string>> = {
  'P-384': '3076301006072a8648ce3d020106052b8104002203620004',
  'P-521': '30819b301006072a8648ce3d020106052b810400230381860004',
}

function importKey(jwk: JsonWebKey): KeyObject {
  const head = SPKI_HEADS[jwk.crv ?? '']
  if (head === undefined) return createPublicKey(jwkInput(jwk))
  const key = Buffer.from(concat(fromHex(head)!, decodeBase64url(jwk.x!)!, decodeBase64url(jwk.y!)!))
  return createPublicKey({ key, format: 'der', type: 'spki' })
}

/** A key whose point was checked, imported when it is first verified with: many are only registered, at a quarter of the price. */
function lazyKey(alg: VerifyAlg, jwk: JsonWebKey): NodeVerifyKey {
  let key: KeyObject | undefined
  return {
    alg,
    get key() {
      key ??= importKey(jwk)
      return key
    },
  }
}

function rareKey(jwk: JsonWebKey): KeyObject {
  try {
    return createPublicKey(jwkInput(jwk))
  } catch (cause) {
    throw new PosternError('crypto.unsupported', { reason: 'this OpenSSL does not read the key', cause })
  }
}

function ecdh(raw: Uint8Array): ECDH {
  const ec = ecAlg('ES256')!
  if (raw.length !== 32 || !isScalar(raw, ec.order)) throw invalidKey('a private scalar out of range')
  const key = createECDH(ec.openssl)
  key.setPrivateKey(raw)
  return key
}

function agree(key: KeyObject | ECDH, publicKey: Uint8Array): Uint8Array | null {
  try {
    if ('computeSecret' in key) return new Uint8Array(key.computeSecret(publicKey))
    const secret = new Uint8Array(diffieHellman({ privateKey: key, publicKey: x25519Public(publicKey) }))
    return secret.every((byte) => byte === 0) ? null : secret
  } catch {
    return null
  }
}

function ecPublic(ec: EcAlg, d: Uint8Array): JsonWebKey {
  if (ec.crv === 'P-521') return p521Public(d)
  const key = createECDH(ec.openssl)
  key.setPrivateKey(d)
  const point = new Uint8Array(key.getPublicKey())
  const [x, y] = [point.subarray(1, 1 + ec.size), point.subarray(1 + ec.size)]
  return { kty: 'EC', crv: ec.crv, x: encodeBase64url(x), y: encodeBase64url(y) }
}

/** Through PKCS #8 without the public half, which every backend derives: Deno's ECDH lacks the curve. @see RFC 5915 §3 */
function p521Public(d: Uint8Array): JsonWebKey {
  const key = Buffer.from(concat(fromHex('3060020100301006072a8648ce3d020106052b81040023044930470201010442')!, d))
  const { x, y } = createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' })
  return { kty: 'EC', crv: 'P-521', x: x!, y: y! }
}

function edPrivate(d: Uint8Array): KeyObject {
  return createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d: encodeBase64url(d), x: '' }, format: 'jwk' })
}

function edPublic(key: KeyObject): Uint8Array {
  return new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32))
}

function signer(alg: SignAlg, privateJwk: JsonWebKey): Signer {
  const jwk = { ...privateJwk }
  const { publicJwk, d } = checkPrivateJwk(alg, jwk)
  const ec = ecAlg(alg)
  let key: KeyObject
  try {
    const { kty, crv, x, y, n, e, p, q, dp, dq, qi } = jwk
    const members = kty === 'RSA' ? { kty, n, e, p, q, dp, dq, qi } : kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x }
    key = createPrivateKey(jwkInput({ ...members, d: encodeBase64url(d) }))
    if (ec !== null && !samePoint(ecPublic(ec, d), publicJwk)) throw new RangeError('the halves do not belong together')
    if (isEd25519(alg) && encodeBase64url(edPublic(key)) !== publicJwk.x)
      throw new RangeError('the halves do not belong together')
  } catch (cause) {
    throw invalidKey('a private key that is not whole', cause)
  }
  const self: Signer = { alg, publicJwk, sign: (data) => signData(alg, key, data) }
  if (ec === null && !isEd25519(alg)) checkRsaPair(self, createPublicKey(jwkInput(publicJwk)))
  return self
}

function samePoint(a: JsonWebKey, b: JsonWebKey): boolean {
  return a.x === b.x && a.y === b.y
}

/** One signature checked: numbers that do not belong together would give away the factors with the first faulty one. */
function checkRsaPair(signer: Signer, key: KeyObject): void {
  const probe = new Uint8Array(32)
  let fits = false
  try {
    fits = verifySignature({ alg: signer.alg, key } as NodeVerifyKey, probe, signer.sign(probe) as Uint8Array)
  } catch (cause) {
    throw invalidKey('a private key that is not whole', cause)
  }
  if (!fits) throw invalidKey('the halves do not belong together')
}

function signData(alg: SignAlg, key: KeyObject, data: Uint8Array): Uint8Array {
  return new Uint8Array(sign(hashOf(alg), data, keyInput(alg, key)))
}

function verifySignature(key: VerifyKey, data: Uint8Array, signature: Uint8Array): boolean {
  const ec = ecAlg(key.alg)
  // Node hands a signature of another length to OpenSSL as it is, where DER would pass.
  if (ec !== null && !isEcSignature(ec, signature)) return false
  if (isEd25519(key.alg) && !isEdSignature(signature)) return false
  try {
    return verify(hashOf(key.alg), data, keyInput(key.alg, (key as NodeVerifyKey).key), signature)
  } catch {
    return false
  }
}

function hashOf(alg: VerifyAlg): string | null {
  const hash = ecAlg(alg)?.hash ?? rsaHash(alg)
  return hash === null ? null : NAMES[hash]
}

/** @see RFC 7518 §3.3–3.5: r‖s for ECDSA; a PSS salt as long as the hash */
function keyInput(alg: VerifyAlg, key: KeyObject): Parameters<typeof verify>[2] & { key: KeyObject } {
  if (ecAlg(alg) !== null) return { key, dsaEncoding: 'ieee-p1363' }
  if (alg === 'PS256') return { key, padding: RSA_PSS_PADDING, saltLength: 32 }
  return rsaHash(alg) !== null ? { key, padding: RSA_PADDING } : { key }
}
