/**
 * Hybrid Public Key Encryption, modes base and psk: DHKEM over X25519 and P-256, ML-KEM-768 with X25519, HKDF-SHA256, the three AEADs.
 * The authenticated modes are left out on purpose: they fall with the recipient's key. Who calls is shown by a signature over `export`.
 * @see RFC 9180
 */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import type { Random } from '@postern/core/runtime'
import { contextOf } from './internal/context.js'
import { P256, X25519 } from './internal/kem/dhkem.js'
import { invalidKey } from './internal/kem/invalidKey.js'
import { kemOf, SECRET_BYTES } from './internal/kem/kem.js'
import { andThen, orElse } from './internal/now.js'

/**
 * KEM ids: DHKEM(P-256, HKDF-SHA256), DHKEM(X25519, HKDF-SHA256) of RFC 9180 §7.1, and MLKEM768-X25519, a draft: its bytes change with
 * a new key configuration alone.
 */
export type KemId = 0x0010 | 0x0020 | 0x647a
/** AEAD ids of RFC 9180 §7.3: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305. */
export type AeadId = 0x0001 | 0x0002 | 0x0003

/** A ciphersuite; `0xffff` is export-only. */
export interface Suite {
  readonly kem: KemId
  readonly kdf: 0x0001
  readonly aead: AeadId | 0xffff
}

/** A recipient's public key: 32 bytes for X25519, the uncompressed 65 for P-256, 1,216 for the hybrid. */
export interface KemPublicKey {
  readonly kem: KemId
  readonly bytes: Uint8Array
}

/** A recipient's private key as a handle: bytes here, a `CryptoKey`, an enclave. Decapsulating is all that is asked of it. */
export interface KemPrivateKey {
  readonly kem: KemId
  readonly publicKey: Uint8Array
  /** The KEM's shared secret. @throws PosternError `hpke.invalid_key` for an `enc` of the wrong length, off the curve or of low order */
  decap(enc: Uint8Array): Now<Uint8Array>
}

/** A pre-shared key (mode psk): at least 32 bytes of high entropy, and a name that is not empty. */
export interface Psk {
  readonly psk: Uint8Array
  readonly id: Uint8Array
}

/** What a sender needs. */
export interface HpkePorts {
  readonly crypto: CryptoPort
  readonly random: Random
}

/** One direction of messages under one key agreement. The n-th `seal` is opened by the n-th `open`. */
export interface HpkeContext {
  /** Ciphertext ‖ tag. @throws PosternError `hpke.exhausted` after 2^24 messages */
  seal(aad: Uint8Array, plaintext: Uint8Array): Now<Uint8Array>
  /** The plaintext of the next message; a failure leaves the sequence where it was. @throws PosternError `hpke.open_failed` */
  open(aad: Uint8Array, ciphertext: Uint8Array): Now<Uint8Array>
  /** A secret for another protocol (RFC 9180 §5.3); `length` up to 8,160 bytes. */
  export(context: Uint8Array, length: number): Now<Uint8Array>
}

/** A key of a keystore that agrees and never leaves: a `CryptoKey` that is not extractable, an enclave, a KMS. */
export interface KeyAgreement {
  /** 32 bytes for X25519, the uncompressed 65 for P-256. */
  readonly publicKey: Uint8Array
  /** The Diffie-Hellman secret (the x coordinate for P-256), 32 bytes; `null` for a point that the keystore refuses. */
  agree(peer: Uint8Array): Now<Uint8Array | null>
}

/** A private key handle around raw bytes (32). @throws PosternError `hpke.invalid_key` */
export function kemPrivateKey(crypto: CryptoPort, kem: KemId, secret: Uint8Array): Now<KemPrivateKey> {
  if (secret.length !== SECRET_BYTES) throw invalidKey('length')
  return orElse<KemPrivateKey>(
    () => andThen(kemOf(kem).pair(crypto, secret), ({ publicKey, decap }) => ({ kem, publicKey, decap })),
    (cause) => {
      throw invalidKey('secret', cause)
    },
  )
}

/**
 * A private key handle around a keystore that does the agreement alone.
 * @throws PosternError `hpke.invalid_key` for a public key of the wrong length
 *
 * @example
 * const agree = async (peer) => new Uint8Array(await subtle.deriveBits({ name: 'ECDH', public: await importPoint(peer) }, key, 256))
 * const handle = kemFromAgreement(crypto, 0x0010, { publicKey, agree })
 */
export function kemFromAgreement(crypto: CryptoPort, kem: 0x0010 | 0x0020, own: KeyAgreement): KemPrivateKey {
  return (kem === 0x0010 ? P256 : X25519).handle(crypto, own)
}

/** A context to send with, and the `enc` that its receiver needs. @throws PosternError `hpke.invalid_key` @see RFC 9180 §5.1 */
export function setupSender(
  { crypto, random }: HpkePorts,
  suite: Suite,
  publicKey: KemPublicKey,
  info: Uint8Array,
  psk?: Psk,
): Now<{ readonly enc: Uint8Array; readonly context: HpkeContext }> {
  if (publicKey.kem !== suite.kem) throw invalidKey('a key of another KEM')
  return andThen(kemOf(suite.kem).encap(crypto, publicKey.bytes, random), ({ enc, secret }) =>
    andThen(contextOf(crypto, suite, secret, info, psk), (context) => ({ enc, context })),
  )
}

/** The context of a sender's `enc`. @throws PosternError `hpke.invalid_key` @see RFC 9180 §5.1 */
export function setupReceiver(
  crypto: CryptoPort,
  suite: Suite,
  privateKey: KemPrivateKey,
  enc: Uint8Array,
  info: Uint8Array,
  psk?: Psk,
): Now<HpkeContext> {
  if (privateKey.kem !== suite.kem) throw invalidKey('a key of another KEM')
  return andThen(privateKey.decap(enc), (secret) => contextOf(crypto, suite, secret, info, psk))
}
