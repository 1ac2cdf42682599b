/** What a browser sends, as bytes: only the members that are judged, each read once. What is longer than 64 KiB is refused unread. */
import { decodeBase64url } from '@postern/core/base64url'
import { refuse } from './refusal.js'

/** A registration: everything that is signed, and the transports, which are the browser's word. */
export interface RegistrationBytes {
  readonly credentialId: Uint8Array
  readonly clientDataJSON: Uint8Array
  readonly attestationObject: Uint8Array
  readonly transports: readonly string[]
  /** Whether the authenticator says that it can be found without a list (`credProps`); `null` where it does not say. */
  readonly discoverable: boolean | null
}

/** An assertion. */
export interface AssertionBytes {
  readonly credentialId: Uint8Array
  /** The same as text, of which there is one. */
  readonly id: string
  readonly clientDataJSON: Uint8Array
  readonly authenticatorData: Uint8Array
  readonly signature: Uint8Array
  readonly userHandle: Uint8Array | null
}

type Members = Readonly<Record<string, unknown>>

const MAX_BYTES = 65_536
const MAX_TEXT: number = Math.ceil((MAX_BYTES * 4) / 3)
const MAX_HANDLE_TEXT = 86
const TRANSPORT = /^[a-z-]{1,32}$/
const MAX_TRANSPORTS = 8

/** @throws PosternError `webauthn.malformed` */
export function readRegistrationBytes(input: unknown): RegistrationBytes {
  const credential = members(input)
  const response = members(credential['response'])
  return {
    credentialId: credentialIdOf(credential, credential['rawId']),
    clientDataJSON: bytes(response, 'clientDataJSON'),
    attestationObject: bytes(response, 'attestationObject'),
    transports: transportsOf(response['transports']),
    discoverable: discoverableOf(credential['clientExtensionResults']),
  }
}

/** @throws PosternError `webauthn.malformed` */
export function readAssertionBytes(input: unknown): AssertionBytes {
  const credential = members(input)
  const response = members(credential['response'])
  const { userHandle } = response
  const { rawId } = credential
  return {
    credentialId: credentialIdOf(credential, rawId),
    id: rawId as string,
    clientDataJSON: bytes(response, 'clientDataJSON'),
    authenticatorData: bytes(response, 'authenticatorData'),
    signature: bytes(response, 'signature'),
    userHandle: userHandle === undefined || userHandle === null ? null : decoded(userHandle, MAX_HANDLE_TEXT, 'userHandle'),
  }
}

function members(value: unknown): Members {
  if (typeof value !== 'object' || value === null) throw malformed('response')
  return value as Members
}

function credentialIdOf({ id, type }: Members, rawId: unknown): Uint8Array {
  if (type !== 'public-key' || id !== rawId) throw malformed('id')
  return decoded(rawId, MAX_TEXT, 'id')
}

function bytes(from: Members, name: string): Uint8Array {
  return decoded(from[name], MAX_TEXT, name)
}

function decoded(text: unknown, maxText: number, name: string): Uint8Array {
  const value = typeof text === 'string' && text.length <= maxText ? decodeBase64url(text) : null
  if (value === null) throw malformed(name)
  return value
}

/** Values that nobody here knows are kept, as §5.1.3 asks; they go back to the browser as they came. */
function transportsOf(value: unknown): readonly string[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value) || value.length > MAX_TRANSPORTS || value.some((t) => typeof t !== 'string' || !TRANSPORT.test(t)))
    throw malformed('transports')
  return [...new Set(value as string[])].sort()
}

function discoverableOf(results: unknown): boolean | null {
  const props = typeof results === 'object' && results !== null ? (results as Members)['credProps'] : null
  const rk = typeof props === 'object' && props !== null ? (props as Members)['rk'] : null
  return typeof rk === 'boolean' ? rk : null
}

function malformed(reason: string): Error {
  return refuse('webauthn.malformed', reason)
}
