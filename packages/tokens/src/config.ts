/** What one issuer offers and how long things live. */
import type { SignAlg } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { MAX_ACCESS_SEC } from './internal/plan.js'
import { isScopeToken } from './internal/scope.js'
import { DEFAULT_ALGS } from './jose.js'

/** A public client without DPoP gets bearer refresh tokens, which whoever copies them can use. Pass only for clients that cannot do DPoP. */
export const allowBearerPublicClients: unique symbol = Symbol('postern.allowBearerPublicClients')

/**
 * Take client assertions whose audience is the token endpoint, as older clients write them: another server that names our endpoint as its own
 * can then have assertions made that are good here (CVE-2025-27370). Pass only while such clients are being mended.
 */
export const allowTokenEndpointAudience: unique symbol = Symbol('postern.allowTokenEndpointAudience')

/** Settings of one audience. */
export interface ResourceConfig {
  /** Seconds; default the issuer's. */
  readonly accessSec?: number
  /** Scopes that a token for it may carry; default all. */
  readonly scopes?: readonly string[]
  /** `opaque`: what a JWT would say is sealed, and introspection alone reads it. Switching ends no token. Default `jwt`. */
  readonly format?: 'jwt' | 'opaque'
}

/** An issuer's settings, complete. */
export interface IssuerConfig {
  readonly scopes: readonly string[]
  /** Weakest first. */
  readonly acrValues: readonly string[]
  /** Audience → settings. A token has one audience. */
  readonly resources: Readonly<Record<string, ResourceConfig>>
  readonly defaultResource: string
  readonly lifetimes: {
    /** Access token; 1–1800, default 300. */
    readonly accessSec: number
    /** Code; ≤ 60, the default. */
    readonly codeSec: number
    /** ID token; default 300. */
    readonly idTokenSec: number
    /** Pushed request; default 90. */
    readonly parSec: number
    /** From the first page to the decision; default 1800, which is the most. */
    readonly interactionSec: number
    /** Refresh family, at most; default 90 days, ≤ 365. */
    readonly familySec: number
    /** Refresh family without use; default 30 days. */
    readonly familyIdleSec: number
  }
  /** How long a lost refresh may be repeated: default 3600 sender-constrained, 60 otherwise. */
  readonly graceSec: { readonly bound: number; readonly bearer: number }
  /** What a refresh token seen again does: `revoke` its family (default), or `refuse` alone (sender-constrained families only). */
  readonly onReuse: 'revoke' | 'refuse'
  /** For client assertions and proofs; default ES256, EdDSA, Ed25519. */
  readonly algs: readonly SignAlg[]
  readonly requirePar: boolean
  /** Where the same paths answer behind a listener that asks for client certificates (RFC 8705 §5), as the issuer is written. Default: the issuer's own does. */
  readonly mtlsBase?: string
  /** Scopes, or types of `authorization_details`, that one grant may use so many times (`usePermission`). */
  readonly limitedUse?: Readonly<Record<string, number>>
  /** Authorization requests count only as signed request objects (RFC 9101 §10.5), which `IssuerContext.jar` reads. Default false. */
  readonly requireSignedRequest: boolean
  /** Authorization responses are signed (JARM) by `IssuerContext.jarm`; a request for another mode is refused. Default false. */
  readonly requireSignedResponse: boolean
  /** Introspection answers in signed JWTs alone (RFC 9701). Default false. */
  readonly requireSignedIntrospection: boolean
  /** Every access token is bound to a DPoP key or a client certificate. Default false. */
  readonly requireBoundTokens: boolean
  /** `token_endpoint_auth_method`s that count here, `none` among them or not; default all that the issuer was given, and `none`. */
  readonly authMethods?: readonly string[]
  readonly [allowBearerPublicClients]?: true
  readonly [allowTokenEndpointAudience]?: true
}

/** What a host states; the rest has defaults. */
export type ConfigInput = Partial<Omit<IssuerConfig, 'lifetimes' | 'graceSec'>> & {
  readonly defaultResource: string
  readonly lifetimes?: Partial<IssuerConfig['lifetimes']>
  readonly graceSec?: Partial<IssuerConfig['graceSec']>
}

const DAY = 86_400
const MOST: IssuerConfig['lifetimes'] = {
  accessSec: MAX_ACCESS_SEC,
  codeSec: 60,
  idTokenSec: 3600,
  parSec: 600,
  interactionSec: 1800,
  familySec: 365 * DAY,
  familyIdleSec: 365 * DAY,
}

/**
 * A configuration with its defaults filled in, checked once.
 * @throws PosternError `tokens.config`
 */
export function parseConfig(input: ConfigInput): IssuerConfig {
  const { defaultResource, lifetimes, graceSec } = input
  const config: IssuerConfig = {
    scopes: ['openid', 'offline_access'],
    acrValues: [],
    resources: { [defaultResource]: {} },
    onReuse: 'revoke',
    algs: DEFAULT_ALGS,
    requirePar: false,
    requireSignedRequest: false,
    requireSignedResponse: false,
    requireSignedIntrospection: false,
    requireBoundTokens: false,
    ...input,
    lifetimes: {
      accessSec: 300,
      codeSec: 60,
      idTokenSec: 300,
      parSec: 90,
      interactionSec: 1800,
      familySec: 90 * DAY,
      familyIdleSec: 30 * DAY,
      ...lifetimes,
    },
    graceSec: { bound: 3600, bearer: 60, ...graceSec },
  }
  for (const [name, most] of Object.entries(MOST)) {
    const value = config.lifetimes[name as keyof typeof MOST]
    if (!(Number.isInteger(value) && value >= 1 && value <= most))
      throw wrong(`lifetimes.${name} is ${value}; 1 to ${most} is allowed`)
  }
  for (const [name, { accessSec = 1 }] of Object.entries(config.resources)) {
    if (!URL.canParse(name) || name.includes('#'))
      throw wrong(`the resource ${name} is not an absolute URI without fragment (RFC 8707 §2)`)
    if (!(Number.isInteger(accessSec) && accessSec >= 1 && accessSec <= MOST.accessSec))
      throw wrong(`resources.${name}.accessSec`)
  }
  if (!Object.hasOwn(config.resources, defaultResource)) throw wrong('defaultResource is not among the resources')
  if (Object.values(config.limitedUse ?? {}).some((uses) => !(Number.isInteger(uses) && uses >= 1))) throw wrong('limitedUse')
  if (!config.scopes.every(isScopeToken)) throw wrong('a scope has a character that RFC 6749 §3.3 does not allow')
  if (Object.values(config.graceSec).some((value) => !(Number.isInteger(value) && value >= 0 && value <= DAY)))
    throw wrong('graceSec')
  return config
}

const FAPI_ALGS: readonly SignAlg[] = ['ES256', 'PS256', 'EdDSA', 'Ed25519']

/**
 * Settings in the manner of the FAPI 2.0 Security Profile, to be given to {@link parseConfig}: pushed requests, PKCE, sender-constrained
 * tokens, `private_key_jwt` or mTLS alone, ES256, PS256 or EdDSA. With `messageSigning` also request objects (`IssuerContext.jar`), signed
 * responses (`jarm`) and signed introspection. A configuration, no claim of certification: the profile wants refresh tokens that do not
 * rotate, ours do; and what clients and the key ring hold is the host's to choose (an issuer's key of ES256, PS256 or Ed25519).
 * @throws PosternError `tokens.config` when the input contradicts it
 */
export function fapi2(input: ConfigInput, { messageSigning = false }: { readonly messageSigning?: boolean } = {}): ConfigInput {
  const { algs = FAPI_ALGS, lifetimes } = input
  if (input[allowBearerPublicClients] === true) throw wrong('fapi2 has no public clients')
  if (algs.some((alg) => !FAPI_ALGS.includes(alg))) throw wrong(`fapi2 allows ${FAPI_ALGS.join(', ')} alone`)
  if ((lifetimes?.parSec ?? 0) >= 600) throw wrong('lifetimes.parSec must be below 600 with fapi2')
  return {
    ...input,
    algs,
    requirePar: true,
    requireBoundTokens: true,
    authMethods: ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'],
    ...(messageSigning && { requireSignedRequest: true, requireSignedResponse: true, requireSignedIntrospection: true }),
  }
}

function wrong(publicMessage: string): PosternError<'tokens.config'> {
  return new PosternError('tokens.config', { publicMessage })
}
