/** What the server keeps for OPAQUE: from the tenant's key ring, never from the database. */
import { concat, u8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { hkdfExpand } from '@postern/core/hkdf'
import { tuple } from '@postern/core/tuple'
import { opaqueSuites } from '../internal/pinSuites.js'
import type { PinSuite } from './messages.js'

/** The keys of one version and suite. */
export interface PinKeys {
  /** Named by every record that was made under it; retired when none does. */
  readonly version: string
  readonly publicKey: Uint8Array
  readonly privateKey: Uint8Array
  /** HKDF-Expand(oprf_seed, info, 32): one HMAC-SHA-512, so the seed may stay in an HSM. */
  expandSeed(info: Uint8Array): Now<Uint8Array>
  /** Gives the masking keys of records that do not exist; 64 bytes. */
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
 * The keys of one version, derived from the tenant's root: the same in every process, and in no database. The AKE pair is RFC 9807's
 * DeriveDiffieHellmanKeyPair. Deriving costs two multiplications; keep the result.
 * @throws RangeError for a version that is not `[A-Za-z0-9._-]{1,32}`
 */
export async function pinKeysFrom(keyRing: SecretSource, version: string, suite: PinSuite, crypto: CryptoPort): Promise<PinKeys> {
  if (!/^[A-Za-z0-9._-]{1,32}$/.test(version)) throw new RangeError('a PIN key version has 1 to 32 letters, digits or . _ -')
  const root = await keyRing.secret(`postern:pin/v1:${version}`)
  const derive = (use: string, length: number) =>
    hkdfExpand(crypto, 'SHA-512', root, tuple('postern:pin/v1:keys', suite, use), length)
  const { group } = opaqueSuites[suite]
  const pair = await group.deriveKeyPair(await derive('ake', 32))
  const fake = await group.deriveKeyPair(await derive('fake-client', 32))
  const seed = await crypto.hmacKey('SHA-512', await derive('oprf-seed', 64))
  return {
    version,
    publicKey: pair.publicKey,
    privateKey: pair.privateKey,
    expandSeed: async (info) => (await crypto.hmac(seed, concat(info, u8(1)))).slice(0, 32),
    fakeSeed: await derive('fake-masking', 64),
    fakePublicKey: fake.publicKey,
    ke2Key: await derive('ke2', 64),
  }
}

/** A `keys` option for `createPin`: one current version, older ones while records name them; each derived once. */
export function pinKeysOf(
  keyRing: SecretSource,
  crypto: CryptoPort,
  versions: readonly [string, ...string[]] = ['1'],
): (suite: PinSuite, version?: string) => Promise<PinKeys | null> {
  const known = new Map<string, Promise<PinKeys>>()
  return async (suite, version = versions[0]) => {
    if (!versions.includes(version)) return null
    const name = `${suite}/${version}`
    const keys = known.get(name) ?? pinKeysFrom(keyRing, version, suite, crypto)
    known.set(name, keys)
    return keys
  }
}
