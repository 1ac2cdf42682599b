/** Keys that wrap keys: of WebCrypto, and of whatever can decapsulate. */
import { concat, utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import type { Random } from '@postern/core/runtime'
import { type KemPrivateKey, setupReceiver, setupSender } from '../../hpke.js'
import type { Kek } from '../../records.js'
import { kemOf } from '../kem/kem.js'
import { andThen, orElse } from '../now.js'

const NONCE_BYTES = 12
const TAG_BYTES = 16
const INFO: Uint8Array = /* @__PURE__ */ utf8('postern:dek/v1')

/**
 * A `CryptoKey` of AES-GCM, best not extractable and kept in IndexedDB.
 * @param o.subtle - where it lives, default the runtime's own WebCrypto
 */
export function kekFromCryptoKey(
  key: CryptoKey,
  { random, subtle = globalThis.crypto.subtle }: { readonly random: Random; readonly subtle?: SubtleCrypto },
): Kek {
  const gcm = (iv: Uint8Array, aad: Uint8Array): AesGcmParams => ({
    name: 'AES-GCM',
    iv: iv as Uint8Array<ArrayBuffer>,
    additionalData: aad as Uint8Array<ArrayBuffer>,
  })
  return {
    async wrap(secret, aad) {
      const iv = random(NONCE_BYTES)
      return concat(iv, new Uint8Array(await subtle.encrypt(gcm(iv, aad), key, secret as Uint8Array<ArrayBuffer>)))
    },
    async unwrap(wrapped, aad) {
      if (wrapped.length < NONCE_BYTES + TAG_BYTES) return null
      const sealed = wrapped.slice(NONCE_BYTES)
      try {
        return new Uint8Array(await subtle.decrypt(gcm(wrapped.slice(0, NONCE_BYTES), aad), key, sealed))
      } catch (error) {
        // Any other error is of the handle: another kind of key, one that may not decrypt.
        if (error instanceof Error && error.name === 'OperationError') return null
        throw error
      }
    },
  }
}

/**
 * A KEM key that never leaves its enclave or keystore: unwrapping asks it for one decapsulation. Wrapping needs its public key alone, so
 * whoever knows that and writes storage can begin a store of his own here, though he cannot read this one.
 */
export function kekFromHpke(ports: { readonly crypto: CryptoPort; readonly random: Random }, key: KemPrivateKey): Kek {
  const suite = { kem: key.kem, kdf: 0x0001, aead: 0x0002 } as const
  const { encBytes } = kemOf(key.kem)
  return {
    wrap: (secret, aad) =>
      andThen(setupSender(ports, suite, { kem: key.kem, bytes: key.publicKey }, INFO), ({ enc, context }) =>
        andThen(context.seal(aad, secret), (sealed) => concat(enc, sealed)),
      ),
    unwrap: (wrapped, aad) =>
      orElse<Uint8Array | null>(
        () =>
          andThen(setupReceiver(ports.crypto, suite, key, wrapped.slice(0, encBytes), INFO), (context) =>
            context.open(aad, wrapped.subarray(encBytes)),
          ),
        (error) => {
          if (isPosternError(error, 'hpke.invalid_key', 'hpke.open_failed')) return null
          throw error
        },
      ),
  }
}
