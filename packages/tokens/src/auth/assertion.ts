/** `private_key_jwt` (RFC 7523 §2.2 and 3, OpenID Connect Core §9): a signed statement, for this issuer alone, used once. */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { parseJson } from '@postern/core/json'
import { thumbprint } from '@postern/core/jwk'
import { type Jws, readJws, verifyJws } from '@postern/core/jws'
import type { ClientAuthMethod, Marker } from '../clientAuth.js'
import type { Client } from '../clients.js'
import { kitOf } from '../internal/kit.js'
import type { IssuerContext } from '../issuer.js'
import { assertionRules, numericDate, textClaim } from '../jose.js'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const MAX_LIFE_MS = 300_000
const SKEW_MS = 60_000

/** The `private_key_jwt` method. */
export const assertion: ClientAuthMethod = {
  methods: ['private_key_jwt'],
  read(_request, form, { config }) {
    const text = form.get('client_assertion')
    const type = form.get('client_assertion_type')
    if (text === undefined && type === undefined) return null
    if (text === undefined || type !== TYPE) throw refuse('type')
    const jws = refusing(() => readJws(text, assertionRules(config.algs)))
    const clientId = claimedClient(jws)
    const named = form.get('client_id')
    if (named !== undefined && named !== clientId) throw refuse('client_id')
    return { method: 'private_key_jwt', clientId, verify: (client, context) => verifyAssertion(jws, client, context) }
  },
}

async function verifyAssertion(jws: Jws, client: Client | null, context: IssuerContext): Promise<readonly Marker[]> {
  const { runtime, issuer } = context
  if (client?.auth.method !== 'private_key_jwt') throw refuse('method')
  const claims = await verifiedClaims(jws, client.auth.keys, context)
  try {
    const now = runtime.clock()
    if (claims.iss !== client.id || claims.sub !== client.id) throw refuse('subject') //                 RFC 7523 §3: 1, 2
    if (claims.aud !== issuer) throw refuse('audience') //                                             3: the issuer string alone (T27)
    const exp = numericDate(claims.exp, 'exp') * 1000
    if (exp <= now) throw refuse('expired') //                                                        4
    if (exp > now + MAX_LIFE_MS) throw refuse('too long')
    if (claims.nbf !== undefined && numericDate(claims.nbf, 'nbf') * 1000 > now + SKEW_MS) throw refuse('early') //   5
    if (claims.iat !== undefined && numericDate(claims.iat, 'iat') * 1000 > now + SKEW_MS) throw refuse('future') //  6
    const jti = textClaim(claims, 'jti', 128) //                                                       7
    const { part, op } = await kitOf(context).places.sharedProofOp({ jkt: `assertion:${client.id}`, jti }, exp + SKEW_MS)
    return [{ part, op, spent: 'client.replayed' }]
  } catch (cause) {
    throw isPosternError(cause, 'jws.refused') ? refuse(cause.reason ?? 'claim', cause) : cause
  }
}

async function verifiedClaims(
  jws: Jws,
  keys: readonly JsonWebKey[],
  { runtime: { crypto } }: IssuerContext,
): Promise<JsonObject> {
  for (const jwk of keys.slice(0, 8)) {
    const kid = 'kid' in jwk ? (jwk as { kid?: string }).kid : undefined
    if (jws.kid !== null && jws.kid !== (kid ?? (await thumbprint(crypto, jwk)))) continue
    try {
      return await verifyJws(crypto, jws, await crypto.verifyKey(jws.alg, jwk))
    } catch (error) {
      if (!isPosternError(error, 'jws.refused', 'crypto.invalid_key')) throw error
    }
  }
  throw refuse('signature')
}

/** Whom an assertion claims to be from, unverified: only to find the keys that verify it. */
function claimedClient({ payload }: Jws): string {
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
