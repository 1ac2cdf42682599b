/** What one issuer offers and how long things live. */
import type { SignAlg } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { isScopeToken } from './internal/scope.js'
import { DEFAULT_ALGS } from './jose.js'

/** A public client without DPoP gets bearer refresh tokens, which whoever copies them can use. Pass only for clients that cannot do DPoP. */
export const allowBearerPublicClients: unique symbol = Symbol('postern.allowBearerPublicClients')

/** Settings of one audience. */
export interface ResourceConfig {
  /** Seconds; default the issuer's. */
  readonly accessSec?: number
  /** Scopes that a token for it may carry; default all. */
  readonly scopes?: readonly string[]
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
  readonly [allowBearerPublicClients]?: true
}

/** What a host states; the rest has defaults. */
export type ConfigInput = Partial<Omit<IssuerConfig, 'lifetimes' | 'graceSec'>> & {
  readonly defaultResource: string
  readonly lifetimes?: Partial<IssuerConfig['lifetimes']>
  readonly graceSec?: Partial<IssuerConfig['graceSec']>
}

const DAY = 86_400
const MOST: IssuerConfig['lifetimes'] = {
  accessSec: 1800,
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
  if (!config.scopes.every(isScopeToken)) throw wrong('a scope has a character that RFC 6749 §3.3 does not allow')
  if (Object.values(config.graceSec).some((value) => !(Number.isInteger(value) && value >= 0 && value <= DAY)))
    throw wrong('graceSec')
  return config
}

function wrong(publicMessage: string): PosternError<'tokens.config'> {
  return new PosternError('tokens.config', { publicMessage })
}
