/** Scopes as sets: they narrow, never widen. @see RFC 6749 §3.3 */
import { PosternError } from '@postern/core/errors'
import type { Client } from '../clients.js'
import type { IssuerConfig } from '../config.js'

const TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/
const MAX_TOKENS = 64

export function isScopeToken(text: string): boolean {
  return TOKEN.test(text)
}

/** The tokens of a `scope` parameter, each once. @throws PosternError `scope.refused` */
function parseScope(text: string): readonly string[] {
  const tokens = text.split(' ')
  if (tokens.length > MAX_TOKENS || !tokens.every(isScopeToken)) throw new PosternError('scope.refused')
  return [...new Set(tokens)]
}

/** The scope asked for, ⊆ `most`; without one, `most` itself. @throws PosternError `scope.refused` */
export function narrowScope(asked: string | undefined, most: readonly string[]): readonly string[] {
  if (asked === undefined) return most
  const scope = parseScope(asked)
  if (!scope.every((token) => most.includes(token))) throw new PosternError('scope.refused')
  return scope
}

/** What a client may ask for here. Without a `scope` parameter nothing but what it must name is granted. */
export function clientScope(asked: string | undefined, client: Client, config: IssuerConfig): readonly string[] {
  const most = client.scope.filter((token) => config.scopes.includes(token))
  return asked === undefined ? [] : narrowScope(asked, most)
}

/** The one audience of a token (RFC 8707). @throws PosternError `target.refused` */
export function clientResource(asked: string | undefined, client: Client, config: IssuerConfig): string {
  const resource = asked ?? config.defaultResource
  const allowed = client.resources ?? [config.defaultResource]
  if (!allowed.includes(resource) || !Object.hasOwn(config.resources, resource)) throw new PosternError('target.refused')
  return resource
}

/** Of these scopes, those a token for the resource may carry. */
export function scopeAt(resource: string, scope: readonly string[], config: IssuerConfig): readonly string[] {
  const most = config.resources[resource]?.scopes
  return most === undefined
    ? scope
    : scope.filter((token) => most.includes(token) || token === 'openid' || token === 'offline_access')
}
