/** Prepared keys of credentials: preparing one costs more than an assertion. Bounded; the oldest goes first. */
import { setBounded } from '@postern/core/boundedMap'
import { equal, utf8 } from '@postern/core/bytes'
import { readCoseKey } from '@postern/core/cose'
import { type CoseVerifier, coseVerifier } from '@postern/core/coseVerifier'
import type { CryptoPort } from '@postern/core/cryptoPort'

/** Keys by credential, of one crypto port. */
export interface CredentialKeys {
  /**
   * @param id - the credential's, base64url
   * @param publicKey - its COSE key as it is stored; another one under the same id is prepared anew
   * @throws PosternError `cose.malformed` | `cose.algorithm` | `cbor.malformed` | `crypto.invalid_key`
   */
  verifier(id: string, publicKey: Uint8Array): CoseVerifier | Promise<CoseVerifier>
  /** SHA-256 of a relying party's id. */
  rpIdHash(rpId: string): Uint8Array | Promise<Uint8Array>
}

/** A host has one relying party, or a few. */
const MAX_PARTIES = 64

/** A cache of up to `size` keys. */
export function credentialKeys(crypto: CryptoPort, size = 4096): CredentialKeys {
  const known = new Map<string, { readonly publicKey: Uint8Array; readonly verifier: CoseVerifier }>()
  const parties = new Map<string, Uint8Array>()
  async function hash(rpId: string): Promise<Uint8Array> {
    const digest = await crypto.digest('SHA-256', utf8(rpId))
    if (parties.size >= MAX_PARTIES) parties.clear()
    parties.set(rpId, digest)
    return digest
  }
  async function prepare(id: string, publicKey: Uint8Array): Promise<CoseVerifier> {
    const taken = publicKey.slice()
    const verifier = await coseVerifier(crypto, readCoseKey(taken))
    setBounded(known, id, { publicKey: taken, verifier }, size)
    return verifier
  }
  return {
    rpIdHash: (rpId) => parties.get(rpId) ?? hash(rpId),
    verifier(id, publicKey) {
      const entry = known.get(id)
      return entry !== undefined && equal(entry.publicKey, publicKey) ? entry.verifier : prepare(id, publicKey)
    },
  }
}
