/** Attestation by Android's keystore. @see WebAuthn Level 3 §8.4; core/keydescription for the extension */
import { equal } from '@postern/core/bytes'
import {
  type AuthorizationList,
  type KeyDescription,
  keyDescriptionOf,
  keyDescriptionOid,
  originTags,
} from '@postern/core/keydescription'
import { algIn, bytesIn, chainIn, checkSignature, type Format, invalid, isFor, membersOf, signedBytes } from './statement.js'

const ORIGIN_GENERATED = 0
const PURPOSE_SIGN = 2
const PURPOSE_VERIFY = 3

export const androidKey: Format = async (s, o) => {
  const stmt = membersOf(s, ['alg', 'sig', 'x5c'])
  const chain = chainIn(stmt)
  await checkSignature(chain[0], algIn(stmt), signedBytes(s), bytesIn(stmt, 'sig'), o.crypto)
  if (!isFor(chain[0], s.authData)) throw invalid('android.key')
  const description = keyDescriptionOf(chain[0], originTags)
  if (description === null) throw invalid('android.description')
  if (!equal(description.challenge, s.clientDataHash)) throw invalid('android.challenge')
  // Of two with an extension the one nearer the root counts: an attested key signed the other.
  if (chain.slice(1).some((one) => one.extensions.has(keyDescriptionOid))) throw invalid('android.chain')
  const { software, hardware } = description
  for (const list of [software, hardware]) checkList(list)
  const stated = [software, hardware].some(({ origin }) => origin !== undefined)
  const purposed = [software, hardware].some(({ purpose }) => purpose !== undefined)
  if (o.unstated === 'refuse' && !(stated && purposed)) throw invalid('android.unstated')
  return { type: 'certified', chain, doubt: doubtOf(description) }
}

/** What is stated must fit, on either side. */
function checkList({ allApplications, origin, purpose }: AuthorizationList): void {
  if (allApplications !== undefined) throw invalid('android.applications')
  if (origin !== undefined && origin !== ORIGIN_GENERATED) throw invalid('android.origin')
  if (purpose === undefined) return
  if (!purpose.includes(PURPOSE_SIGN) || purpose.some((one) => one !== PURPOSE_SIGN && one !== PURPOSE_VERIFY))
    throw invalid('android.purpose')
}

/** The root of trust counts where the hardware states it; without it nobody knows what system asked for the key. */
function doubtOf({ attestationLevel, keymintLevel, hardware }: KeyDescription): string | null {
  if (attestationLevel === 'software' || keymintLevel === 'software') return 'android.software'
  const root = hardware.rootOfTrust
  if (hardware.origin === undefined || root === undefined) return 'android.root'
  return root.locked && root.bootState === 'verified' ? null : 'android.boot'
}
