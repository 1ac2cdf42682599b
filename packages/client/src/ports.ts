/** What the app's platform supplies: keys, secure storage, evidence, and the runtime. Nothing here is reached but through these. */
import type { Evidence } from '@postern/attestation/evidence'
import type { Ksf } from '@postern/authenticators/pin/client'
import type { PinSuite } from '@postern/authenticators/pin/messages'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import type { Clock, Fetch, Random } from '@postern/core/runtime'

/**
 * Clock, random, crypto and fetch. `ksf`: native key stretching where there is one; without it the PIN is stretched by scrypt in JavaScript.
 * `suites`: PIN suites that this device can do, default 0001 and 0003; name 0002 where `ksf` has Argon2id. Of them the server takes its first.
 */
export interface ClientRuntime {
  readonly clock: Clock
  readonly random: Random
  readonly crypto: CryptoPort
  readonly fetch: Fetch
  readonly ksf?: Ksf
  readonly suites?: readonly PinSuite[]
  /** Whether the device believes to have a connection: tells `net.offline` from `net.unreachable`. Default: it does. */
  readonly online?: () => boolean
}

/** Why a key did not sign. The server hears `locked-out` as `unavailable` and `locked-out-permanently` as `os-lockout`. */
export type SignCause = 'cancelled' | 'locked-out' | 'locked-out-permanently' | 'key-invalidated' | 'unavailable'

/** ES256 (r‖s, 64 bytes), or why there is none. */
export type SignOutcome =
  | { readonly ok: true; readonly signature: Uint8Array }
  | { readonly ok: false; readonly cause: SignCause }

/** A key as the keystore made it; `evidence` where the platform attests keys (`attestation` binds it to the challenge). */
export interface CreatedKey {
  /** ES256, public members alone. */
  readonly publicKey: JsonWebKey
  readonly evidence?: Evidence
}

/** The platform's keystore: Keychain and Secure Enclave, Android Keystore, WebCrypto, a file. Private keys never leave it. */
export interface KeystorePort {
  /** Self-reported, so it can only lower trust. */
  readonly level: 'hardware' | 'os' | 'software'
  /** A fresh P-256 key; one of the same id is replaced. @param o.challenge - 32 bytes for a key attestation */
  create(id: string, o: { readonly presence: 'none' | 'biometric'; readonly challenge?: Uint8Array }): Promise<CreatedKey>
  /** Never throws for what the user or the system does: that is an outcome. */
  sign(id: string, data: Uint8Array, o: { readonly prompt?: string; readonly signal: AbortSignal }): Promise<SignOutcome>
  hmac?(id: string, data: Uint8Array): Promise<Uint8Array>
  /** Removing what is not there is no error. */
  remove(id: string): Promise<void>
}

/**
 * Small values that only this app on this device can read. Each write is atomic: after a crash the old value is there, or the new one.
 * Throws PosternError `storage.unavailable` (try later: the device is locked) | `storage.lost` (its keys are gone: enrol again).
 */
export interface SecureStoragePort {
  get(key: string): Promise<Uint8Array | null>
  set(key: string, value: Uint8Array): Promise<void>
  remove(key: string): Promise<void>
}

/** What evidence is bound to; see `@postern/attestation/binding`. */
export interface EvidenceRequest {
  readonly purpose: 'register' | 'update'
  /** 32 bytes: App Attest `clientDataHash`, Play Integrity `requestHash`. */
  readonly appChallenge: Uint8Array
  /** The server's nonce itself, 32 bytes. */
  readonly challenge: Uint8Array
  readonly deviceKey: JsonWebKey
}

/** App Attest, Play Integrity, app signature, self-reported signals: at most 4 items, one of a format. */
export type EvidencePort = (request: EvidenceRequest, signal: AbortSignal) => Now<readonly Evidence[]>

/** Where the app is reached by a push: what the system gave it. */
export type PushEndpoint =
  /** A subscription of the Push API (RFC 8291 §2). */
  | { readonly kind: 'web-push'; readonly url: string; readonly p256dh: string; readonly auth: string }
  | { readonly kind: 'fcm'; readonly token: string }
  | { readonly kind: 'apns'; readonly token: string }

/** Where the app belongs and what it is. Public data, safe to ship inside the app. */
export interface AppConfig {
  readonly issuer: string
  readonly tenant: string
  /** Origin of the API that `fetch` calls. */
  readonly api: string
  readonly id: string
  readonly version: string
  readonly platform: string
  readonly osVersion?: string
  readonly model?: string
  /** Pinned public keys that may sign the API's key document. Without any, `fetch` refuses. */
  readonly keyRoots: readonly JsonWebKey[]
  /** For registration in the browser. */
  readonly redirectUri?: string
  /** What a login asks for unless told otherwise. */
  readonly scopes: readonly string[]
  /** The audience of access tokens for the API, default `api`. */
  readonly resource?: string
}
