/** The authentication request of CIBA, parsed once and strictly; signed where the client signs it. @see OpenID CIBA Core §7.1 */
import type { SignAlg } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import { type JwsRules, readJws, verifyJws } from '@postern/core/jws'
import type { Marker } from '../clientAuth.js'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { numericDate, textClaim } from '../jose.js'
import { bounded, words } from './authorizationRequest.js'
import { clientKey } from './clientKeys.js'
import { askedDetails } from './details.js'
import { hintedSubject } from './hint.js'
import { kitOf } from './kit.js'
import { clientResource, clientScope } from './scope.js'
import { malformed } from './wire.js'

type Form = ReadonlyMap<string, string>

/** Whom a request is about, in the client's words. */
export type CibaHint =
  /** `login_hint`, or a `login_hint_token` whose format client and host have agreed on. */
  | { readonly kind: 'login_hint' | 'login_hint_token'; readonly value: string }
  /** The `sub` of an ID token of ours, as this client knows it. */
  | { readonly kind: 'id_token_hint'; readonly subject: string }

/** A request as it came. */
export interface CibaRequest {
  readonly hint: CibaHint
  readonly scope: readonly string[]
  readonly resource: string
  readonly authorizationDetails: readonly JsonObject[]
  readonly acrValues: readonly string[]
  /** What both devices show, ≤ 128 printable characters. */
  readonly bindingMessage: string | null
  /** A secret between user and host, where the host wants one (§7.1). */
  readonly userCode: string | null
  /** Seconds, as asked for. */
  readonly requestedExpiry: number | null
  readonly notificationToken: string | null
  /** All parameters that count: the signed object's alone, where there is one. */
  readonly form: Form
}

const MAX_LIFE_MS = 300_000
const SKEW_MS = 60_000
/** RFC 6750 §2.1. */
const BEARER = /^[A-Za-z0-9._~+/-]{1,1024}={0,2}$/
/** Letters, marks, numbers, punctuation, symbols and the space: nothing invisible, and nothing that turns the text around. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]{1,128}$/u
/** Claims of the JWT itself. */
const CLAIMS: readonly string[] = ['iss', 'aud', 'exp', 'iat', 'nbf', 'jti']
/** What may stand beside a signed request: it is how the client authenticates. */
const OUTSIDE: readonly string[] = ['request', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type']

/** @throws PosternError with the code that the client is answered with */
export async function parseCibaRequest(form: Form, client: Client, mode: string, context: IssuerContext): Promise<CibaRequest> {
  const scope = clientScope(form.get('scope'), client, context.config)
  if (!scope.includes('openid')) throw new PosternError('scope.refused', { publicMessage: 'scope must include openid.' })
  const message = form.get('binding_message') ?? null
  if (message !== null && !PRINTABLE.test(message)) throw new PosternError('ciba.binding_message')
  return {
    hint: await readHint(form, client, context),
    scope,
    resource: clientResource(form.get('resource'), client, context.config),
    authorizationDetails: askedDetails(form, client, context) ?? [],
    acrValues: words(form.get('acr_values')),
    bindingMessage: message,
    userCode: bounded(form, 'user_code', 128),
    requestedExpiry: expiryOf(form.get('requested_expiry')),
    notificationToken: mode === 'poll' ? null : notificationToken(form.get('client_notification_token')),
    form,
  }
}

/** One hint, and no other (§7.1). */
async function readHint(form: Form, client: Client, context: IssuerContext): Promise<CibaHint> {
  const kinds = (['login_hint', 'login_hint_token', 'id_token_hint'] as const).filter((name) => form.has(name))
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) throw malformed('One of login_hint, login_hint_token and id_token_hint is needed.')
  if (kind === 'id_token_hint') return { kind, subject: await hintedSubject(form.get(kind)!, client, context) }
  return { kind, value: bounded(form, kind, 4096)! }
}

function expiryOf(text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^[1-9]\d{0,8}$/.test(text)) throw malformed('requested_expiry must be a positive number of seconds.')
  return Number(text)
}

function notificationToken(text: string | undefined): string {
  if (text === undefined || !BEARER.test(text))
    throw malformed('client_notification_token must be a bearer token of at most 1,024 characters.')
  return text
}

/**
 * The parameters that count: the form's, or those of the signed request in it, and no others then (§7.1.1).
 * @throws PosternError `jar.refused` | `request.malformed`
 */
export async function cibaParameters(
  form: Form,
  client: Client,
  context: IssuerContext,
): Promise<{ readonly form: Form; readonly markers: readonly Marker[] }> {
  const object = form.get('request')
  if (object === undefined) {
    if (client.requireSignedRequest === true || context.config.requireSignedRequest)
      throw malformed('This client must send a signed request.')
    return { form, markers: [] }
  }
  if ([...form.keys()].some((name) => !OUTSIDE.includes(name))) throw malformed('All parameters must be in the signed request.')
  try {
    const claims = await verified(object, client, context)
    const marker = await markerOf(claims, client, context)
    return { form: parametersOf(claims), markers: [marker] }
  } catch (cause) {
    throw isPosternError(cause, 'jws.refused') ? refuse(cause.reason ?? cause.code, cause) : cause
  }
}

/** CIBA names no `typ`; an assertion cannot pass for a request, since it has no scope, nor a request for an assertion, since it has no `sub`. */
function requestRules(algs: readonly SignAlg[]): JwsRules {
  return { algs, typ: [undefined, 'JWT', 'oauth-authz-req+jwt'] }
}

async function verified(text: string, client: Client, context: IssuerContext): Promise<JsonObject> {
  const { config, runtime } = context
  const jws = readJws(text, requestRules(config.algs))
  const key = await clientKey(client, jws.kid, jws.alg, context)
  if (key === null) throw refuse('kid')
  return verifyJws(runtime.crypto, jws, key)
}

async function markerOf(claims: JsonObject, client: Client, context: IssuerContext): Promise<Marker> {
  const { issuer, runtime } = context
  const now = runtime.clock()
  if (claims.iss !== client.id) throw refuse('iss')
  if (claims.aud !== issuer) throw refuse('aud') //                                        the issuer string alone (T27)
  if (claims.sub !== undefined) throw refuse('sub')
  if (OUTSIDE.some((name) => name !== 'client_id' && claims[name] !== undefined)) throw refuse('nested')
  if (claims.client_id !== undefined && claims.client_id !== client.id) throw refuse('client_id')
  const exp = numericDate(claims.exp, 'exp') * 1000
  if (exp <= now) throw refuse('expired')
  if (exp > now + MAX_LIFE_MS) throw refuse('too long')
  if (numericDate(claims.nbf, 'nbf') * 1000 > now + SKEW_MS) throw refuse('early')
  if (numericDate(claims.iat, 'iat') * 1000 > now + SKEW_MS) throw refuse('future')
  const jti = textClaim(claims, 'jti', 128)
  const { part, op } = await kitOf(context).places.sharedProofOp({ jkt: `request:${client.id}`, jti }, exp + SKEW_MS)
  return { part, op, spent: 'jar.refused' }
}

function parametersOf(claims: JsonObject): Form {
  return new Map(Object.entries(claims).flatMap(([name, value]) => (CLAIMS.includes(name) ? [] : [[name, textOf(value)]])))
}

function textOf(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function refuse(reason: string, cause?: unknown): PosternError<'jar.refused'> {
  return new PosternError('jar.refused', { reason: `ciba.${reason}`, cause })
}
