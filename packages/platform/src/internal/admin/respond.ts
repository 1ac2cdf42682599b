/** Answers and refusals as responses: an ETag on every body, no cache, nothing that a browser could run. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { AdminScope } from '../../admin.js'
import type { Answer } from './call.js'
import { unchanged } from './precondition.js'

const SAFE = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
}

/** The response of a room's answer; 304 where a reader has it already. */
export async function respond(answer: Answer, request: Request, crypto: CryptoPort): Promise<Response> {
  const { status = 200, stream, rev } = answer
  const headers = { ...SAFE, ...answer.headers }
  if (stream !== undefined) return new Response(stream.value, { status, headers: { ...headers, 'content-type': stream.type } })
  if (status === 204) return new Response(null, { status, headers })
  const { type, value } = answer.text ?? { type: 'application/json', value: JSON.stringify(answer.body) }
  const etag = `"${rev ?? encodeBase64url((await crypto.digest('SHA-256', utf8(value))).subarray(0, 16))}"`
  if (request.method === 'GET' && status === 200 && unchanged(request, etag))
    return new Response(null, { status: 304, headers: { ...headers, etag } })
  return new Response(value, { status, headers: { ...headers, etag, 'content-type': type } })
}

const words: Readonly<Record<number, string>> = {
  401: 'invalid_token',
  403: 'insufficient_scope',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  412: 'precondition_failed',
  428: 'precondition_required',
  503: 'temporarily_unavailable',
}

/** The response of anything thrown. Operators are told which member of their JSON was wrong, never what a stored one holds. */
export function refusal(error: unknown, more: Readonly<Record<string, string>> = {}): Response {
  const known = error instanceof PosternError ? error : null
  const status = known === null || known.status < 400 ? 500 : known.status
  const where = isPosternError(error, 'json.shape', 'json.malformed') && error.reason !== null ? { detail: error.reason } : {}
  const body =
    known === null
      ? { error: 'server_error', error_description: 'Something went wrong here.' }
      : {
          error: words[status] ?? (status < 500 ? 'invalid_request' : 'server_error'),
          error_description: known.publicMessage,
          code: known.code,
          ...where,
        }
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      ...SAFE,
      'content-type': 'application/json',
      ...challengeOf(known),
      ...(status === 503 ? { 'retry-after': '1' } : {}),
      ...more,
    },
  })
}

/** 403 that names what is missing (RFC 6750 §3.1). */
export function forbidden(scope: AdminScope): Response {
  return refusal(new PosternError('admin.forbidden'), {
    'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"`,
  })
}

/** RFC 6750 §3: no error code for a request that carries no token at all. */
function challengeOf(error: PosternError | null): Record<string, string> {
  if (error?.code !== 'admin.unauthorized') return {}
  return { 'www-authenticate': error.reason === 'missing' ? 'Bearer' : 'Bearer error="invalid_token"' }
}
