/** Verifying a registration: pure, in the order of the specification. @see WebAuthn Level 3 §7.1 */
import { equal, utf8 } from '@postern/core/bytes'
import { type CoseVerifier, coseVerifier } from '@postern/core/coseVerifier'
import { isPosternError } from '@postern/core/errors'
import { type AttestedData, checkFlags, readAttestedData } from '../internal/authData.js'
import { checkClientData } from '../internal/clientData.js'
import { readRegistrationBytes } from '../internal/credentialResponse.js'
import { refuse } from '../internal/refusal.js'
import { type Attestation, type AttestationPorts, readAttestationObject, verifyAttestation } from './attestation.js'
import type { CeremonyExpected } from './authentication.js'
import type { RegistrationResponseJSON } from './messages.js'

/** What the options of the ceremony asked for. */
export interface RegistrationExpected extends CeremonyExpected {
  /** COSE algorithms that were offered. */
  readonly algorithms: readonly number[]
  /** Refuse what nobody trusted vouches for. @defaultValue false */
  readonly trusted?: boolean
  /** Whether the ceremony was a conditional create, which needs no user present. @defaultValue false */
  readonly conditional?: boolean
}

/** Crypto, time, and whom the host trusts. */
export type VerifyOptions = AttestationPorts

/** A credential that may be kept. */
export interface NewCredential {
  /** 1 to 1,023 bytes. */
  readonly id: Uint8Array
  /** The COSE key as it is encoded. */
  readonly publicKey: Uint8Array
  readonly alg: number
  /** 16 bytes: the model; zeros where it is not told. */
  readonly aaguid: Uint8Array
  readonly counter: number
  readonly userVerified: boolean
  readonly backupEligible: boolean
  readonly backedUp: boolean
  /** For the lists of later ceremonies, as the browser wrote them. */
  readonly transports: readonly string[]
  /** Whether it can be found without a list; `null` where it does not say. */
  readonly discoverable: boolean | null
  readonly attestation: Attestation
}

/** Every code that {@link verifyRegistration} refuses with. */
export type RegistrationCode =
  `webauthn.${'malformed' | 'challenge' | 'type' | 'origin' | 'cross_origin' | 'rp' | 'user_presence' | 'user_verification' | 'backup_flags' | 'algorithm' | 'attestation_invalid' | 'attestation_untrusted' | 'format_unsupported'}`

/**
 * Verifies what a browser sent for a new credential. That nobody else has the same id is the caller's to see to, in a commit.
 * @param r - the body as parsed from JSON; nothing of it is trusted
 * @throws PosternError with a {@link RegistrationCode}
 * @throws RangeError for an expected challenge of fewer than 16 bytes
 */
export async function verifyRegistration(
  r: RegistrationResponseJSON,
  expected: RegistrationExpected,
  o: VerifyOptions,
): Promise<NewCredential> {
  const { credentialId, clientDataJSON, attestationObject, transports, discoverable } = readRegistrationBytes(r)
  checkClientData(clientDataJSON, 'webauthn.create', expected) //                                steps 5 to 11
  const clientDataHash = await o.crypto.digest('SHA-256', clientDataJSON) //                     12
  const { fmt, attStmt, authData: raw } = readAttestationObject(attestationObject) //            13
  const authData = readAttestedData(raw) //                                                     also 19, 25
  const rpIdHash = await o.crypto.digest('SHA-256', utf8(expected.rpId))
  if (!equal(authData.rpIdHash, rpIdHash)) throw refuse('webauthn.rp', 'rpIdHash') //           14
  if (!authData.userPresent && expected.conditional !== true) throw refuse('webauthn.user_presence', 'UP') // 15
  checkFlags(authData, expected.userVerification) //                                                             16, 17
  if (!expected.algorithms.includes(authData.key.alg)) throw refuse('webauthn.algorithm', 'not offered') // 20
  // The id beside the signed one names the credential to everybody but us; two would be a mistake of somebody.
  if (!equal(credentialId, authData.credentialId)) throw refuse('webauthn.malformed', 'id')
  const verifier = await prepared(authData, o)
  const attestation = await verifyAttestation(fmt, { attStmt, authData, clientDataHash, verifier }, o) // 21 to 23
  if (expected.trusted === true && !attestation.trusted) throw refuse('webauthn.attestation_untrusted', attestation.doubt ?? '') // 24
  return {
    id: credentialId,
    publicKey: authData.keyBytes.slice(),
    alg: authData.key.alg,
    aaguid: authData.aaguid.slice(),
    counter: authData.signCount,
    userVerified: authData.userVerified,
    backupEligible: authData.backupEligible,
    backedUp: authData.backedUp,
    transports,
    discoverable,
    attestation,
  }
}

/** A key that could never sign in is not registered: its point is on its curve, and this runtime verifies it. */
async function prepared({ key }: AttestedData, { crypto }: VerifyOptions): Promise<CoseVerifier> {
  try {
    return await coseVerifier(crypto, key)
  } catch (error) {
    if (isPosternError(error, 'crypto.invalid_key')) throw refuse('webauthn.algorithm', error.reason ?? '')
    throw error
  }
}
