/** What one issuer offers and how long things live. */
import type { SignAlg } from '@postern/core/cryptoPort'

/** A public client without DPoP gets bearer refresh tokens, which whoever copies them can use. Pass only for clients that cannot do DPoP. */
export const allowBearerPublicClients: unique symbol = Symbol('postern.allowBearerPublicClients')

export interface ResourceConfig {
  /** Default the issuer's. Seconds. */
  readonly accessSec?: number
  /** Scopes that a token for it may carry; default all. */
  readonly scopes?: readonly string[]
}

export interface IssuerConfig {
  readonly scopes: readonly string[]
  /** Weakest first. */
  readonly acrValues: readonly string[]
  /** Audience → settings. A token has one audience. */
  readonly resources: Readonly<Record<string, ResourceConfig>>
  readonly defaultResource: string
  readonly lifetimes: {
    /** Access token; default 300. */
    readonly accessSec: number
    /** Code; ≤ 60, the default. */
    readonly codeSec: number
    readonly idTokenSec: number
    readonly parSec: number
    readonly interactionSec: number
    /** Refresh family, at most, default 90 days. */
    readonly familySec: number
    /** Refresh family without use, default 30 days. */
    readonly familyIdleSec: number
  }
  /** How long a lost refresh may be repeated: 3600 sender-constrained, 60 otherwise. */
  readonly graceSec: { readonly bound: number; readonly bearer: number }
  /** What a refresh token seen again does: `revoke` its family, or `refuse` alone (sender-constrained families only). */
  readonly onReuse: 'revoke' | 'refuse'
  /** For client assertions and proofs. */
  readonly algs: readonly SignAlg[]
  readonly requirePar: boolean
  readonly [allowBearerPublicClients]?: true
}

export type ConfigInput = Partial<Omit<IssuerConfig, 'lifetimes' | 'graceSec'>> & {
  readonly defaultResource: string
  readonly lifetimes?: Partial<IssuerConfig['lifetimes']>
  readonly graceSec?: Partial<IssuerConfig['graceSec']>
}

/**
 * A configuration with its defaults filled in, checked once.
 * @throws PosternError `tokens.config`
 */
export declare function parseConfig(input: ConfigInput): IssuerConfig
