/** The gateway: opens sealed requests, guards, hands the inner request on, seals the answer. */
import type { Now, Signer } from '@postern/core/cryptoPort'
import type { Runtime } from '@postern/store'
import type { KemRing } from './keys.js'
import type { noReplayGuard, ReplayGuard } from './replay.js'

/** How a call came: readable on the way, sealed by itself, or inside a session (not yet produced). */
export type Level = 'plain' | 'single' | 'session'

/** What `bind` verified about the caller. */
export interface Binding {
  readonly jkt: string
  readonly ath: string | null
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** How a request reached the handler. An argument, never a header. */
export interface SealedCall {
  readonly level: Level
  /** 32 bytes that a proof of the caller's key may cover; `null` on plain calls. */
  readonly ekm: Uint8Array | null
  readonly binding: Binding | null
  readonly keyId: number | null
  /** Whether the request came before any session existed (0-RTT: freshness rests on date and replay guard). */
  readonly early: boolean
}

/** What a route wants: `forbidden` takes plain calls alone. */
export type Requirement = 'allowed' | 'sealed' | 'session' | 'bound' | 'forbidden'

export interface PayloadLimits {
  /** Outer request, default 1 MiB. */
  readonly requestBytes: number
  /** Inner reply, default 16 MiB. */
  readonly replyBytes: number
}

export interface PayloadServerOptions {
  readonly runtime: Runtime
  readonly tenant: string
  /** `https` origin that clients call. */
  readonly origin: string
  /** Path that takes sealed requests, default `/ohttp`; the well-known path takes them as well. */
  readonly gateway?: string
  /** The ring, or a function that gives the current one, asked once per request. */
  readonly ring: KemRing | (() => Now<KemRing>)
  /** Signs key documents; clients pin its public key. */
  readonly root: Signer
  readonly replay: ReplayGuard | typeof noReplayGuard
  /** Origins that inner requests may name, default `origin` alone. */
  readonly targets?: readonly string[]
  readonly limits?: Partial<PayloadLimits>
  /** Verifies what the inner request says about its caller under `ekm`; asked for routes that require `bound`. */
  readonly bind?: (inner: Request, ekm: Uint8Array) => Promise<Binding | null>
  /** Judged on the normalised inner target, and on plain calls; default `allowed`. */
  readonly requirement?: (method: string, url: URL) => Requirement
}

export interface PayloadServer {
  /** Answers the gateway and key paths; opens what is sealed; passes everything else on as a plain call where the route allows it. */
  fetch(request: Request, next: (inner: Request, call: SealedCall) => Promise<Response>): Promise<Response>
  /** RFC 9540: the list (`application/ohttp-keys`) or the signed document, by `Accept`. */
  keyDocument(request: Request): Promise<Response>
}

export declare function createPayloadServer(o: PayloadServerOptions): PayloadServer
