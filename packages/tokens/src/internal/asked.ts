/** Where an authorization request comes from: the query or form itself, a request object, or what was pushed. @see RFC 9101 §5, RFC 9126 §4 */
import { fromUtf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { parseForm } from '@postern/core/form'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { type Pushed, REQUEST_URI_PREFIX } from '../par.js'
import {
  type AuthorizationRequest,
  countingParameters,
  destinationOf,
  parseAuthorizationRequest,
  redirectOf,
} from './authorizationRequest.js'
import { newId } from './code.js'
import { openHandle } from './handles.js'
import { readForm } from './http.js'
import { kitOf } from './kit.js'
import type { Destination } from './response.js'
import { malformed } from './wire.js'

const CLIENT_ID = /^[A-Za-z0-9._~-]{1,64}$/

/** The parameters as they were sent. @throws PosternError `request.method` `request.*` `form.*` */
export async function readParameters(request: Request): Promise<ReadonlyMap<string, string>> {
  if (request.method === 'POST') return readForm(request)
  if (request.method !== 'GET') throw new PosternError('request.method')
  return parseForm(new URL(request.url).search.slice(1))
}

/** @throws PosternError `client.unknown` */
export async function clientOf(id: string | undefined, { clients }: IssuerContext): Promise<Client> {
  const client = id === undefined || !CLIENT_ID.test(id) ? null : await clients.find(id)
  if (client === null) throw new PosternError('client.unknown')
  return client
}

/** A request of which it is known where errors go. */
export interface Asked {
  readonly jti: string
  readonly pushed: boolean
  readonly to: Destination
  /** The request, or throws what may be sent to the client. */
  parse(): Promise<AuthorizationRequest>
}

/** @throws PosternError where nobody may be redirected: `redirect.refused` `par.invalid` `jar.by_reference` */
export async function readAsked(form: ReadonlyMap<string, string>, client: Client, context: IssuerContext): Promise<Asked> {
  const jti = newId(context)
  const refusing = (error: unknown): Asked => ({
    jti,
    pushed: false,
    to: destinationOf(form, client, context),
    parse: () => Promise.reject(error),
  })
  const uri = form.get('request_uri')
  if (uri !== undefined && form.has('request')) return refusing(malformed('request and request_uri exclude each other.')) // RFC 9101 §5
  if (uri?.startsWith(REQUEST_URI_PREFIX)) {
    const { jti, request } = await readPushed(uri, client, context)
    return { jti, pushed: true, to: request, parse: async () => request }
  }
  // Whatever else it names is not fetched (T38); only whoever also says where answers go is told in the client's own way.
  if (uri !== undefined && !form.has('redirect_uri')) throw new PosternError('jar.by_reference')
  if (uri !== undefined) return refusing(new PosternError('jar.by_reference'))
  if (client.requirePar === true || context.config.requirePar) return refusing(malformed('This client must push its request.')) // RFC 9126 §5
  let parameters: ReadonlyMap<string, string>
  try {
    parameters = await countingParameters(form, client, context)
  } catch (error) {
    // A request object that does not count says nothing of where its errors go; the form around it does.
    return refusing(error)
  }
  return {
    jti,
    pushed: false,
    to: destinationOf(parameters, client, context),
    parse: () => parseAuthorizationRequest(parameters, client, context),
  }
}

/** RFC 9126 §4: ours, this client's, not expired, and no code has come of it yet (T37). */
async function readPushed(
  uri: string,
  client: Client,
  context: IssuerContext,
): Promise<{ readonly jti: string; readonly request: AuthorizationRequest }> {
  const { runtime, tenant } = context
  const pushed = await openHandle<Pushed>(kitOf(context), 'par', uri.slice(REQUEST_URI_PREFIX.length))
  if (pushed === null || pushed.clientId !== client.id || pushed.exp <= runtime.clock()) throw new PosternError('par.invalid')
  const [done, stored] = await runtime.store.read({ tenant, id: `rq:${pushed.jti}` }, ['done', 'req'], { now: runtime.clock() })
  if (done) throw new PosternError('par.invalid', { reason: 'par.used' })
  const request =
    pushed.request ?? (stored ? (JSON.parse(fromUtf8(stored.value) ?? 'null') as AuthorizationRequest | null) : null)
  if (request === null) throw new PosternError('par.invalid')
  redirectOf(request.redirectUri, client)
  return { jti: pushed.jti, request }
}
