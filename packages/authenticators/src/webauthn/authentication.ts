/** Verifying an assertion: pure, in the order of the specification. @see WebAuthn Level 3 §7.2 */
import { concat, equal } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { type AuthData, checkFlags, readAssertionData } from '../internal/authData.js'
import { checkClientData } from '../internal/clientData.js'
import { type AssertionBytes, readAssertionBytes } from '../internal/credentialResponse.js'
import { type CredentialKeys, credentialKeys } from '../internal/keyCache.js'
import { refuse } from '../internal/refusal.js'
import type { AuthenticationResponseJSON, UserVerification } from './messages.js'
import type { OriginRules } from './origins.js'

export { type CredentialKeys, credentialKeys }

/** What the options of a ceremony asked for. */
export interface CeremonyExpected extends OriginRules {
  /** As it was sent; at least 16 bytes. */
  readonly challenge: Uint8Array
  readonly rpId: string
  readonly userVerification: UserVerification
}

/** What the options of this ceremony asked for, and of whom. */
export interface AuthenticationExpected extends CeremonyExpected {
  /** The `user.id` of the user whose credential it must be. */
  readonly userHandle?: Uint8Array
  /** Whether the user was not known before: the answer must then name him. @defaultValue false */
  readonly discoverable?: boolean
  /** What to do when an authenticator counts backwards. @defaultValue 'refuse' for one that cannot be backed up, 'report' for one that can */
  readonly onRegression?: 'refuse' | 'report'
}

/** A credential as it was registered, with what changed since. */
export interface StoredCredential {
  readonly id: Uint8Array
  /** The COSE key as it is encoded. */
  readonly publicKey: Uint8Array
  readonly counter: number
  readonly backupEligible: boolean
  readonly backedUp: boolean
}

/** A proof that the credential was used. The caller stores `counter` and `backedUp` in the commit that makes it count. */
export interface Assertion {
  readonly userVerified: boolean
  /** To be stored: it never goes down. */
  readonly counter: number
  /** The authenticator counted backwards, and that was to be reported: two may share the key. */
  readonly regressed: boolean
  readonly backedUp: boolean
  /** Whether `backedUp` is another than before. */
  readonly backupChanged: boolean
  /** What was signed: authenticator data ‖ SHA-256 of the client data. */
  readonly signed: Uint8Array
  readonly signature: Uint8Array
}

/** Crypto, and keys that are prepared already. */
export interface AssertionOptions {
  readonly crypto: CryptoPort
  /** Made once with {@link credentialKeys}; without, each call prepares its key. */
  readonly keys?: CredentialKeys
}

/** Every code that {@link verifyAuthentication} refuses with. */
export type AuthenticationCode =
  `webauthn.${'malformed' | 'challenge' | 'type' | 'origin' | 'cross_origin' | 'rp' | 'user_presence' | 'user_verification' | 'backup_flags' | 'credential_unknown' | 'not_owner' | 'signature' | 'counter_regressed' | 'backup_eligibility_changed'}`

/**
 * Verifies what a browser sent for a known credential.
 * @param r - the body as parsed from JSON; nothing of it is trusted
 * @param credential - as stored, found by `r.rawId` among those of one user
 * @throws PosternError with an {@link AuthenticationCode} | `cose.*` | `cbor.malformed` | `crypto.invalid_key` for a stored key that is none
 * @throws RangeError for an expected challenge of fewer than 16 bytes
 */
export async function verifyAuthentication(
  r: AuthenticationResponseJSON,
  credential: StoredCredential,
  expected: AuthenticationExpected,
  { crypto, keys = credentialKeys(crypto, 1) }: AssertionOptions,
): Promise<Assertion> {
  const response = readAssertionBytes(r)
  const { id, publicKey, counter, backupEligible, backedUp } = credential
  if (!equal(response.credentialId, id)) throw refuse('webauthn.credential_unknown', 'id') //               steps 5, 7
  checkOwner(response, expected) //                                                                        6
  checkClientData(response.clientDataJSON, 'webauthn.get', expected) //                                    9 to 14
  const authData = readAssertionData(response.authenticatorData)
  const rpIdHash = await keys.rpIdHash(expected.rpId)
  if (!equal(authData.rpIdHash, rpIdHash)) throw refuse('webauthn.rp', 'rpIdHash') //                      15
  if (!authData.userPresent) throw refuse('webauthn.user_presence', 'UP') //                               16
  checkFlags(authData, expected.userVerification) //                                                       17, 18
  if (authData.backupEligible !== backupEligible) throw refuse('webauthn.backup_eligibility_changed', 'BE') // 19
  const signed = concat(authData.raw, await crypto.digest('SHA-256', response.clientDataJSON)) //          20
  const verifier = await keys.verifier(response.id, publicKey)
  if (!(await verifier.verify(signed, response.signature))) throw refuse('webauthn.signature', 'signature') // 21
  const regressed = hasRegressed(authData, counter) //                                                     22
  if (regressed && (expected.onRegression ?? (backupEligible ? 'report' : 'refuse')) === 'refuse')
    throw refuse('webauthn.counter_regressed', 'signCount')
  return {
    userVerified: authData.userVerified,
    counter: Math.max(counter, authData.signCount),
    regressed,
    backedUp: authData.backedUp,
    backupChanged: authData.backedUp !== backedUp,
    signed,
    signature: response.signature,
  }
}

/** The handle that an authenticator keeps is the user's; it may leave it out where the user was known. */
function checkOwner({ userHandle }: AssertionBytes, { userHandle: expected, discoverable }: AuthenticationExpected): void {
  if (userHandle === null) {
    if (discoverable === true) throw refuse('webauthn.not_owner', 'no user handle')
    return
  }
  if (expected !== undefined && !equal(userHandle, expected)) throw refuse('webauthn.not_owner', 'user handle')
}

/** §6.1.1: authenticators that do not count say 0 always. */
function hasRegressed({ signCount }: AuthData, counter: number): boolean {
  return (signCount !== 0 || counter !== 0) && signCount <= counter
}
