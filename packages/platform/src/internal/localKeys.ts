/** The tenant's own published keys, as a verifier asks for them. */
import type { CryptoPort, VerifyKey } from '@postern/core/cryptoPort'
import type { KeyRing } from '@postern/core/keyRing'
import type { IssuerKeys } from '@postern/tokens/resource'

export function localKeys(keys: KeyRing, crypto: CryptoPort, clock: () => number): IssuerKeys {
  const prepared = new Map<string, VerifyKey>()
  return {
    async find(kid) {
      const key = keys.signing.find(kid, clock())
      if (key === null) return null
      const known = prepared.get(kid) ?? (await crypto.verifyKey(key.signer.alg, key.signer.publicJwk))
      prepared.set(kid, known)
      return known
    },
  }
}
