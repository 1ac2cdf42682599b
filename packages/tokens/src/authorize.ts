/** `/authorize` and what ends it (OAuth 2.1 §4.1, RFC 9101 §6, RFC 9126 §4, RFC 9207): the request, the host's pages, one code. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { equal, utf8 } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Client } from './clients.js'
import type { Decision, InteractionPort, Prompt } from './interaction.js'
import { satisfies } from './internal/acr.js'
import { type Asked, clientOf, readAsked, readParameters } from './internal/asked.js'
import { type AuthorizationRequest, redirectOf } from './internal/authorizationRequest.js'
import { bindingCookie, bindingOf, newBinding } from './internal/binding.js'
import { makeCode } from './internal/code.js'
import { commit } from './internal/commit.js'
import { narrowedDetails } from './internal/details.js'
import { tellRefusal } from './internal/endpoint.js'
import { openHandle, sealHandle } from './internal/handles.js'
import { empty } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { subjectFor } from './internal/pairwise.js'
import { type Destination, respond } from './internal/response.js'
import { malformed, wireError } from './internal/wire.js'
import type { Handler, IssuerContext } from './issuer.js'

/** What an interaction handle holds. */
interface Interaction {
  readonly jti: string
  readonly exp: number
  readonly request: AuthorizationRequest
  readonly pushed: boolean
  /** Hash of the browser's binding, base64url. */
  readonly binding: string
}

/** `GET` and `POST /authorize`. */
export function authorizeEndpoint(): Handler {
  return async (request, context) => {
    const { interaction } = context
    if (interaction === undefined) return empty(404)
    try {
      const form = await readParameters(request)
      const client = await clientOf(form.get('client_id'), context)
      const asked = await readAsked(form, client, context)
      try {
        return await begin(asked, await asked.parse(), client, request, context, interaction)
      } catch (error) {
        // The client and its redirect_uri are known good: from here errors go to it.
        return await errorResponse(error, asked.to, client, context)
      }
    } catch (error) {
      return errorPage(error, request, context, interaction)
    }
  }
}

/**
 * Ends an interaction, only in the browser that began it: a code when granted, one for each authorization request; the error otherwise.
 * A denial leaves no mark: until it expires, the same handle or `request_uri` may still be granted.
 * @returns the redirect, or the host's error page
 */
export async function resumeAuthorization(
  handle: string,
  decision: Decision,
  request: Request,
  context: IssuerContext,
): Promise<Response> {
  const { interaction, runtime } = context
  if (interaction === undefined) return empty(404)
  try {
    const opened = await openHandle<Interaction>(kitOf(context), 'interaction', handle)
    if (opened === null || opened.exp <= runtime.clock())
      throw malformed('This login has expired. Go back to the app and start again.')
    const binding = bindingOf(request, context)
    // T48: a handle in another browser is a login somebody else began.
    if (binding === null || !equal(await hashOf(binding, context), decodeBase64url(opened.binding) ?? new Uint8Array(0)))
      throw malformed('This login was begun in another browser.')
    const client = await clientOf(opened.request.clientId, context)
    redirectOf(opened.request.redirectUri, client)
    return await conclude(opened, decision, client, context)
  } catch (error) {
    return errorPage(error, request, context, interaction)
  }
}

async function begin(
  { jti, pushed }: Asked,
  parsed: AuthorizationRequest,
  client: Client,
  request: Request,
  context: IssuerContext,
  interaction: InteractionPort,
): Promise<Response> {
  const { runtime, config } = context
  const known = bindingOf(request, context)
  const binding = known ?? newBinding(context)
  const exp = runtime.clock() + config.lifetimes.interactionSec * 1000
  const opened: Interaction = { jti, exp, request: parsed, pushed, binding: encodeBase64url(await hashOf(binding, context)) }
  const handle = await sealHandle(kitOf(context), 'interaction', opened)
  const answer = await interaction.begin(promptOf(handle, parsed, client), request)
  if (!(answer instanceof Response)) return conclude(opened, answer, client, context)
  if (parsed.prompt.includes('none')) return respond(parsed, { error: 'interaction_required' }, client, context) // OpenID Connect Core §3.1.2.6
  const headers = new Headers(answer.headers)
  if (known === null) headers.append('set-cookie', bindingCookie(binding, context))
  headers.set('cache-control', 'no-store')
  return new Response(answer.body, { status: answer.status, headers })
}

async function conclude(opened: Interaction, decision: Decision, client: Client, context: IssuerContext): Promise<Response> {
  const { jti, request, pushed } = opened
  const { tenant, config, runtime } = context
  const deny = (error: string): Promise<Response> => respond(request, { error }, client, context)
  if (decision.outcome === 'denied') return deny(decision.error)
  const { login, scope, authorizationDetails = [] } = decision
  if (!scope.every((token) => request.scope.includes(token))) throw new PosternError('scope.refused')
  const details = authorizationDetails.length === 0 ? [] : narrowedDetails(authorizationDetails, request.details ?? [], context)
  // Whom the client has in mind is not whom it gets.                                                 OpenID Connect Core §3.1.2.1
  if (request.hinted !== null && request.hinted !== (await subjectFor(kitOf(context), login.subject, client)))
    return deny('login_required')
  // In whole seconds, as max_age is: a login made for max_age=0 takes its milliseconds to get here.
  const age = Math.floor((runtime.clock() - login.authTime) / 1000)
  const tooOld = request.maxAge !== null && age > request.maxAge //                                     OpenID Connect Core §3.1.2.1
  const tooWeak = request.essentialAcr && !satisfies(login.acr, request.acrValues, config.acrValues) //   §5.5.1.1
  if (tooOld || tooWeak) return deny('unmet_authentication_requirements')
  const { challenge: codeChallenge, redirectUri, resource, dpopJkt, nonce } = request
  const order = { client, login, scope, resource, details, codeChallenge, redirectUri, dpopJkt, nonce, jti }
  const code = await makeCode(order, context).catch((error: unknown) => {
    if (isPosternError(error, 'tokens.denied')) return null
    throw error
  })
  if (code === null) return deny('login_required')
  // A request_uri may open another page until it ends, and that page may then live its whole life: the marker outlives both.
  const expiresAt = runtime.clock() + (config.lifetimes.parSec + config.lifetimes.interactionSec) * 1000
  const done = { op: 'put', key: 'done', value: new Uint8Array(0), rev: null, expiresAt } as const
  const { answer } = await commit({ tenant, id: `rq:${jti}` }, [done], context)
  if (!answer.ok)
    throw pushed ? new PosternError('par.invalid', { reason: 'par.used' }) : malformed('This login was finished before.')
  return respond(request, { code }, client, context)
}

async function errorResponse(error: unknown, to: Destination, client: Client, context: IssuerContext): Promise<Response> {
  if (!isPosternError(error) || error.status >= 500 || isPosternError(error, 'par.invalid')) throw error
  tellRefusal('authorize', error, context)
  const { error: word, description } = wireError(error)
  return respond(to, { error: word, error_description: description }, client, context)
}

async function errorPage(
  error: unknown,
  request: Request,
  context: IssuerContext,
  interaction: InteractionPort,
): Promise<Response> {
  tellRefusal('authorize', error, context)
  const { code, description } = wireError(error)
  const page = await interaction.error({ code, publicMessage: description }, request)
  if (!isPosternError(error, 'request.method')) return page
  const headers = new Headers(page.headers)
  headers.set('allow', 'GET, POST') //                                                                  RFC 9110 §15.5.6
  return new Response(page.body, { status: 405, headers })
}

function promptOf(handle: string, r: AuthorizationRequest, client: Client): Prompt {
  const { scope, resource, details, acrValues, maxAge, prompt, loginHint, hinted, uiLocales, claims } = r
  return {
    handle,
    client,
    scope,
    resource,
    authorizationDetails: details ?? [],
    acrValues,
    maxAge,
    prompt,
    loginHint,
    hintedSubject: hinted,
    uiLocales,
    claims,
  }
}

async function hashOf(binding: string, { runtime }: IssuerContext): Promise<Uint8Array> {
  return runtime.crypto.digest('SHA-256', utf8(binding))
}
