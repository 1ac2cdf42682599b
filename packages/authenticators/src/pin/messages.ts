/**
 * pin/v1 as bytes and as JSON: what both halves sign, and the members that cross the wire (canonical base64url).
 * Sizes are the same in every suite: request 32, response 64, record 192, KE1 96, KE2 320, KE3 64.
 */
import { u32 } from '@postern/core/bytes'
import { tuple } from '@postern/core/tuple'
import { type Context, contextOf } from '../internal/context.js'

export type { Context } from '../internal/context.js'

/** The protocol's name in CONTEXT. */
export const pinProtocol = 'pin/v1'

/** PIN suites by number: OPRF, 3DH group and key stretching in one. 0002 is 0001 with Argon2id. */
export type PinSuite = '0001' | '0002' | '0003'

/** Server → app: what to answer. Comes with a handle. */
export type PinStep =
  /** First step of enrol and of a change's second half: make a PIN of this generation. */
  | {
      readonly ask: 'request'
      readonly enrolment: string
      readonly generation: number
      readonly suite: PinSuite
      readonly nonce: string
    }
  /** Registration response: store the record. */
  | { readonly ask: 'record'; readonly response: string }
  /** First step of login, confirm, change, activate: prove the PIN of this generation. */
  | {
      readonly ask: 'ke1'
      readonly enrolment: string
      readonly generation: number
      readonly suite: PinSuite
      readonly nonce: string
    }
  /** KE2 of the record that was counted. */
  | { readonly ask: 'ke3'; readonly ke2: string }

/** App → server, beside the handle. `suites`: those that the app can do; of them the server takes the first of its own. */
export type PinAnswer =
  | { readonly suites: readonly PinSuite[] }
  | { readonly request: string; readonly signature: string }
  | { readonly record: string; readonly policy: string; readonly signature: string }
  | { readonly ke1: string; readonly signature: string }
  | { readonly ke3: string; readonly signature: string; readonly suites?: readonly PinSuite[] }
  | { readonly wrong: string }

/** CONTEXT of pin/v1. */
export function pinContext(c: Context): Uint8Array {
  return contextOf(pinProtocol, c)
}

/** What the device signs with its registration request. */
export function enrolRequestStatement(context: Uint8Array, nonce: Uint8Array, request: Uint8Array): Uint8Array {
  return tuple('postern:pin/v1:enrol-request', context, nonce, request)
}

/** What the device signs with its record; `policyHash` names the PIN policy that the device applied. */
export function enrolRecordStatement(
  context: Uint8Array,
  nonce: Uint8Array,
  requestHash: Uint8Array,
  responseHash: Uint8Array,
  record: Uint8Array,
  policyHash: Uint8Array,
): Uint8Array {
  return tuple('postern:pin/v1:enrol-record', context, nonce, requestHash, responseHash, record, policyHash)
}

/** m₁: what the device signs with KE1. */
export function ke1Statement(context: Uint8Array, nonce: Uint8Array, ke1: Uint8Array): Uint8Array {
  return tuple('postern:pin/v1:ke1', context, nonce, ke1)
}

/** m₃: what the device signs with KE3. */
export function ke3Statement(context: Uint8Array, m1Hash: Uint8Array, ke2Hash: Uint8Array, ke3: Uint8Array): Uint8Array {
  return tuple('postern:pin/v1:ke3', context, m1Hash, ke2Hash, ke3)
}

/** What the device signs when the PIN was wrong. */
export function wrongStatement(context: Uint8Array, m1Hash: Uint8Array): Uint8Array {
  return tuple('postern:pin/v1:wrong', context, m1Hash)
}

/** OPAQUE's `credential_identifier`: never a user name. */
export function credentialIdentifier(tenant: string, device: string, enrolment: string, generation: number): Uint8Array {
  return tuple('postern:pin/v1:credential', tenant, device, enrolment, u32(generation))
}

/** OPAQUE's `client_identity`; the `server_identity` is the issuer. */
export function clientIdentity(tenant: string, device: string, enrolment: string): Uint8Array {
  return tuple('postern:pin/v1:client', tenant, device, enrolment)
}

/** What the device's pepper key is applied to: `password = HMAC-SHA-256(s_g, T("postern:pin/v1:password", PIN))`. */
export function passwordInput(pin: Uint8Array): Uint8Array {
  return tuple('postern:pin/v1:password', pin)
}

/** HKDF info of a key that both sides take from one login. */
export function sessionInfo(context: Uint8Array, use: string): Uint8Array {
  return tuple('postern:pin/v1:session', context, use)
}

/** HKDF info of a key that wraps the device's local secrets. */
export function exportInfo(enrolment: string, generation: number, use: string): Uint8Array {
  return tuple('postern:pin/v1:export', enrolment, u32(generation), use)
}
