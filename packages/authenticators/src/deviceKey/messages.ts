/** key/v1 as bytes and as JSON. */
import { tuple } from '@postern/core/tuple'
import { type Context, contextOf } from '../internal/context.js'

/** Server → app: enrol a key, or sign. */
export type KeyStep = { readonly ask: 'key' | 'signature'; readonly enrolment: string; readonly nonce: string }

/** App → server, beside the handle. `key` holds the public members of an ES256 key. */
export type KeyAnswer =
  | {
      readonly key: { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }
      readonly signature: string
      readonly deviceSignature: string
    }
  | { readonly signature: string }
  | { readonly lost: KeyLoss; readonly deviceSignature: string }

/**
 * Why a keystore will never sign with a key again: too many wrong fingers (only the device's passcode helps, and the key stays locked), or
 * the key is gone: biometrics changed, the screen lock removed, the backup of another device.
 */
export type KeyLoss = 'os-lockout' | 'key-invalidated'

/** CONTEXT of key/v1; the generation is 0. */
export function keyContext(c: Omit<Context, 'generation'>): Uint8Array {
  return contextOf('key/v1', { ...c, generation: 0 })
}

/** What both keys sign at enrolment; `jkt` is the new key's thumbprint (RFC 7638). */
export function keyEnrolStatement(context: Uint8Array, nonce: Uint8Array, jkt: string): Uint8Array {
  return tuple('postern:key/v1:enrol', context, nonce, jkt)
}

/** What the device key signs where the enrolment's own key can sign no more. */
export function keyLostStatement(context: Uint8Array, nonce: Uint8Array, cause: KeyLoss): Uint8Array {
  return tuple('postern:key/v1:lost', context, nonce, cause)
}

/** What the key signs at login. */
export function keyStatement(context: Uint8Array, nonce: Uint8Array): Uint8Array {
  return tuple('postern:key/v1', context, nonce)
}
