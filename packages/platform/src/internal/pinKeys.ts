/** The tenant's PIN keys, derived once per suite and version. */
import { pinKeysFrom } from '@postern/authenticators/pin/keys'
import type { PinSuite } from '@postern/authenticators/pin/messages'
import type { PinOptions } from '@postern/authenticators/pin/server'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { KeyRing } from '@postern/core/keyRing'

/** The version that new PINs are made under. */
const CURRENT = '1'

export function pinKeys(keys: KeyRing, crypto: CryptoPort): PinOptions['keys'] {
  const derived = new Map<string, ReturnType<typeof pinKeysFrom>>()
  return (suite: PinSuite, version = CURRENT) => {
    if (version !== CURRENT) return null
    const name = `${suite}/${version}`
    const known = derived.get(name) ?? pinKeysFrom(keys, version, suite, crypto)
    derived.set(name, known)
    return known
  }
}
