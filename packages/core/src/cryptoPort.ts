/**
 * The crypto port: the primitives that the suite stands on, in three implementations that agree bit for bit:
 * `/crypto/node` (synchronous `node:crypto`), `/crypto/web` (WebCrypto, noble where it lacks a primitive), `/crypto/noble` (nothing but JavaScript).
 * `@postern/core/crypto` is the one that fits the runtime, by export condition.
 *
 * Functions return `Now<T>`; callers `await`. On Node nothing waits for a thread.
 */

/** A value, or a promise of it where the platform only offers promises. */
export type Now<T> = T | Promise<T>

export type DigestAlg = 'SHA-256' | 'SHA-384' | 'SHA-512' | 'SHA3-256'
export type HmacAlg = 'SHA-256' | 'SHA-512'
/** AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305: 16-, 32-, 32-byte keys, 12-byte nonces, 16-byte tags. */
export type AeadAlg = 'A128GCM' | 'A256GCM' | 'C20P'
/** JOSE names; `Ed25519` is RFC 9864's fully specified one and `EdDSA` its older synonym. */
export type SignAlg = 'ES256' | 'ES384' | 'ES512' | 'EdDSA' | 'Ed25519' | 'RS256' | 'PS256'

/** An elliptic curve with the hash that certificates pair it with, which need not be JOSE's. */
export type EcdsaAlg = `${'P-256' | 'P-384' | 'P-521'}/${'SHA-256' | 'SHA-384' | 'SHA-512'}`
/** What Node has from some version on and WebCrypto not at all; keys are JWKs of type OKP and AKP (RFC 9964). */
export type RareAlg = 'Ed448' | 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87'
/** What is verified: all that is signed, and what only certificates and authenticators sign with. */
export type VerifyAlg = SignAlg | EcdsaAlg | 'RS384' | 'RS512' | RareAlg

/** A prepared MAC key. Opaque: only the port that made it can use it. */
export interface HmacKey {
  readonly alg: HmacAlg
}

/** A prepared cipher key. Opaque: only the port that made it can use it. */
export interface AeadKey {
  readonly alg: AeadAlg
}

/** A prepared public key. Opaque: only the port that made it can use it. */
export interface VerifyKey {
  readonly alg: VerifyAlg
}

/**
 * Something that signs: a key in this process, a hardware key, a remote KMS. JOSE signature form: r‖s for ECDSA.
 * `publicJwk` holds the public members alone.
 */
export interface Signer {
  readonly alg: SignAlg
  readonly publicJwk: JsonWebKey
  sign(data: Uint8Array): Now<Uint8Array>
}

/** A key pair for Diffie-Hellman as raw bytes; `publicKey` is uncompressed (65 bytes) for P-256. */
export interface DhKeyPair {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
}

export type DhGroup = 'X25519' | 'P-256'

/** A key pair of ML-KEM-768: the seed d ‖ z (64 bytes) and the encapsulation key (1,184 bytes). */
export interface MlKemKeyPair {
  readonly seed: Uint8Array
  readonly publicKey: Uint8Array
}

export interface CryptoPort {
  readonly name: 'node' | 'web' | 'noble'

  digest(alg: DigestAlg, data: Uint8Array): Now<Uint8Array>

  /** Prepares a MAC key of any length. */
  hmacKey(alg: HmacAlg, raw: Uint8Array): Now<HmacKey>
  hmac(key: HmacKey, data: Uint8Array): Now<Uint8Array>

  /** Prepares a cipher key. @throws PosternError `crypto.invalid_key` for another length than the algorithm's */
  aeadKey(alg: AeadAlg, raw: Uint8Array): Now<AeadKey>
  /** Ciphertext ‖ 16-byte tag. A nonce (12 bytes) must never repeat under one key. */
  seal(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Now<Uint8Array>
  /** The plaintext, or `null` when the tag does not fit; the two ways of being wrong look alike. */
  open(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Now<Uint8Array | null>

  /** As {@link seal}, the tag apart: joining it would copy a large ciphertext. Only where that can be spared. */
  sealApart?(
    key: AeadKey,
    nonce: Uint8Array,
    aad: Uint8Array,
    plaintext: Uint8Array,
  ): { readonly body: Uint8Array; readonly tag: Uint8Array }
  /** As {@link open}, the tag apart. */
  openApart?(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, body: Uint8Array, tag: Uint8Array): Uint8Array | null

  /**
   * The Diffie-Hellman pair of a private key: 32 bytes, clamped by the function for X25519, a scalar in [1, n−1] for P-256.
   * @throws PosternError `crypto.invalid_key` for a P-256 scalar out of range
   */
  dhKeyPair(group: DhGroup, privateKey: Uint8Array): Now<DhKeyPair>
  /** The shared secret (x coordinate for P-256), or `null` for a point off the curve, of low order or of the wrong length (RFC 7748 §6.1). */
  dh(group: DhGroup, pair: DhKeyPair, publicKey: Uint8Array): Now<Uint8Array | null>

  /** `length` bytes of SHAKE256 (FIPS 202). */
  shake256(data: Uint8Array, length: number): Now<Uint8Array>
  /** The ML-KEM-768 pair of a seed d ‖ z, 64 bytes (FIPS 203 §7.1). @throws PosternError `crypto.invalid_key` for another length */
  mlKemPair(seed: Uint8Array): Now<MlKemKeyPair>
  /**
   * A secret (32 bytes) for the holder of a key, and its ciphertext (1,088 bytes), from 32 fresh random bytes, so that one seed repeats a whole run.
   * `null` for a key of the wrong length or that is not reduced (FIPS 203 §7.2).
   */
  mlKemEncap(
    publicKey: Uint8Array,
    randomness: Uint8Array,
  ): Now<{ readonly ciphertext: Uint8Array; readonly secret: Uint8Array } | null>
  /** The secret of a ciphertext, `null` for one of the wrong length. One that was never made gives a secret that nobody knows (FIPS 203 §6.3). */
  mlKemDecap(pair: MlKemKeyPair, ciphertext: Uint8Array): Now<Uint8Array | null>

  /**
   * A signer around a private JWK.
   * @throws PosternError `crypto.invalid_key`
   */
  signer(alg: SignAlg, privateJwk: JsonWebKey): Now<Signer>
  /** A fresh private JWK for `ES256`, `ES384`, `ES512` or `Ed25519`, drawn from `random`. */
  generateKey(alg: 'ES256' | 'ES384' | 'ES512' | 'Ed25519', random: (n: number) => Uint8Array): Now<JsonWebKey>
  /**
   * Checks a public JWK (type, curve, point on curve, RSA 2048–4096 bits with e ≥ 65537, no private member) and prepares it.
   * @throws PosternError `crypto.invalid_key` | `crypto.unsupported` for a {@link RareAlg} that the runtime lacks: `coseVerifier` has it in JavaScript
   */
  verifyKey(alg: VerifyAlg, publicJwk: JsonWebKey): Now<VerifyKey>
  /** Whether the signature is right. Never throws for a signature, however broken: r or s out of range, DER, wrong length are `false`. */
  verify(key: VerifyKey, data: Uint8Array, signature: Uint8Array): Now<boolean>
}
