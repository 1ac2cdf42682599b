/** What comes in and goes out: an open format, where unknown members are stepped over and wrong ones refused. OpenID AuthZEN 1.0 §§5 to 10. */
import { isPosternError } from '@postern/core/errors'
import { type JsonObject, type JsonValue, parseJson } from '@postern/core/json'
import { readBody } from '@postern/core/readBody'
import type { AuthZenAction, AuthZenEntity, AuthZenQuestion } from '../../authzen.js'

const maxBytes = 256 * 1024

/** A request that is not what the API takes: answered with 400, always the same. */
export class Malformed extends Error {}

/** The JSON object of a request, never more than `maxBytes` of it in memory. @throws Malformed */
export async function readObject(request: Request): Promise<JsonObject> {
  const type = (request.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase()
  if (type !== 'application/json' || request.body === null) throw new Malformed()
  const bytes = await readBody(request.body, maxBytes)
  if (bytes === null) throw new Malformed()
  try {
    return object(parseJson(bytes, { maxBytes, maxMembers: 20_000 }))
  } catch (error) {
    if (isPosternError(error, 'json.malformed', 'json.too_large')) throw new Malformed()
    throw error
  }
}

export function object(value: JsonValue | undefined): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Malformed()
  return value as JsonObject
}

function text(value: JsonValue | undefined): string {
  if (typeof value !== 'string') throw new Malformed()
  return value
}

function properties(found: JsonObject): { readonly properties?: JsonObject } {
  return found['properties'] === undefined ? {} : { properties: object(found['properties']) }
}

/** A subject or a resource. */
export function entity(value: JsonValue | undefined): AuthZenEntity {
  const found = object(value)
  return { type: text(found['type']), id: text(found['id']), ...properties(found) }
}

/** What a search asks for: a type, whatever its id. */
export function entityType(value: JsonValue | undefined): string {
  return text(object(value)['type'])
}

export function action(value: JsonValue | undefined): AuthZenAction {
  const found = object(value)
  return { name: text(found['name']), ...properties(found) }
}

export function context(found: JsonObject): { readonly context?: JsonObject } {
  return found['context'] === undefined ? {} : { context: object(found['context']) }
}

export function question(found: JsonObject): AuthZenQuestion {
  return {
    subject: entity(found['subject']),
    action: action(found['action']),
    resource: entity(found['resource']),
    ...context(found),
  }
}

/** Where a page begins and how long it may be. */
export function page(found: JsonObject): { readonly token: string | null; readonly limit: number | null } {
  if (found['page'] === undefined) return { token: null, limit: null }
  const { token, limit } = object(found['page'])
  if (limit !== undefined && (!Number.isSafeInteger(limit) || (limit as number) < 1)) throw new Malformed()
  // An empty token is how a last page says that none follows: it starts nothing.
  return { token: token === undefined || token === '' ? null : text(token), limit: (limit as number | undefined) ?? null }
}

/** A reply with the request's id in it. */
export function reply(request: Request, status: number, body: unknown): Response {
  const headers: Record<string, string> = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  const id = request.headers.get('x-request-id')
  if (id !== null && /^[\x20-\x7e]{1,256}$/.test(id)) headers['x-request-id'] = id
  return new Response(JSON.stringify(body), { status, headers })
}
