/** The front door: OAuth 2.1 and OpenID Connect as one function over `Request`. */
import { authorizeEndpoint, resumeAuthorization } from './authorize.js'
import { challengeEndpoint } from './challenge.js'
import type { Endpoint } from './endpoint.js'
import type { GrantType } from './grant.js'
import type { Decision } from './interaction.js'
import { type PathName, paths } from './internal/endpoint.js'
import { empty, errorReply, likeIts } from './internal/http.js'
import { AUTHORIZATION_SERVER, checkIssuer, OPENID, pathOf } from './internal/issuerUrl.js'
import { resumeRevocations } from './internal/revokeEverywhere.js'
import { introspectEndpoint } from './introspect.js'
import type { Handler, HostContext, IssuerContext, ResolveIssuer } from './issuer.js'
import { jwksEndpoint } from './jwks.js'
import { metadataEndpoint } from './metadata.js'
import { parEndpoint } from './par.js'
import { revokeEndpoint } from './revoke.js'
import { defaultGrants, tokenEndpoint } from './token.js'
import { userinfoEndpoint } from './userinfo.js'

export interface ServerOptions {
  readonly resolveIssuer: ResolveIssuer
  /** Default code, refresh, client credentials. */
  readonly grants?: readonly GrantType[]
  /** Beyond those that every server has: `registration`, `deviceAuthorization`, `backchannelAuthentication`, `endSession`. */
  readonly endpoints?: readonly Endpoint[]
}

export type EndpointName = PathName | 'metadata'

export interface AuthorizationServer {
  /** Every endpoint below the issuer's path; 404 for anything else. */
  fetch(request: Request, host?: HostContext): Promise<Response>
  /** What must answer at the host's root (RFC 8414 §3.1); `null` when it is none of ours. */
  wellKnown(request: Request, host?: HostContext): Promise<Response | null>
  /** Ends an interaction that a page of the host has decided; answers with the redirect. */
  resume(handle: string, decision: Decision, request: Request, host?: HostContext): Promise<Response>
  /** The endpoints one by one, for hosts that route themselves. */
  readonly handlers: Readonly<Partial<Record<EndpointName, Handler>>>
  /**
   * What a crash or a receiver that was down has left over for one issuer (callbacks of CIBA and logout). Call it from a timer.
   * @returns how much was done
   */
  sweep(context: IssuerContext): Promise<number>
}

/** An authorization server for every issuer that `resolveIssuer` knows. */
export function createAuthorizationServer({
  resolveIssuer,
  grants = defaultGrants,
  endpoints = [],
}: ServerOptions): AuthorizationServer {
  const all = [...standardEndpoints(grants), ...endpoints]
  const metadata = metadataEndpoint({ grants, endpoints: all })
  const byPath = new Map(all.map((one) => [paths[one.name] as string, one]))
  const handlers = { ...Object.fromEntries(all.map(({ name, handle }) => [name, handle])), metadata }

  async function contextOf(request: Request, host: HostContext | undefined): Promise<IssuerContext | null> {
    const context = await resolveIssuer(request, host)
    if (context !== null) checkIssuer(context.issuer)
    return context === null || host === undefined ? context : { ...context, host }
  }
  async function guarded(
    request: Request,
    host: HostContext | undefined,
    run: (context: IssuerContext) => Promise<Response | null>,
  ): Promise<Response | null> {
    try {
      const context = await contextOf(request, host)
      return context === null ? null : await run(context)
    } catch (error) {
      return likeIts(request, errorReply(error))
    }
  }
  function route(path: string, context: IssuerContext): Handler | null {
    if (path === AUTHORIZATION_SERVER || path === OPENID) return metadata
    const found = byPath.get(path) ?? all.find((one) => one.below === true && path.startsWith(`${paths[one.name]}/`))
    return found === undefined || found.offered?.(context) === false ? null : found.handle
  }

  function handlerOf(request: Request, context: IssuerContext): Handler | null {
    const base = context.basePath ?? pathOf(context.issuer)
    const path = pathOf(request.url)
    return path.startsWith(base) ? route(path.slice(base.length), context) : null
  }

  return {
    handlers,
    async fetch(request, host) {
      try {
        const context = await contextOf(request, host)
        const handle = context === null ? null : handlerOf(request, context)
        return handle === null || context === null ? empty(404) : await handle(request, context)
      } catch (error) {
        return likeIts(request, errorReply(error))
      }
    },
    wellKnown: (request, host) =>
      guarded(request, host, async (context) => {
        const path = pathOf(request.url)
        const issuerPath = pathOf(context.issuer)
        const ours = [AUTHORIZATION_SERVER + issuerPath, issuerPath + OPENID, OPENID + issuerPath]
        return ours.includes(path) ? metadata(request, context) : null
      }),
    async resume(handle, decision, request, host) {
      return (await guarded(request, host, (context) => resumeAuthorization(handle, decision, request, context))) ?? empty(404)
    },
    async sweep(context) {
      let done = 0
      for (const { sweep } of all) done += (await sweep?.(context)) ?? 0
      return done
    },
  }
}

/** What every authorization server has. */
function standardEndpoints(grants: readonly GrantType[]): readonly Endpoint[] {
  const browser = ({ interaction }: IssuerContext) => interaction !== undefined
  return [
    { name: 'authorize', handle: authorizeEndpoint(), metadataName: 'authorization_endpoint', offered: browser },
    {
      name: 'par',
      handle: parEndpoint(),
      metadataName: 'pushed_authorization_request_endpoint',
      offered: browser,
      announce: ({ config }) => ({ require_pushed_authorization_requests: config.requirePar }),
    },
    {
      name: 'challenge',
      handle: challengeEndpoint(),
      metadataName: 'authorization_challenge_endpoint',
      offered: ({ challenge }) => challenge !== undefined,
    },
    { name: 'token', handle: tokenEndpoint({ grants }), metadataName: 'token_endpoint' },
    { name: 'userinfo', handle: userinfoEndpoint(), metadataName: 'userinfo_endpoint' },
    { name: 'introspect', handle: introspectEndpoint(), metadataName: 'introspection_endpoint' },
    {
      name: 'revoke',
      handle: revokeEndpoint(),
      metadataName: 'revocation_endpoint',
      sweep: async (context) => (context.runtime.store.outbox === undefined ? 0 : resumeRevocations(context)),
    },
    { name: 'jwks', handle: jwksEndpoint(), metadataName: 'jwks_uri' },
  ]
}
