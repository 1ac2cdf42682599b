/** The issuer of one request: everything that differs between tenants is an argument, so one process serves many and rotates keys while running. */
import { PosternError } from '@postern/core/errors'
import type { KeyRing } from '@postern/core/keyRing'
import type { Runtime } from '@postern/store'
import type { ChallengePort } from './challenge.js'
import type { CibaPort } from './ciba.js'
import type { ClientAuthMethod } from './clientAuth.js'
import type { ClientPort } from './clients.js'
import type { IssuerConfig } from './config.js'
import type { DevicePort } from './device.js'
import type { ExchangePort } from './grants/exchange.js'
import type { TrustedIssuer } from './grants/jwtBearer.js'
import type { InteractionPort } from './interaction.js'
import { AUTHORIZATION_SERVER, checkIssuer, OPENID, pathOf } from './internal/issuerUrl.js'
import type { RequestObjects } from './jar.js'
import type { SignedResponses } from './jarm.js'
import type { Jwe } from './jwe.js'
import type { LogoutPort } from './logout.js'
import type { DetailTypes } from './rar.js'
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
  /** Request objects, from `/jar`. Without it they are refused. */
  readonly jar?: RequestObjects
  /** Signed authorization responses, from `/jarm`. Without it their modes are refused. */
  readonly jarm?: SignedResponses
  /** Encrypted tokens, from `/jwe`. Without it none are read or made. */
  readonly jwe?: Jwe
  /** Types of `authorization_details`, from `/rar`. Without it the parameter is ignored. */
  readonly details?: DetailTypes
  /** The device grant (RFC 8628). Without it `deviceAuthorization` and its metadata are absent. */
  readonly device?: DevicePort
  /** Backchannel authentication (CIBA). Without it `backchannelAuthentication` and its metadata are absent. */
  readonly ciba?: CibaPort
  /** Logout (RP-initiated and back-channel). Without it `endSession` and its metadata are absent. */
  readonly logout?: LogoutPort
  /** Who may exchange what (RFC 8693, Native SSO). Without it the grant is absent. */
  readonly exchange?: ExchangePort
  /** Whose assertions are grants (RFC 7523 §2.1). Without any the grant is absent. */
  readonly trustedIssuers?: readonly TrustedIssuer[]
  /** Path below which the endpoints answer; default the issuer's own path. Stripped exactly once. */
  readonly basePath?: string
  /** Bumped after a restore to an earlier point: handles of another epoch no longer open. Default `'0'`. */
  readonly restoreEpoch?: string
  /** Bounds a call that leaves the process: a signal that aborts after `ms`. Default `AbortSignal.timeout`. */
  readonly deadline?: (ms: number) => AbortSignal
  readonly host?: HostContext
}

/** One endpoint: a function of the request and its issuer. */
export type Handler = (request: Request, context: IssuerContext) => Promise<Response>

/** Which issuer a request is for; `null` answers 404 before anything is parsed. */
export type ResolveIssuer = (request: Request, host?: HostContext) => IssuerContext | null | Promise<IssuerContext | null>

/** An issuer that never changes. @throws PosternError `tokens.config` */
export function fixedIssuer(context: IssuerContext): ResolveIssuer {
  checkIssuer(context.issuer)
  return () => context
}

const NAME = /^[A-Za-z0-9._~-]{1,64}$/

/**
 * Many issuers of one process, told apart by the segment of the path below `base`: `https://id.example.com/bank-a`, `…/bank-b`.
 * `Host` is not consulted.
 * @param find - the issuer of a segment (`[A-Za-z0-9._~-]{1,64}`, neither `.` nor `..`), or `null`; asked for every request, so keys and configuration may turn
 * @param o.base - path before the segment; default none
 * @returns a resolver, which rejects with `tokens.config` when the issuer found lives at another path
 */
export function issuersByPath(
  find: (name: string, request: Request, host?: HostContext) => IssuerContext | null | Promise<IssuerContext | null>,
  { base = '' }: { readonly base?: string } = {},
): ResolveIssuer {
  return async (request, host) => {
    const path = pathOf(request.url)
    // RFC 8414 §3.1 puts the well-known segment before the issuer's path.
    const start = [AUTHORIZATION_SERVER, OPENID].find((prefix) => path.startsWith(`${prefix}/`)) ?? ''
    const below = path.slice(start.length)
    if (!below.startsWith(`${base}/`)) return null
    const name = below.slice(base.length + 1).split('/', 1)[0]!
    // Whatever is written in another way (`%2e`, `..;`, an empty segment) names nobody.
    if (!NAME.test(name) || /^\.\.?$/.test(name)) return null
    const context = await find(name, request, host)
    const home = context === null ? null : ((start === '' ? context.basePath : undefined) ?? pathOf(context.issuer))
    if (home !== null && home !== `${base}/${name}`)
      throw new PosternError('tokens.config', { publicMessage: 'The issuer found for this path says that it lives at another.' })
    return context
  }
}
