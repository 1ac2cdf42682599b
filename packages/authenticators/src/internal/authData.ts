/** Authenticator data, strictly: what the flags announce is there, nothing else is, and all CBOR in it is canonical. @see WebAuthn Level 3 §6.1 */
import { toUnsigned } from '@postern/core/bytes'
import { type CborMap, isCborMap, readCborItem } from '@postern/core/cbor'
import { type CoseKey, readCoseKey } from '@postern/core/cose'
import { isPosternError } from '@postern/core/errors'
import type { UserVerification } from '../webauthn/messages.js'
import { refuse } from './refusal.js'

/** What an authenticator says of itself and of one ceremony. Bytes are views. */
export interface AuthData {
  readonly raw: Uint8Array
  readonly rpIdHash: Uint8Array
  readonly userPresent: boolean
  readonly userVerified: boolean
  readonly backupEligible: boolean
  readonly backedUp: boolean
  readonly signCount: number
  readonly extensions: CborMap | null
}

/** What only a registration has. */
export interface AttestedData extends AuthData {
  /** 16 bytes: the model. */
  readonly aaguid: Uint8Array
  readonly credentialId: Uint8Array
  readonly key: CoseKey
  /** The key as it is encoded. */
  readonly keyBytes: Uint8Array
}

const HEAD = 37
const MAX_CREDENTIAL_ID = 1023
const UP = 0x01
const UV = 0x04
const BE = 0x08
const BS = 0x10
const AT = 0x40
const ED = 0x80

/** Authenticator data of an assertion, which carries no credential. @throws PosternError `webauthn.malformed` */
export function readAssertionData(raw: Uint8Array): AuthData {
  const flags = flagsOf(raw)
  if ((flags & AT) !== 0) throw malformed('authData.at')
  return headOf(raw, flags, extensionsAt(raw, HEAD, flags))
}

/** Authenticator data of a registration. @throws PosternError `webauthn.malformed` | `webauthn.algorithm` */
export function readAttestedData(raw: Uint8Array): AttestedData {
  const flags = flagsOf(raw)
  const idAt = HEAD + 18
  if ((flags & AT) === 0 || raw.length < idAt) throw malformed('authData.at')
  const keyAt = idAt + toUnsigned(raw.subarray(idAt - 2, idAt))
  const credentialId = raw.subarray(idAt, keyAt)
  // §7.1 step 25
  if (credentialId.length === 0 || keyAt > raw.length || credentialId.length > MAX_CREDENTIAL_ID) throw malformed('authData.id')
  const { key, end } = keyFrom(raw, keyAt)
  return {
    ...headOf(raw, flags, extensionsAt(raw, end, flags)),
    aaguid: raw.subarray(HEAD, HEAD + 16),
    credentialId,
    key,
    keyBytes: raw.subarray(keyAt, end),
  }
}

/** User verification as asked for, and backup flags that do not contradict each other (§6.1.3). Both ceremonies judge them alike. */
export function checkFlags({ userVerified, backupEligible, backedUp }: AuthData, userVerification: UserVerification): void {
  if (userVerification === 'required' && !userVerified) throw refuse('webauthn.user_verification', 'UV')
  if (backedUp && !backupEligible) throw refuse('webauthn.backup_flags', 'BS without BE')
}

function flagsOf(raw: Uint8Array): number {
  if (raw.length < HEAD) throw malformed('authData.size')
  return raw[32]!
}

function headOf(raw: Uint8Array, flags: number, extensions: CborMap | null): AuthData {
  return {
    raw,
    rpIdHash: raw.subarray(0, 32),
    userPresent: (flags & UP) !== 0,
    userVerified: (flags & UV) !== 0,
    backupEligible: (flags & BE) !== 0,
    backedUp: (flags & BS) !== 0,
    signCount: ((raw[33]! << 24) | (raw[34]! << 16) | (raw[35]! << 8) | raw[36]!) >>> 0,
    extensions,
  }
}

function keyFrom(raw: Uint8Array, start: number): { readonly key: CoseKey; readonly end: number } {
  try {
    const { value, end } = readCborItem(raw, start)
    if (!isCborMap(value)) throw malformed('authData.key')
    return { key: readCoseKey(value), end }
  } catch (error) {
    if (isPosternError(error, 'cose.algorithm')) throw refuse('webauthn.algorithm', error.reason ?? '')
    if (isPosternError(error, 'cbor.malformed', 'cose.malformed')) throw malformed(error.reason ?? '')
    throw error
  }
}

function extensionsAt(raw: Uint8Array, start: number, flags: number): CborMap | null {
  if ((flags & ED) === 0) {
    if (start !== raw.length) throw malformed('authData.trailing')
    return null
  }
  try {
    const { value, end } = readCborItem(raw, start)
    if (isCborMap(value) && end === raw.length) return value
  } catch (error) {
    if (!isPosternError(error, 'cbor.malformed')) throw error
  }
  throw malformed('authData.extensions')
}

function malformed(reason: string): Error {
  return refuse('webauthn.malformed', reason)
}
