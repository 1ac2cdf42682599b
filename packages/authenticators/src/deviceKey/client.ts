/** The app's half of key/v1. */
import type { CryptoPort, Now, Signer } from '@postern/core/cryptoPort'
import type { Purpose } from '../authenticator.js'

/** Server → app. */
export type KeyStep = { readonly ask: 'key' | 'signature'; readonly enrolment: string; readonly nonce: string }
/** App → server. */
export type KeyAnswer =
  | { readonly key: JsonWebKey; readonly signature: string; readonly deviceSignature: string }
  | { readonly signature: string }

export interface KeyClientOptions {
  readonly issuer: string
  readonly tenant: string
  readonly app: string
  /** The `client_id`. */
  readonly device: string
  readonly crypto: CryptoPort
  readonly purpose: Purpose
  readonly bind?: Uint8Array
}

/** The answer that enrols `key` (ES256): both keys sign. */
export async function answerKeyEnrolment(
  step: KeyStep,
  o: KeyClientOptions & { readonly key: Signer; readonly deviceSign: (data: Uint8Array) => Now<Uint8Array> },
): Promise<KeyAnswer> {
  void [step, o]
  throw new Error('not yet')
}

/** The answer that proves `key`. */
export async function answerKey(
  step: KeyStep,
  o: KeyClientOptions & { readonly sign: (data: Uint8Array) => Now<Uint8Array> },
): Promise<KeyAnswer> {
  void [step, o]
  throw new Error('not yet')
}
