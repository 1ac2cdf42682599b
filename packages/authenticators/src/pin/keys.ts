/** What the server keeps for OPAQUE, from the tenant's key ring and never from the database. */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import type { PinSuite } from './messages.js'

/** The keys of one version and suite. */
export interface PinKeys {
  /** Named by every record that was made under it; retired when none does. */
  readonly version: string
  readonly publicKey: Uint8Array
  readonly privateKey: Uint8Array
  /** HKDF-Expand(oprf_seed, info, 32): may be an HSM's HMAC. */
  expandSeed(info: Uint8Array): Now<Uint8Array>
  /** Masking keys of records that do not exist, 64 bytes. */
  readonly fakeSeed: Uint8Array
  /** The client public key of every record that does not exist. */
  readonly fakePublicKey: Uint8Array
  /** Turns one counted attempt into KE2's randomness, so that a repeated KE1 gets the same KE2. */
  readonly ke2Key: Uint8Array
}

/** The part of a key ring that is needed. */
export interface SecretSource {
  secret(label: string): Now<Uint8Array>
}

/**
 * The keys of one version, derived from the tenant's root: the same in every process, and in no database.
 * @throws RangeError for a version that is not `[A-Za-z0-9._-]{1,32}`
 */
export async function pinKeysFrom(keyRing: SecretSource, version: string, suite: PinSuite, crypto: CryptoPort): Promise<PinKeys> {
  void [keyRing, version, suite, crypto]
  throw new Error('not yet')
}
