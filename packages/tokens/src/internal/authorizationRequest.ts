/** The authorization request, parsed once and strictly; from here on only the parsed one counts. @see OAuth 2.1 §4.1.1, OpenID Connect Core §3.1.2.1 */
import { utf8 } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { parseJson } from '@postern/core/json'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { askedDetails } from './details.js'
import { hintedSubject } from './hint.js'
import { isRegistered } from './redirect.js'
import { type Destination, defaultMode, type ResponseMode, readMode } from './response.js'
import { clientResource, clientScope } from './scope.js'
import { malformed } from './wire.js'

export interface AuthorizationRequest {
  readonly clientId: string
  readonly redirectUri: string
  readonly state: string | null
  readonly mode: ResponseMode
  readonly scope: readonly string[]
  readonly resource: string
  readonly details: readonly JsonObject[] | null
  readonly challenge: string
  readonly nonce: string | null
  readonly acrValues: readonly string[]
  readonly essentialAcr: boolean
  readonly maxAge: number | null
  readonly prompt: readonly string[]
  readonly loginHint: string | null
  /** The `sub`, as the client knows it, that the user must turn out to be. */
  readonly hinted: string | null
  readonly uiLocales: readonly string[]
  readonly claims: JsonObject | null
  readonly dpopJkt: string | null
}

const CHALLENGE = /^[A-Za-z0-9_-]{43}$/
const MAX_PARSED_BYTES = 8192
const MAX_STATE = 1024
const PROMPTS = ['none', 'login', 'consent', 'select_account']

/**
 * The parameters that count: those of a signed request object alone, where there is one (RFC 9101 §6.3), otherwise the form's.
 * @throws PosternError `jar.refused` | `jar.unsupported` | `request.malformed`
 */
export async function countingParameters(
  form: ReadonlyMap<string, string>,
  client: Client,
  context: IssuerContext,
): Promise<ReadonlyMap<string, string>> {
  const object = form.get('request')
  const { jar, config } = context
  if (object !== undefined && jar === undefined) throw new PosternError('jar.unsupported')
  if (object !== undefined) return jar!.read(object, client, context)
  if (client.requireSignedRequest === true || config.requireSignedRequest)
    throw malformed('This client must send a signed request object.') //                               RFC 9101 §10.5
  return form
}

/** What is safe to know before anything else: where an error may be sent. @throws PosternError `redirect.refused`: no redirect at all (T10, T11) */
export function redirectTarget(form: ReadonlyMap<string, string>, client: Client): string {
  return redirectOf(form.get('redirect_uri'), client)
}

/** A redirect_uri that the client has, now: a request may have waited while its client gave one up. @throws PosternError `redirect.refused` */
export function redirectOf(uri: string | undefined, { redirectUris }: Client): string {
  if (uri === undefined || !isRegistered(uri, redirectUris)) throw new PosternError('redirect.refused')
  return uri
}

/** Where errors go, before the request is known to be whole: a mode that is not offered, or a state too long, is none. @throws PosternError `redirect.refused` */
export function destinationOf(form: ReadonlyMap<string, string>, client: Client, context: IssuerContext): Destination {
  const redirectUri = redirectTarget(form, client)
  return {
    redirectUri,
    state: orElse(null, () => bounded(form, 'state', MAX_STATE)),
    mode: orElse(defaultMode(context), () => readMode(form.get('response_mode'), redirectUri, context)),
  }
}

/** @throws PosternError with the code to be sent to the redirect target */
export async function parseAuthorizationRequest(
  form: ReadonlyMap<string, string>,
  client: Client,
  context: IssuerContext,
): Promise<AuthorizationRequest> {
  const { config } = context
  const redirectUri = redirectTarget(form, client)
  if (!client.grantTypes.includes('authorization_code')) throw new PosternError('grant.not_allowed')
  if (form.get('response_type') !== 'code') throw new PosternError('request.unsupported') //             OAuth 2.1 §4.1.1 (T14)
  const mode = readMode(form.get('response_mode'), redirectUri, context)
  const challenge = codeChallenge(form) //                                                             RFC 7636 §4.3 (T06, T08)
  if (challenge === null) throw malformed('code_challenge is missing; PKCE with S256 is required.')
  const scope = clientScope(form.get('scope'), client, config)
  const resource = clientResource(form.get('resource'), client, config)
  const prompt = words(form.get('prompt'))
  if (!prompt.every((word) => PROMPTS.includes(word)) || (prompt.includes('none') && prompt.length > 1))
    throw malformed('prompt is not valid.')
  const claims = readClaims(form.get('claims'))
  const essential = essentialAcr(claims)
  const hint = form.get('id_token_hint')
  const parsed: AuthorizationRequest = {
    clientId: client.id,
    redirectUri,
    state: bounded(form, 'state', MAX_STATE),
    mode,
    scope,
    resource,
    details: askedDetails(form, client, context),
    challenge,
    nonce: bounded(form, 'nonce', 512),
    acrValues: essential ?? words(form.get('acr_values')),
    essentialAcr: essential !== null,
    maxAge: seconds(form.get('max_age')),
    prompt,
    loginHint: bounded(form, 'login_hint', 512),
    hinted: hint === undefined ? askedSubject(claims) : await hintedSubject(hint, client, context),
    uiLocales: words(form.get('ui_locales')),
    claims,
    dpopJkt: thumbprintOf(form.get('dpop_jkt')),
  }
  // What an interaction's handle could not carry is refused here, not after the user has logged in.
  if (utf8(JSON.stringify(parsed)).length > MAX_PARSED_BYTES) throw malformed('The request is too large.')
  return parsed
}

/** The S256 challenge of a form; `null` when there is none. @throws PosternError `request.malformed` */
export function codeChallenge(form: ReadonlyMap<string, string>): string | null {
  const challenge = form.get('code_challenge')
  const method = form.get('code_challenge_method')
  if (challenge === undefined && method === undefined) return null
  if (method !== 'S256') throw malformed('code_challenge_method must be S256.')
  if (challenge === undefined || !CHALLENGE.test(challenge)) throw malformed('code_challenge must be 43 base64url characters.')
  return challenge
}

/** Words of a space-separated parameter, ≤ 16. */
export function words(text: string | undefined): readonly string[] {
  const all = text === undefined ? [] : text.split(' ').filter((word) => word !== '')
  if (all.length > 16 || all.some((word) => word.length > 128)) throw malformed('A list parameter is too long.')
  return all
}

/** A count of seconds in plain decimals. @throws PosternError `request.malformed` */
export function seconds(text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^(?:0|[1-9]\d{0,8})$/.test(text)) throw malformed('max_age must be a number of seconds.')
  return Number(text)
}

/** A printable parameter of bounded length, or `null`. */
export function bounded(form: ReadonlyMap<string, string>, name: string, max: number): string | null {
  const value = form.get(name)
  if (value === undefined) return null
  if (value.length > max || /[\x00-\x1f\x7f]/.test(value)) throw malformed(`${name} is too long or has control characters.`)
  return value
}

function thumbprintOf(text: string | undefined): string | null {
  if (text === undefined) return null
  if (!CHALLENGE.test(text)) throw malformed('dpop_jkt must be a SHA-256 thumbprint.')
  return text
}

function readClaims(text: string | undefined): JsonObject | null {
  if (text === undefined) return null
  try {
    const value = parseJson(text, { maxBytes: 4096, maxDepth: 6 })
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  } catch (error) {
    if (!isPosternError(error)) throw error
  }
  throw malformed('claims must be a JSON object.')
}

/** OpenID Connect Core §5.5.1.1: the `acr` the client says it cannot do without. */
function essentialAcr(claims: JsonObject | null): readonly string[] | null {
  const asked = object(object(claims?.id_token)?.acr)
  if (asked === null || asked.essential !== true) return null
  const values = Array.isArray(asked.values) ? asked.values : [asked.value]
  return values.filter((value): value is string => typeof value === 'string')
}

/** §5.5.1: the one subject whom the client will take. */
function askedSubject(claims: JsonObject | null): string | null {
  const asked = object(object(claims?.id_token)?.sub)?.value
  return typeof asked === 'string' ? asked : null
}

function orElse<T>(otherwise: T, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (isPosternError(error, 'request.malformed')) return otherwise
    throw error
  }
}

function object(value: unknown): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null
}
