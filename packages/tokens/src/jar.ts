/** Request objects (RFC 9101): the authorization request as a JWT that the client signed. By value alone: what a `request_uri` names is never fetched (T38). */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import { readJws, verifyJws } from '@postern/core/jws'
import type { Client } from './clients.js'
import { clientKey } from './internal/clientKeys.js'
import { isEncrypted } from './internal/encrypted.js'
import type { IssuerContext } from './issuer.js'
import { numericDate, requestObjectRules } from './jose.js'

/** Reads request objects, as `IssuerContext.jar` takes them. */
export interface RequestObjects {
  /** Members of the metadata document (RFC 9101 §10.5, OpenID Connect Discovery §3). */
  announce(context: IssuerContext): JsonObject
  /**
   * The parameters of a request object of this client, which alone count (§6.3).
   * @throws PosternError `jar.refused`; why, in its `reason`
   */
  read(text: string, client: Client, context: IssuerContext): Promise<ReadonlyMap<string, string>>
}

const SKEW_MS = 60_000
/** Claims of the JWT itself. */
const CLAIMS: ReadonlySet<string> = /* @__PURE__ */ new Set(['iss', 'aud', 'exp', 'nbf', 'iat', 'jti', 'sub'])

/**
 * Signed request objects, and encrypted ones where the issuer has `jwe`. Algorithms are the configuration's `algs`.
 * @param o.maxLifeSec - from `nbf`, or now, to `exp` at most; default 3600, as FAPI 2.0 Message Signing has it
 */
export function requestObjects({ maxLifeSec = 3600 }: { readonly maxLifeSec?: number } = {}): RequestObjects {
  return {
    announce: ({ config, jwe }) => ({
      request_parameter_supported: true,
      request_object_signing_alg_values_supported: config.algs,
      ...(config.requireSignedRequest && { require_signed_request_object: true }),
      ...(jwe !== undefined &&
        jwe.decryptAlgs.length > 0 && {
          request_object_encryption_alg_values_supported: jwe.decryptAlgs,
          request_object_encryption_enc_values_supported: jwe.encs,
        }),
    }),
    async read(text, client, context) {
      try {
        const claims = await verified(text, client, context)
        checkClaims(claims, client, context, maxLifeSec * 1000)
        return parametersOf(claims)
      } catch (cause) {
        throw isPosternError(cause, 'jws.refused', 'jwe.refused') ? refuse(cause.reason ?? cause.code, cause) : cause
      }
    },
  }
}

async function verified(text: string, client: Client, context: IssuerContext): Promise<JsonObject> {
  const { jwe, config, runtime } = context
  const encrypted = isEncrypted(text)
  if (encrypted && jwe === undefined) throw refuse('encrypted')
  const jws = readJws(encrypted ? await jwe!.decrypt(text, client) : text, requestObjectRules(config.algs))
  const key = await clientKey(client, jws.kid, jws.alg, context)
  if (key === null) throw refuse('kid')
  return verifyJws(runtime.crypto, jws, key)
}

function checkClaims(claims: JsonObject, client: Client, { issuer, runtime, config }: IssuerContext, maxLifeMs: number): void {
  const now = runtime.clock()
  if (claims.iss !== client.id) throw refuse('iss') //                                                 RFC 9101 §4
  if (claims.aud !== issuer) throw refuse('aud') //                                                   the issuer string alone (T27)
  if (claims.client_id !== client.id) throw refuse('client_id') //                                    §5, §6.3
  if (claims.sub === client.id) throw refuse('sub') //                                                §10.8: it would pass for a client assertion
  if (claims.request !== undefined || claims.request_uri !== undefined) throw refuse('nested') //      §4
  const exp = numericDate(claims.exp, 'exp') * 1000
  const nbf = claims.nbf === undefined && !config.requireSignedRequest ? now : numericDate(claims.nbf, 'nbf') * 1000
  if (exp <= now) throw refuse('expired')
  if (nbf > now + SKEW_MS) throw refuse('early')
  // Together these bound the past of nbf, too.
  if (exp > nbf + maxLifeMs + SKEW_MS) throw refuse('too long')
}

/** §4: strings as they are, numbers and JSON (`claims`, `authorization_details`) as the text that a form would hold. */
function parametersOf(claims: JsonObject): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of Object.entries(claims)) if (!CLAIMS.has(name) && value !== '') parameters.set(name, textOf(value))
  return parameters
}

function textOf(value: JsonValue): string {
  if (value === null) throw refuse('null')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function refuse(reason: string, cause?: unknown): PosternError<'jar.refused'> {
  return new PosternError('jar.refused', { reason: `jar.${reason}`, cause })
}
