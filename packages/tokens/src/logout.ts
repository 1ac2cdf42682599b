/** The end of a browser session: RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0), back-channel logout, and the host's own button. */
import { PosternError } from '@postern/core/errors'
import { parseForm } from '@postern/core/form'
import { readJws, verifyJws } from '@postern/core/jws'
import type { Client } from './clients.js'
import type { Endpoint } from './endpoint.js'
import { clientOf } from './internal/asked.js'
import { bounded } from './internal/authorizationRequest.js'
import { tellRefusal } from './internal/endpoint.js'
import { endSession as end, sweepLogouts } from './internal/endSession.js'
import { openHandle, sealHandle } from './internal/handles.js'
import { empty, readForm } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { subjectFor } from './internal/pairwise.js'
import { withQuery } from './internal/redirect.js'
import { wireError } from './internal/wire.js'
import type { IssuerContext } from './issuer.js'
import { idTokenRules, textClaim } from './jose.js'

/** A browser session of the host, as its logins named it. */
export interface LogoutSession {
  readonly subject: string
  /** `Login.sid`. */
  readonly sid: string
}

/** What the page that asks needs to know. */
export interface LogoutPrompt {
  /** Sealed; hand it to {@link resumeLogout} within 10 min, when the user has said yes. */
  readonly handle: string
  /** Who sent the browser here; `null`: nobody said. */
  readonly client: Client | null
  readonly uiLocales: readonly string[]
}

/** The host's side of logout: its cookie and its pages. */
export interface LogoutPort {
  /** The session of this browser by the host's own cookie, or `null`. */
  session(request: Request): Promise<LogoutSession | null>
  /** Asks whether to log out: no relying party has shown that it was part of this very session. Its form must be safe from forgery. */
  confirm(prompt: LogoutPrompt, request: Request): Promise<Response>
  /** The page after the end, and with it the header that takes the cookie away; where the browser is led on, of the reply its `Set-Cookie` alone counts. */
  ended(request: Request): Promise<Response>
  /** The error page for requests that lead nowhere. */
  error(e: { readonly code: string; readonly publicMessage: string }, request: Request): Promise<Response>
}

interface Asked {
  readonly session: LogoutSession
  readonly redirect: string | null
  /** Ms. */
  readonly exp: number
}

const CONFIRM_MS = 600_000

/** RP-initiated and back-channel logout, for `createAuthorizationServer({ endpoints })`; offered where `IssuerContext.logout` is. */
export const endSession: Endpoint = {
  name: 'logout',
  handle: (request, context) => paged(request, context, (port) => begin(request, context, port)),
  metadataName: 'end_session_endpoint',
  offered: ({ logout }) => logout !== undefined,
  announce: () => ({ backchannel_logout_supported: true, backchannel_logout_session_supported: true }),
  sweep: async (context) => (context.runtime.store.outbox === undefined ? 0 : sweepLogouts(context)),
}

/**
 * Ends a session for the host's own reasons, a button among them: its refresh tokens and access tokens but those of `offline_access`, and
 * every client with a back-channel logout URI is told.
 * @throws PosternError `store.*`: call again
 */
export function logOut(session: LogoutSession, context: IssuerContext): Promise<void> {
  return end({ subject: session.subject, sid: session.sid }, context)
}

/** The user has said yes on the page of {@link LogoutPort.confirm}, in a browser that still has that session. */
export function resumeLogout(handle: string, request: Request, context: IssuerContext): Promise<Response> {
  return paged(request, context, async (port) => {
    const asked = await openHandle<Asked>(kitOf(context), 'logout', handle)
    if (asked === null || asked.exp <= context.runtime.clock()) throw refuse('handle')
    const session = await port.session(request)
    if (session !== null && !same(session, asked.session)) throw refuse('session') // a handle from another login
    return conclude(session, asked.redirect, request, context, port)
  })
}

async function begin(request: Request, context: IssuerContext, port: LogoutPort): Promise<Response> {
  if (request.method !== 'GET' && request.method !== 'POST') throw new PosternError('request.method')
  const form = request.method === 'POST' ? await readForm(request) : parseForm(new URL(request.url).search.slice(1))
  const hint = await readHint(form.get('id_token_hint'), context)
  const id = form.get('client_id') ?? hint?.clientId
  if (hint !== null && id !== hint.clientId) throw refuse('client') //                                   §2: they must agree
  const client = id === undefined ? null : await clientOf(id, context)
  const redirect = redirectOf(form, client)
  const session = await port.session(request)
  // Nobody is logged in here: nothing ends and nobody can be asked.
  if (session === null) return conclude(null, redirect, request, context, port)
  const shown = hint === null || client === null ? null : await subjectFor(kitOf(context), session.subject, client)
  if (hint !== null && hint.sid === session.sid && hint.sub === shown) return conclude(session, redirect, request, context, port)
  const { subject, sid } = session
  const asked: Asked = { session: { subject, sid }, redirect, exp: context.runtime.clock() + CONFIRM_MS }
  const handle = await sealHandle(kitOf(context), 'logout', asked)
  return port.confirm({ handle, client, uiLocales: (form.get('ui_locales') ?? '').split(' ').filter(Boolean) }, request)
}

/** An ID token of ours, expired or not: who was logged in where. */
async function readHint(
  text: string | undefined,
  context: IssuerContext,
): Promise<{ readonly clientId: string; readonly sub: string; readonly sid: string | null } | null> {
  if (text === undefined) return null
  const { runtime, issuer } = context
  const jws = readJws(text, idTokenRules())
  const key = jws.kid === null ? null : await kitOf(context).ownKey(jws.kid, runtime.clock())
  if (key === null) throw refuse('hint.kid')
  const claims = await verifyJws(runtime.crypto, jws, key)
  if (claims.iss !== issuer) throw refuse('hint.issuer')
  return {
    clientId: textClaim(claims, 'aud', 64),
    sub: textClaim(claims, 'sub', 255),
    sid: typeof claims.sid === 'string' ? claims.sid : null,
  }
}

/** §3: exactly as registered, of the client that is named; otherwise nobody is led anywhere (T11). */
function redirectOf(form: ReadonlyMap<string, string>, client: Client | null): string | null {
  const uri = form.get('post_logout_redirect_uri')
  if (uri === undefined) return null
  if (!(client?.postLogoutRedirectUris ?? []).includes(uri)) throw refuse('redirect')
  return withQuery(uri, { state: bounded(form, 'state', 1024) })
}

async function conclude(
  session: LogoutSession | null,
  redirect: string | null,
  request: Request,
  context: IssuerContext,
  port: LogoutPort,
): Promise<Response> {
  if (session !== null) await logOut(session, context)
  const page = await port.ended(request)
  const headers = new Headers(redirect === null ? page.headers : undefined)
  headers.set('cache-control', 'no-store')
  if (redirect === null) return new Response(page.body, { status: page.status, headers })
  for (const cookie of page.headers.getSetCookie()) headers.append('set-cookie', cookie)
  headers.set('location', redirect)
  return new Response(null, { status: 303, headers })
}

/** What goes wrong ends on the host's error page. */
async function paged(request: Request, context: IssuerContext, run: (port: LogoutPort) => Promise<Response>): Promise<Response> {
  const { logout: port } = context
  if (port === undefined) return empty(404)
  try {
    return await run(port)
  } catch (error) {
    tellRefusal('logout', error, context)
    const { code, description } = wireError(error)
    return port.error({ code, publicMessage: description }, request)
  }
}

function same(a: LogoutSession, b: LogoutSession): boolean {
  return a.subject === b.subject && a.sid === b.sid
}

function refuse(reason: string): PosternError<'logout.refused'> {
  return new PosternError('logout.refused', { reason: `logout.${reason}` })
}
