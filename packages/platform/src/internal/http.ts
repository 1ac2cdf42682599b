/** Answers, bounded bodies and the one error shape of the platform's own endpoints. */
import { PosternError } from '@postern/core/errors'
import { anyObject } from '@postern/core/fields'
import { type JsonObject, parseJson } from '@postern/core/json'
import { readBody } from '@postern/core/readBody'
import { textReply } from '@postern/core/reply'

const MAX_BODY_BYTES = 64 * 1024

/** JSON that no cache keeps. */
export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return textReply(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  })
}

/** The RFC word that stands beside a Postern code. */
const words: Readonly<Record<number, string>> = {
  400: 'invalid_request',
  401: 'invalid_token',
  403: 'access_denied',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'invalid_request',
  415: 'invalid_request',
  503: 'temporarily_unavailable',
}

/** `{ error, error_description, code }` of anything thrown; what is not a coded error says nothing about itself. */
export function errorResponse(
  error: unknown,
  headers: Readonly<Record<string, string>> = {},
  members: JsonObject = {},
): Response {
  if (!(error instanceof PosternError))
    return json({ error: 'server_error', error_description: 'Something went wrong here.' }, 500, headers)
  const status = error.status >= 400 ? error.status : 500
  const retry: Record<string, string> = error.retryable && status === 503 ? { 'retry-after': '1' } : {}
  const { code, publicMessage } = error
  return json({ ...members, error: words[status] ?? 'server_error', error_description: publicMessage, code }, status, {
    ...retry,
    ...headers,
  })
}

/**
 * The JSON object of a request, strictly: declared type, size, then {@link parseJson}.
 * @throws PosternError `request.content_type` | `json.malformed` | `json.too_large`
 */
export async function readJson(request: Request): Promise<JsonObject> {
  const type = (request.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase()
  if (type !== 'application/json') throw new PosternError('request.content_type')
  return anyObject(parseJson(await readBytes(request, MAX_BODY_BYTES), { maxBytes: MAX_BODY_BYTES }))
}

/** The parameters of a request, each once. @throws PosternError `request.duplicate` */
export function readQuery(request: Request): JsonObject {
  const parameters = [...new URL(request.url).searchParams]
  const query: JsonObject = Object.fromEntries(parameters)
  if (parameters.length !== Object.keys(query).length) throw new PosternError('request.duplicate')
  return query
}

/** The body, never more than `maxBytes` of it in memory. @throws PosternError `json.too_large` */
export async function readBytes(request: Request | Response, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw new PosternError('json.too_large')
  const bytes = await readBody(request.body, maxBytes)
  if (bytes === null) throw new PosternError('json.too_large')
  return bytes
}
