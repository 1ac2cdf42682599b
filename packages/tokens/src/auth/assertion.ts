/**
 * Client assertions (RFC 7523 §2.2 and 3, OpenID Connect Core §9): a signed statement, for this issuer alone, used once. `private_key_jwt`
 * is signed with the client's own key, `client_secret_jwt` has a MAC under the secret that both sides hold.
 */
import { decodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { parseJson } from '@postern/core/json'
import { type Jws, type MacJws, readJws, readMacJws, verifyJws, verifyMacJws } from '@postern/core/jws'
import type { Authenticated, ClientAuthMethod, Credential } from '../clientAuth.js'
import type { Client } from '../clients.js'
import { allowTokenEndpointAudience } from '../config.js'
import { clientKey } from '../internal/clientKeys.js'
import { urlOf } from '../internal/endpoint.js'
import { kitOf } from '../internal/kit.js'
import type { IssuerContext } from '../issuer.js'
import { assertionRules, numericDate, textClaim } from '../jose.js'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const MAX_LIFE_MS = 300_000
const SKEW_MS = 60_000
const MIN_SECRET = 32

/** The `private_key_jwt` method. */
export const assertion: ClientAuthMethod = {
  methods: ['private_key_jwt'],
  read(_request, form, { config }) {
    const text = assertionOf(form)
    if (text === null || isMac(text)) return null
    const jws = refusing(() => readJws(text, assertionRules(config.algs)))
    return credential('private_key_jwt', jws, form, (client, context) => signedClaims(jws, client, context))
  },
}

/**
 * The `client_secret_jwt` method, HS256 alone. The MAC needs the secret itself, which the client's port gives: configuration from wherever it
 * keeps secrets, `clientsInStore` by deriving it anew. Prefer `private_key_jwt`, where nothing here can sign in a client's name.
 */
export const secretAssertion: ClientAuthMethod = {
  methods: ['client_secret_jwt'],
  read(_request, form) {
    const text = assertionOf(form)
    if (text === null || !isMac(text)) return null
    const { typ, maxBytes = 0 } = assertionRules()
    const jws = refusing(() => readMacJws(text, { typ, maxBytes }))
    return credential('client_secret_jwt', jws, form, (client, context) => macedClaims(jws, client, context))
  },
}

/** @throws PosternError `client.assertion` for an assertion of another type, or half of one */
function assertionOf(form: ReadonlyMap<string, string>): string | null {
  const text = form.get('client_assertion')
  const type = form.get('client_assertion_type')
  if (text === undefined && type === undefined) return null
  if (text === undefined || type !== TYPE) throw refuse('type')
  return text
}

/** Which of the two methods an assertion asks for; its header is judged by the gate of that one. */
function isMac(text: string): boolean {
  const head = decodeBase64url(text.slice(0, Math.min(text.indexOf('.'), 4096)))
  const json = head === null ? null : fromUtf8(head)
  try {
    return json !== null && (parseJson(json, { maxDepth: 3 }) as JsonObject | null)?.alg === 'HS256'
  } catch {
    return false
  }
}

function credential(
  method: 'private_key_jwt' | 'client_secret_jwt',
  jws: MacJws,
  form: ReadonlyMap<string, string>,
  claimsOf: (client: Client, context: IssuerContext) => Promise<JsonObject>,
): Credential {
  const clientId = claimedClient(jws)
  const named = form.get('client_id')
  if (named !== undefined && named !== clientId) throw refuse('client_id')
  return {
    method,
    clientId,
    async verify(client, context) {
      if (client?.auth.method !== method) throw refuse('method')
      try {
        return await checked(await claimsOf(client, context), client, context)
      } catch (cause) {
        throw isPosternError(cause, 'jws.refused') ? refuse(cause.reason ?? 'claim', cause) : cause
      }
    },
  }
}

async function signedClaims(jws: Jws, client: Client, context: IssuerContext): Promise<JsonObject> {
  const key = await clientKey(client, jws.kid, jws.alg, context)
  if (key === null) throw refuse('key')
  return verifyJws(context.runtime.crypto, jws, key)
}

async function macedClaims(jws: MacJws, { auth, jwks = [] }: Client, context: IssuerContext): Promise<JsonObject> {
  const { crypto } = context.runtime
  const secret = auth.method === 'client_secret_jwt' ? await auth.secret() : ''
  const own = context.keys.signing.published(context.runtime.clock()).map(({ signer }) => signer.publicJwk)
  if (secret.length < MIN_SECRET || isPublic(secret, [...jwks, ...own])) throw refuse('secret.unusable')
  return verifyMacJws(crypto, jws, await crypto.hmacKey('SHA-256', utf8(secret)))
}

/** PEM, JWK, and base64 SPKI of the curves and of RSA. */
const PUBLIC_KEY =
  /-----BEGIN |"kty"|^(?:MFkwEwYHKoZIzj0|MHYwEAYHKoZIzj0|MIGbMBAGByqGSM49|MCowBQYDK2V|MII[A-Za-z0-9+/]{3}ANBgkqhkiG9w0B)/

/** A MAC under what everybody can read proves nothing: a public key, whole or in part, is no secret (T22). */
function isPublic(secret: string, keys: readonly JsonWebKey[]): boolean {
  return PUBLIC_KEY.test(secret) || keys.some((jwk) => Object.values(jwk).includes(secret))
}

/** RFC 7523 §3, by its numbers. */
async function checked(claims: JsonObject, client: Client, context: IssuerContext): Promise<Authenticated> {
  const now = context.runtime.clock()
  if (claims.iss !== client.id || claims.sub !== client.id) throw refuse('subject') //                 1, 2
  if (!isAudience(claims.aud, context)) throw refuse('audience') //                                  3: the issuer string alone (T27)
  const exp = numericDate(claims.exp, 'exp') * 1000
  if (exp <= now) throw refuse('expired') //                                                        4
  if (exp > now + MAX_LIFE_MS) throw refuse('too long')
  if (claims.nbf !== undefined && numericDate(claims.nbf, 'nbf') * 1000 > now + SKEW_MS) throw refuse('early') //   5
  if (claims.iat !== undefined && numericDate(claims.iat, 'iat') * 1000 > now + SKEW_MS) throw refuse('future') //  6
  const jti = textClaim(claims, 'jti', 128) //                                                       7
  const { part, op } = await kitOf(context).places.sharedProofOp({ jkt: `assertion:${client.id}`, jti }, exp + SKEW_MS)
  return { markers: [{ part, op, spent: 'client.replayed' }] }
}

function isAudience(aud: JsonObject[string] | undefined, context: IssuerContext): boolean {
  if (aud === context.issuer) return true
  return context.config[allowTokenEndpointAudience] === true && aud === urlOf('token', context)
}

/** Whom an assertion claims to be from, unverified: only to find the keys that verify it. */
function claimedClient({ payload }: MacJws): string {
  const claims = refusing(() => parseJson(payload, { maxDepth: 16 }))
  const subject = typeof claims === 'object' && claims !== null && 'sub' in claims ? claims.sub : null
  if (typeof subject !== 'string') throw refuse('subject')
  return subject
}

function refusing<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw isPosternError(cause) ? refuse(cause.reason ?? cause.code, cause) : cause
  }
}

function refuse(reason: string, cause?: unknown): PosternError<'client.assertion'> {
  return new PosternError('client.assertion', { reason, cause })
}
