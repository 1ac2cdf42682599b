/** Prepared public keys by thumbprint: importing a key costs as much as half a verification. */
import { setBounded } from '@postern/core/boundedMap'
import type { CryptoPort, Now, SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import type { KnownHeader, KnownHeaders } from '@postern/core/jws'
import { recent } from './recent.js'

export type PrepareKey = (alg: SignAlg, jwk: JsonWebKey, jkt: string) => Now<VerifyKey>

/** A cache of at most `max` keys; the one unused longest goes first. Only keys that could be prepared are kept. */
export function keyCache(crypto: CryptoPort, max: number): PrepareKey {
  const keys = new Map<string, VerifyKey>()
  const keep = (name: string, key: VerifyKey): VerifyKey => {
    setBounded(keys, name, key, max)
    return key
  }
  return (alg, jwk, jkt) => {
    const name = `${alg} ${jkt}`
    const known = keys.get(name)
    if (known === undefined) {
      const made = crypto.verifyKey(alg, jwk)
      return 'then' in made ? made.then((key) => keep(name, key)) : keep(name, made)
    }
    keys.delete(name)
    keys.set(name, known)
    return known
  }
}

/** At most `max` headers: an app writes its proofs under one header, access tokens come under their key's. */
export function headerCache(max: number): KnownHeaders {
  return recent<KnownHeader>(max)
}
