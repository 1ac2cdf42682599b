/** The front door: OAuth 2.1 and OpenID Connect as one function over `Request`. */
import { PosternError } from '@postern/core/errors'
import { authorizeEndpoint, resumeAuthorization } from './authorize.js'
import { challengeEndpoint } from './challenge.js'
import type { GrantType } from './grant.js'
import type { Decision } from './interaction.js'
import { defaultAuth } from './internal/authenticate.js'
import { type PathName, paths } from './internal/endpoint.js'
import { empty, errorReply } from './internal/http.js'
import { introspectEndpoint } from './introspect.js'
import type { Handler, HostContext, IssuerContext, ResolveIssuer } from './issuer.js'
import { jwksEndpoint } from './jwks.js'
import { metadataEndpoint } from './metadata.js'
import { parEndpoint } from './par.js'
import { registerEndpoint } from './register.js'
import { revokeEndpoint } from './revoke.js'
import { defaultGrants, tokenEndpoint } from './token.js'
import { userinfoEndpoint } from './userinfo.js'

export interface ServerOptions {
  readonly resolveIssuer: ResolveIssuer
  /** Default code, refresh, client credentials. */
  readonly grants?: readonly GrantType[]
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
  readonly handlers: Readonly<Record<EndpointName, Handler>>
}

const AUTHORIZATION_SERVER = '/.well-known/oauth-authorization-server'
const OPENID = '/.well-known/openid-configuration'
const PLAIN_HTTPS = /^https:\/\/[a-z0-9.-]+(?::\d+)?(?:\/[A-Za-z0-9._~-]+)*$/

/** An authorization server for every issuer that `resolveIssuer` knows. */
export function createAuthorizationServer({ resolveIssuer, grants = defaultGrants }: ServerOptions): AuthorizationServer {
  const offered = {
    grantTypes: grants.map(({ grantType }) => grantType),
    authMethods: defaultAuth.flatMap(({ methods }) => methods),
  }
  const handlers: Record<EndpointName, Handler> = {
    authorize: authorizeEndpoint(),
    par: parEndpoint(),
    challenge: challengeEndpoint(),
    token: tokenEndpoint({ grants }),
    userinfo: userinfoEndpoint(),
    introspect: introspectEndpoint(),
    revoke: revokeEndpoint(),
    register: registerEndpoint(),
    jwks: jwksEndpoint(),
    metadata: metadataEndpoint(offered),
  }
  const byPath = new Map(Object.entries(paths).map(([name, path]) => [path as string, handlers[name as PathName]]))

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
      return errorReply(error)
    }
  }
  function route(path: string, context: IssuerContext): Handler | null {
    if (path === AUTHORIZATION_SERVER || path === OPENID) return handlers.metadata
    const managed = path.startsWith('/register/') && context.clients.admit !== undefined
    return managed ? handlers.register : (byPath.get(path) ?? null)
  }

  return {
    handlers,
    async fetch(request, host) {
      const reply = await guarded(request, host, async (context) => {
        const base = context.basePath ?? pathOf(context.issuer)
        const path = pathOf(request.url)
        if (!path.startsWith(base)) return null
        return (await route(path.slice(base.length), context)?.(request, context)) ?? null
      })
      return reply ?? empty(404)
    },
    wellKnown: (request, host) =>
      guarded(request, host, async (context) => {
        const path = pathOf(request.url)
        const issuerPath = pathOf(context.issuer)
        const ours = [AUTHORIZATION_SERVER + issuerPath, issuerPath + OPENID, OPENID + issuerPath]
        return ours.includes(path) ? handlers.metadata(request, context) : null
      }),
    async resume(handle, decision, request, host) {
      return (await guarded(request, host, (context) => resumeAuthorization(handle, decision, request, context))) ?? empty(404)
    },
  }
}

/** An issuer that never changes. @throws PosternError `tokens.config` */
export function fixedIssuer(context: IssuerContext): ResolveIssuer {
  checkIssuer(context.issuer)
  return () => context
}

/** RFC 8414 §2: https without query or fragment; http on a loopback host alone. No trailing slash, so that one issuer has one name. */
function checkIssuer(issuer: string): void {
  if (PLAIN_HTTPS.test(issuer)) return
  const url = URL.canParse(issuer) ? new URL(issuer) : null
  const loopback = url?.protocol === 'http:' && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
  if (url === null || !(url.protocol === 'https:' || loopback) || /[?#]|\/$/.test(issuer))
    throw new PosternError('tokens.config', {
      publicMessage: 'The issuer must be an https URL without query, fragment or trailing slash.',
    })
}

/** The path of an absolute URL as it is written, without query; `/` alone is the empty path. */
function pathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3)
  if (start < 0) return ''
  const end = url.slice(start).search(/[?#]/)
  const path = end < 0 ? url.slice(start) : url.slice(start, start + end)
  return path === '/' ? '' : path
}
