/** Prepared public keys by thumbprint: importing a key costs as much as half a verification. */
import type { CryptoPort, SignAlg, VerifyKey } from '@postern/core/cryptoPort'

export type PrepareKey = (alg: SignAlg, jwk: JsonWebKey, jkt: string) => Promise<VerifyKey>

/** A cache of at most `max` keys; the one unused longest goes first. Only keys that could be prepared are kept. */
export function keyCache(crypto: CryptoPort, max: number): PrepareKey {
  const keys = new Map<string, VerifyKey>()
  return async (alg, jwk, jkt) => {
    const name = `${alg} ${jkt}`
    const known = keys.get(name)
    if (known !== undefined) {
      keys.delete(name)
      keys.set(name, known)
      return known
    }
    const key = await crypto.verifyKey(alg, jwk)
    keys.set(name, key)
    if (keys.size > max) keys.delete(keys.keys().next().value!)
    return key
  }
}
