/** Public documents (discovery, key sets): written once, and again when what they follow from has changed. */
import { lightReply } from '@postern/core/reply'
import type { IssuerConfig } from '../config.js'
import type { Handler, IssuerContext } from '../issuer.js'
import { empty, likeIts } from './http.js'

interface Written {
  /** Every member of the context but the connection's, then the keys of the moment. */
  readonly from: readonly unknown[]
  readonly text: string
}

/**
 * `GET` and `HEAD` of a document that every origin may read, without credentials.
 * @param keysOf - of the keys what the document depends on: they change by the clock, and the context stays the same
 */
export function publicDocument(
  write: (context: IssuerContext) => unknown,
  keysOf: (context: IssuerContext) => readonly unknown[],
  maxAgeSec: number,
): Handler {
  const cacheControl = `public, max-age=${maxAgeSec}`
  const written = new WeakMap<IssuerConfig, Written>()
  return async (request, context) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return empty(405, { allow: 'GET, HEAD' })
    const from: unknown[] = [...keysOf(context)]
    for (const name in context) if (name !== 'host') from.push(context[name as keyof IssuerContext])
    let document = written.get(context.config)
    if (document === undefined || !same(document.from, from)) {
      document = { from, text: JSON.stringify(write(context)) }
      written.set(context.config, document)
    }
    const headers = { 'content-type': 'application/json', 'cache-control': cacheControl, 'access-control-allow-origin': '*' }
    return likeIts(request, lightReply({ status: 200, headers, text: document.text }))
  }
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i])
}
