/** Claims about the subject (OpenID Connect Core §5.3). */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { verifyProof } from './dpop.js'
import { isActive, readOwnToken } from './internal/accessToken.js'
import { spend } from './internal/authenticate.js'
import { certificateThumbprint } from './internal/certificate.js'
import { claimNames } from './internal/claims.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { empty, json } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { wireError } from './internal/wire.js'
import type { Handler, IssuerContext } from './issuer.js'

/** The host's claims about a subject: those of `names` that it has. Postern keeps no personal data. */
export type ClaimsPort = (ask: {
  readonly subject: string
  /** What the granted scopes ask for (§5.4). The `claims` parameter goes to the interaction's prompt; of it the server itself heeds `acr` alone. */
  readonly names: readonly string[]
  readonly locales: readonly string[]
  readonly at: 'id_token' | 'userinfo'
}) => Promise<JsonObject>

/** `GET` and `POST /userinfo`. Any live user token with `openid` of this issuer will do, bound ones with their proof. */
export function userinfoEndpoint(): Handler {
  return endpoint('userinfo', async (request, context) => {
    try {
      return await answer(request, context)
    } catch (error) {
      if (!isPosternError(error) || error.status >= 500 || error.code === 'request.method') throw error
      return challenged(error, request, context)
    }
  })
}

async function answer(request: Request, context: IssuerContext): Promise<Response> {
  if (request.method !== 'GET' && request.method !== 'POST') throw new PosternError('request.method')
  const [, scheme, text] = /^(dpop|bearer) +([A-Za-z0-9._~+/=-]+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  if (scheme === undefined || text === undefined) throw new PosternError('token.missing')
  const token = await readOwnToken(text, context)
  if (token === null) throw new PosternError('token.invalid')
  const { jkt, x5t, scope, subject, handle } = token
  if ((jkt === null) === (scheme.toLowerCase() === 'dpop')) throw new PosternError('token.invalid', { reason: 'token.scheme' }) // RFC 9449 §7.1
  if (x5t !== null && x5t !== (await certificateThumbprint(context)))
    throw new PosternError('token.invalid', { reason: 'token.certificate' }) // RFC 8705 §3
  if (jkt !== null) await provePossession(request, text, jkt, handle.part, context)
  if (!(await isActive(token, context))) throw new PosternError('token.invalid', { reason: 'token.revoked' })
  if (!scope.includes('openid') || token.claims.kind !== 'user') throw new PosternError('token.scope')
  const names = claimNames(scope)
  const claims = await claimsOf({ subject, names, locales: [], at: 'userinfo' }, context)
  return json(200, { ...claims, sub: token.claims.sub })
}

/** A directory that is down is no reason to throw the token away: 503, and the call may be repeated. */
async function claimsOf(ask: Parameters<ClaimsPort>[0], { claims }: IssuerContext): Promise<JsonObject> {
  try {
    return (await claims?.(ask)) ?? {}
  } catch (cause) {
    if (isPosternError(cause)) throw cause
    throw new PosternError('store.unavailable', { reason: 'claims.failed', cause })
  }
}

async function provePossession(
  request: Request,
  accessToken: string,
  boundTo: string,
  partId: string,
  context: IssuerContext,
): Promise<void> {
  const { runtime, config, tenant } = context
  const { nonces, prepare, proofHeaders: known, places } = kitOf(context)
  const jwt = request.headers.get('dpop')
  if (jwt === null) throw new PosternError('dpop.proof', { reason: 'dpop.missing' })
  const proof = await verifyProof(
    { jwt, method: request.method, url: urlOf('userinfo', context), accessToken, boundTo, nonce: 'required' },
    { clock: runtime.clock, crypto: runtime.crypto, nonces, algs: config.algs, prepare, known },
  )
  const until = runtime.clock() + nonces.lifeMs
  const instance = partId.startsWith('dev:')
  const marker = instance
    ? { part: { tenant, id: partId }, op: await places.proofOp(proof, until) }
    : await places.sharedProofOp(proof, until)
  await spend([{ ...marker, spent: 'dpop.proof' }], context)
}

/** RFC 6750 §3, RFC 9449 §7.1. */
function challenged(error: PosternError, request: Request, { config }: IssuerContext): Response {
  const { error: word, description } = wireError(error)
  const proof = word.includes('dpop')
  const scheme =
    proof || /^dpop /i.test(request.headers.get('authorization') ?? '') ? `DPoP algs="${config.algs.join(' ')}"` : 'Bearer'
  const why = error.code === 'token.missing' ? '' : ` error="${word}", error_description="${description}"`
  const status = error.code === 'token.scope' ? 403 : 401
  return empty(status, { 'www-authenticate': why === '' ? scheme : `${scheme}${scheme === 'Bearer' ? '' : ','}${why}` })
}
