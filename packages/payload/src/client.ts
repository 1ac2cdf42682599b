/** A `fetch` that seals: one origin, never plaintext. */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import type { Clock, Fetch, Random } from '@postern/core/runtime'
import type { KemId } from './hpke.js'

/** Trust key configurations by TLS alone: whoever ends TLS on the way can read every call. For tests and third parties. */
export const allowUnsignedKeys: unique symbol = Symbol('postern.allowUnsignedKeys')

/** The call that `headers` is asked about. */
export interface OutgoingCall {
  readonly method: string
  readonly url: string
  /** 32 bytes that only this sealed request's two ends know; base64url of it is the claim `ekm` of a DPoP proof. */
  ekm(): Now<Uint8Array>
}

export interface SealedFetchOptions {
  /** `https` origin of the API: the inner scheme and authority; every call must go there. */
  readonly origin: string
  /** Public keys that may sign the key document: one in use, one offline. */
  readonly roots: readonly [JsonWebKey, ...JsonWebKey[]] | typeof allowUnsignedKeys
  readonly runtime: { readonly fetch: Fetch; readonly clock: Clock; readonly random: Random; readonly crypto: CryptoPort }
  /** The highest `seq` of a key document ever taken, kept by the app across starts. */
  readonly seen?: { get(): Promise<number>; set(seq: number): Promise<void> }
  /** KEMs the client takes, default both. */
  readonly kems?: readonly KemId[]
  /** Padding of the inner message, default to at least 256 bytes. */
  readonly pad?: false | { readonly floor: number }
  /** Largest inner request or reply held in memory; default 16 MiB. */
  readonly maxBufferBytes?: number
  /** Header fields to add inside, asked once per sealing (a re-sent call asks again): tokens, DPoP. */
  readonly headers?: (call: OutgoingCall) => Promise<HeadersInit>
}

export type SealedFetch = ((input: Request | URL | string, init?: RequestInit) => Promise<Response>) & {
  readonly mode: 'buffer'
  /** Forgets keys; later calls reject. */
  close(): void
}

/** Every code that a sealed fetch rejects with, beside the signal's own reason. */
export type SealedFetchCode =
  | 'payload.transport'
  | 'payload.reply_refused'
  | 'payload.keys_untrusted'
  | 'payload.keys_rolled_back'
  | 'payload.keys_expired'
  | 'payload.outcome_unknown'
  | 'payload.body_too_large'
  | 'payload.misdirected'

export declare function createSealedFetch(o: SealedFetchOptions): SealedFetch
