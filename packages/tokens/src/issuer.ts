/** The issuer of one request: everything that differs between tenants is an argument, so one process serves many and rotates keys while running. */
import type { KeyRing } from '@postern/core/keyRing'
import type { Runtime } from '@postern/store'
import type { ChallengePort } from './challenge.js'
import type { ClientAuthMethod } from './clientAuth.js'
import type { ClientPort } from './clients.js'
import type { IssuerConfig } from './config.js'
import type { InteractionPort } from './interaction.js'
import type { Recheck } from './recheck.js'
import type { ClaimsPort } from './userinfo.js'

/** What the host knows of the connection; never taken from a header. */
export interface HostContext {
  readonly ip?: string
  readonly clientCertificate?: Uint8Array
  /** Keeps the process alive for what runs after the reply (`ExecutionContext.waitUntil`). */
  readonly waitUntil?: (work: Promise<unknown>) => void
}

/** One issuer as a request sees it: immutable, the key ring is a snapshot. */
export interface IssuerContext {
  /** The exact `iss`; `Host` and `X-Forwarded-*` are never consulted. https, or http on a loopback host. No trailing slash. */
  readonly issuer: string
  readonly tenant: string
  readonly runtime: Runtime
  readonly keys: KeyRing
  readonly config: IssuerConfig
  readonly clients: ClientPort
  /** The host's pages. Without it `/authorize` and `/par` are absent. */
  readonly interaction?: InteractionPort
  /** Claims of a subject for ID token and userinfo. Without it both carry protocol claims alone. */
  readonly claims?: ClaimsPort
  readonly recheck?: Recheck
  /** How clients may authenticate, beside `none`; default `secret` and `assertion`. */
  readonly auth?: readonly ClientAuthMethod[]
  /** OAuth for First-Party Apps. Without it `/authorize-challenge` and its metadata are absent. */
  readonly challenge?: ChallengePort
  /** Path below which the endpoints answer; default the issuer's own path. Stripped exactly once. */
  readonly basePath?: string
  /** Bumped after a restore to an earlier point: handles of another epoch no longer open. Default `'0'`. */
  readonly restoreEpoch?: string
  readonly host?: HostContext
}

/** One endpoint: a function of the request and its issuer. */
export type Handler = (request: Request, context: IssuerContext) => Promise<Response>

/** Which issuer a request is for; `null` answers 404 before anything is parsed. */
export type ResolveIssuer = (request: Request, host?: HostContext) => IssuerContext | null | Promise<IssuerContext | null>
