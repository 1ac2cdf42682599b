/** `POST /par` (RFC 9126): the whole request, validated before any browser is involved. */
import { utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { authenticate, spendAll } from './internal/authenticate.js'
import { type AuthorizationRequest, countingParameters, parseAuthorizationRequest } from './internal/authorizationRequest.js'
import { newId } from './internal/code.js'
import { commit } from './internal/commit.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { sealHandle } from './internal/handles.js'
import { json, readForm } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import type { Handler, IssuerContext } from './issuer.js'

/** What a `request_uri` holds; a request too large for it is stored under `rq:<jti>`. */
export interface Pushed {
  readonly jti: string
  readonly exp: number
  readonly clientId: string
  readonly request: AuthorizationRequest | null
}

/** The form of every `request_uri` of ours (RFC 9126 §2.2). */
export const REQUEST_URI_PREFIX = 'urn:ietf:params:oauth:request_uri:'

const MAX_URI = 1500

/** `POST /par`. */
export function parEndpoint(): Handler {
  return endpoint('par', async (request, context) => {
    const form = await readForm(request)
    const caller = await authenticate(request, form, context, { url: urlOf('par', context), tokens: false })
    const { client, proof } = caller
    if (form.has('request_uri')) throw new PosternError('request.malformed', { publicMessage: 'request_uri may not be pushed.' }) // RFC 9126 §2.1
    const parsed = await parseAuthorizationRequest(await countingParameters(form, client, context), client, context)
    if (proof !== null && parsed.dpopJkt !== null && parsed.dpopJkt !== proof.jkt)
      throw new PosternError('dpop.proof', { reason: 'dpop.jkt' }) // RFC 9449 §10.1
    await spendAll(caller, context)
    const uri = await push({ ...parsed, dpopJkt: proof?.jkt ?? parsed.dpopJkt }, context)
    return json(201, { request_uri: uri, expires_in: context.config.lifetimes.parSec })
  })
}

async function push(request: AuthorizationRequest, context: IssuerContext): Promise<string> {
  const { runtime, config, tenant } = context
  const pushed: Pushed = {
    jti: newId(context),
    exp: runtime.clock() + config.lifetimes.parSec * 1000,
    clientId: request.clientId,
    request,
  }
  const kit = kitOf(context)
  const whole = REQUEST_URI_PREFIX + (await sealHandle(kit, 'par', pushed))
  if (whole.length <= MAX_URI) return whole
  const value = utf8(JSON.stringify(request))
  await commit({ tenant, id: `rq:${pushed.jti}` }, [{ op: 'put', key: 'req', value, rev: null, expiresAt: pushed.exp }], context)
  return REQUEST_URI_PREFIX + (await sealHandle(kit, 'par', { ...pushed, request: null }))
}
