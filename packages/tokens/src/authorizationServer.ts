/** The front door: OAuth 2.1 and OpenID Connect as one function over `Request`. */
import type { GrantType } from './grant.js'
import type { Decision } from './interaction.js'
import type { Handler, HostContext, IssuerContext, ResolveIssuer } from './issuer.js'

export interface ServerOptions {
  readonly resolveIssuer: ResolveIssuer
  /** Default code, refresh, client credentials. */
  readonly grants?: readonly GrantType[]
}

export type EndpointName =
  | 'authorize'
  | 'par'
  | 'challenge'
  | 'token'
  | 'userinfo'
  | 'introspect'
  | 'revoke'
  | 'register'
  | 'jwks'
  | 'metadata'

export interface AuthorizationServer {
  /** Every endpoint below the issuer's path; 404 for anything else. */
  fetch(request: Request, host?: HostContext): Promise<Response>
  /** What must answer at the host's root (RFC 8414 §3.1); `null` when it is none of ours. */
  wellKnown(request: Request, host?: HostContext): Promise<Response | null>
  /** Ends an interaction that a page of the host has decided; answers with the redirect. */
  resume(handle: string, decision: Decision, request: Request, host?: HostContext): Promise<Response>
  /** The endpoints one by one, for hosts that route themselves. */
  readonly handlers: Readonly<Record<EndpointName, Handler>>
}

/** An authorization server for every issuer that `resolveIssuer` knows. */
export declare function createAuthorizationServer(options: ServerOptions): AuthorizationServer

/** An issuer that never changes. */
export declare function fixedIssuer(context: IssuerContext): ResolveIssuer
