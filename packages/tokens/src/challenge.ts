/** OAuth for First-Party Apps (draft-ietf-oauth-first-party-apps-04): the endpoint; the host's {@link ChallengePort} does the authentication. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Op, Part } from '@postern/store'
import type { Client } from './clients.js'
import type { Proof } from './dpop.js'
import { authenticate, spendAll } from './internal/authenticate.js'
import { bounded, codeChallenge, seconds, words } from './internal/authorizationRequest.js'
import { makeCode } from './internal/code.js'
import { askedDetails } from './internal/details.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { empty, json, readForm } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { clientResource, clientScope } from './internal/scope.js'
import { malformed } from './internal/wire.js'
import type { Handler, IssuerContext } from './issuer.js'
import type { Login } from './login.js'

/** One call of `/authorize-challenge`, after client and proof were authenticated and the form was parsed. */
export interface ChallengeRequest {
  readonly client: Client
  /** The client's partition when it is an instance: `dev:<client_id>`. */
  readonly part: Part | null
  readonly proof: Proof | null
  /** With `proof: 'joined'`: the marker of the proof, to be part of every commit the port makes in {@link part}. */
  readonly proofOps: readonly Op[]
  /** All parameters, the standard ones included. */
  readonly form: ReadonlyMap<string, string>
  readonly scope: readonly string[]
  readonly resource: string
  /** Asked for in this call, parsed by their types. */
  readonly authorizationDetails: readonly JsonObject[]
  readonly acrValues: readonly string[]
  readonly maxAge: number | null
  /** S256 challenge; `null` in a follow-up that did not repeat it: the port keeps the first one in `authSession`. */
  readonly codeChallenge: string | null
  readonly authSession: string | null
  readonly request: Request
}

export type ChallengeAnswer =
  | {
      readonly kind: 'code'
      readonly login: Login
      readonly authSession?: string
      /** What the code is for, where the port kept it from the first call; default this call's. */
      readonly scope?: readonly string[]
      readonly codeChallenge?: string
      readonly resource?: string
      /** What of the details asked for was granted; left out, none. */
      readonly authorizationDetails?: readonly JsonObject[]
      /** Further members of the answer. */
      readonly members?: JsonObject
    }
  | {
      readonly kind: 'error'
      /** `insufficient_authorization`, `access_denied`, `invalid_session`, `redirect_to_web`, … */
      readonly error: string
      /** Default 403 for `insufficient_authorization` and `access_denied`, otherwise 400. */
      readonly status?: number
      readonly members?: JsonObject
    }

export interface ChallengePort {
  challenge(call: ChallengeRequest, context: IssuerContext): Promise<ChallengeAnswer>
  /** `'joined'`: the port puts `proofOps` into its own commits and so saves a round trip. Default: the endpoint spends the proof before it calls. */
  readonly proof?: 'joined'
}

/** What a code is for. */
export interface CodeOrder {
  readonly client: Client
  readonly login: Login
  readonly scope: readonly string[]
  readonly resource: string
  /** Granted `authorization_details`. */
  readonly details?: readonly JsonObject[]
  readonly codeChallenge: string
  /** `null`: the code came through no browser. */
  readonly redirectUri: string | null
  /** The key the code is bound to (RFC 9449 §10). */
  readonly dpopJkt: string | null
  readonly nonce?: string | null
}

/**
 * A sealed authorization code for a finished login, with the guards of now; nothing is stored. For hosts with ways in of their own
 * (custom registration). One read, of the epochs that the login does not bring among its guards.
 * @throws PosternError `request.malformed` `details.refused` | `tokens.denied`: the login's session has ended
 */
export function issueCode(order: CodeOrder, context: IssuerContext): Promise<string> {
  return makeCode(order, context)
}

/** `POST /authorize-challenge`. */
export function challengeEndpoint(): Handler {
  return endpoint('challenge', async (request, context) => {
    const { challenge: port, config } = context
    if (port === undefined) return empty(404)
    const form = await readForm(request)
    const caller = await authenticate(request, form, context, { url: urlOf('challenge', context) })
    const { client, proof, joined } = caller
    if (!client.grantTypes.includes('authorization_code')) throw new PosternError('grant.not_allowed')
    const type = form.get('response_type')
    if (type !== undefined && type !== 'code') throw new PosternError('request.unsupported')
    const call: ChallengeRequest = {
      client,
      part: client.kind === 'instance' ? kitOf(context).places.device(client.id) : null,
      proof,
      proofOps: port.proof === 'joined' ? joined : [],
      form,
      scope: clientScope(form.get('scope'), client, config),
      resource: clientResource(form.get('resource'), client, config),
      authorizationDetails: askedDetails(form, client, context) ?? [],
      acrValues: words(form.get('acr_values')),
      maxAge: seconds(form.get('max_age')),
      codeChallenge: codeChallenge(form),
      authSession: bounded(form, 'auth_session', 16_384),
      request,
    }
    // Spent before the port acts, unless the port spends it in the very commit it acts by.
    await spendAll(port.proof === 'joined' ? { ...caller, joined: [] } : caller, context)
    return answerOf(await port.challenge(call, context), call, context)
  })
}

async function answerOf(answer: ChallengeAnswer, call: ChallengeRequest, context: IssuerContext): Promise<Response> {
  if (answer.kind === 'error') {
    const refused = answer.error === 'insufficient_authorization' || answer.error === 'access_denied'
    return json(answer.status ?? (refused ? 403 : 400), { ...answer.members, error: answer.error })
  }
  const { login, scope = call.scope, resource = call.resource, authorizationDetails: details = [], authSession, members } = answer
  const challenge = answer.codeChallenge ?? call.codeChallenge
  if (challenge === null) throw malformed('code_challenge is missing; PKCE with S256 is required.')
  const { client, proof } = call
  const order: CodeOrder = {
    client,
    login,
    scope,
    resource,
    details,
    codeChallenge: challenge,
    redirectUri: null,
    dpopJkt: proof?.jkt ?? null,
  }
  const code = await makeCode(order, context)
  return json(200, { ...members, authorization_code: code, ...(authSession !== undefined && { auth_session: authSession }) })
}
