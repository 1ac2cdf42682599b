/** Apple's anonymous attestation: a certificate made for this one registration, which names it. @see WebAuthn Level 3 §8.8 */
import { equal } from '@postern/core/bytes'
import { derItems, derOctets, derSequence, readDer } from '@postern/core/der'
import { chainIn, type Format, invalid, isFor, membersOf, signedBytes } from './statement.js'

const NONCE = '1.2.840.113635.100.8.2'

export const apple: Format = async (s, { crypto }) => {
  // `alg` was written by the first versions and says nothing.
  const chain = chainIn(membersOf(s, ['x5c'], ['alg']))
  const extension = chain[0].extensions.get(NONCE)
  if (extension === undefined) throw invalid('apple.nonce')
  const [tagged, ...more] = derSequence(readDer(extension.value))
  if (tagged?.cls !== 'context' || tagged.tag !== 1 || more.length > 0) throw invalid('apple.nonce')
  const nonce = derOctets(derItems(tagged)[0])
  if (!equal(nonce, await crypto.digest('SHA-256', signedBytes(s)))) throw invalid('apple.nonce')
  if (!isFor(chain[0], s.authData)) throw invalid('apple.key')
  return { type: 'certified', chain, doubt: null }
}
