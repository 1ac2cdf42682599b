/** What the platform is made of, and what it then is. */
import type { EvidenceVerifier, Source } from '@postern/attestation/evidence'
import type { Authenticator } from '@postern/authenticators/authenticator'
import type { PinOptions } from '@postern/authenticators/pin/server'
import type { PushPort } from '@postern/authenticators/push/port'
import type { PosternEvent } from '@postern/core/events'
import type { KeyRing } from '@postern/core/keyRing'
import type { Sealer } from '@postern/core/sealed'
import type { PolicyDocument } from '@postern/policy/document'
import type { Decision } from '@postern/policy/evaluate'
import type { PinPolicy } from '@postern/policy/pin/policy'
import type { acceptLoss, Runtime } from '@postern/store'
import type { AuthorizationServer } from '@postern/tokens'
import type { ClientConfig, ClientPort } from '@postern/tokens/clients'
import type { ConfigInput } from '@postern/tokens/config'
import type { InteractionPort } from '@postern/tokens/interaction'
import type { KeySource } from '@postern/tokens/keys'
import type { OperatorTrust } from '../admin.js'
import type { HostContext } from '../node.js'
import type { Registrar } from '../registration.js'
import type { Facts } from './facts.js'
import type { Readiness } from './ready.js'
import type { RiskPort } from './risk.js'

export interface PlatformOptions {
  /** The exact `iss`, a URL without trailing slash; `Host` and `X-Forwarded-*` are never consulted. https, or http on a loopback host. */
  readonly issuer: string
  readonly tenant: string
  readonly runtime: Runtime
  /** Keys of this process, or those in the store (`keysInStore`), which turn while it runs and know of a restore. */
  readonly keys: KeyRing | KeySource
  /** Levels as on the wire, weakest first; policy's integer n is the n-th, 0 is none. */
  readonly acr: readonly [string, ...string[]]
  /** Audience → settings of the APIs that tokens are for; the first is the default. */
  readonly resources: NonNullable<ConfigInput['resources']>
  /** Scopes beside the platform's own `enrol`, `openid`, `offline_access`, and `mobile-auth` for clients that ask for confirmations. */
  readonly scopes: readonly string[]
  /** Clients besides app instances: portals, resource servers. */
  readonly clients?: readonly ClientConfig[]
  /** Such clients that are kept in the store and may register themselves (`clientsInStore`); those of `clients` come first. */
  readonly registeredClients?: ClientPort
  /** The host's login page, for registration in the browser. */
  readonly identity?: InteractionPort
  readonly registrars?: Readonly<Record<string, Registrar>>
  /** Beside or instead of PIN, device key and biometrics, which are `own`. Order = default preference. */
  readonly authenticators?: (own: readonly Authenticator[], kit: AuthenticatorKit) => readonly Authenticator[]
  readonly pin?: Pick<PinOptions, 'maxAttempts' | 'onExhausted' | 'maxFailures' | 'suites'>
  readonly pinPolicy?: PinPolicy
  readonly evidence?: readonly EvidenceVerifier[]
  /** How old evidence may be, ms by source; default an hour for what the app says of itself. */
  readonly evidenceMaxAgeMs?: Partial<Record<Source, number>>
  /** The highest level of an instance whose platform nobody verified; default the weakest. */
  readonly unverifiedAcr?: string
  /** The policy to publish where none is in force yet. */
  readonly policy: (schema: string) => PolicyDocument
  readonly risk?: RiskPort
  readonly operators?: OperatorTrust
  /** Push services that wake phones for a confirmation; each says which endpoints it serves. The list is there without them. */
  readonly push?: readonly PushPort[]
  /** How long a transaction is kept after its end, and its evidence with it, days; default for ever. */
  readonly keepTransactionsDays?: number
  readonly limits?: { readonly devicesPerUser?: number; readonly freshSec?: number }
  /** Run on a store that may forget acknowledged writes at failover. */
  readonly [acceptLoss]?: true
}

/**
 * What further authenticators of the tenant are made of: `createWebauthn({ rp, origins, ...kit })`, `createOtp(kit)`,
 * `createSentCode({ deliver, timer, ...kit })`, `createCustom(definition, { timer, ...kit })`.
 */
export interface AuthenticatorKit {
  /** For handles; its keys live for hours. */
  readonly seal: Sealer
  /** For what is kept; its keys outlive it. */
  readonly atRest: Sealer
  readonly secrets: KeyRing
  readonly runtime: Runtime
  /** Whose enrolment it is: the subject behind `owner` and `data` of a message to deliver. @throws PosternError `store.corrupt` */
  subjectOf(enrolment: { readonly owner: string; readonly data: Uint8Array }): Promise<string>
}

export interface Platform {
  /** Everything below the issuer's path. */
  readonly fetch: (request: Request, host?: HostContext) => Promise<Response>
  /** What must answer at the host's root (RFC 8414 §3.1); `null` when it is none of ours. */
  readonly wellKnown: (request: Request, host?: HostContext) => Promise<Response | null>
  /** Ends a browser interaction that a page of the host has decided. */
  readonly resume: AuthorizationServer['resume']
  /** For the host's own code: one decision of the policy in force. */
  decide(action: string, facts: Facts): Promise<Decision>
  /** Takes over events that did not happen here: a history, or the host's own. Counted once each, by id. */
  record(events: readonly PosternEvent[]): Promise<void>
  /** Whether this node may serve; for the host's load balancer. */
  ready(): Promise<Readiness>
  /** Ships what a crash left in the outbox and removes what expired; the only work in the background. */
  sweep(now: number, budgetMs: number): Promise<{ readonly shipped: number; readonly removed: number }>
  close(): Promise<void>
}
