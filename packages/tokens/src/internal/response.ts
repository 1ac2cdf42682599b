/** How an authorization response travels: in the query or by a form, signed or not. @see OAuth 2.0 Multiple Response Types §2.1, JARM §2.3 */
import { PosternError } from '@postern/core/errors'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import type { SignedResponses } from '../jarm.js'
import { formPost } from './formPost.js'
import { empty } from './http.js'
import { withQuery } from './redirect.js'
import { malformed } from './wire.js'

export type ResponseMode = 'query' | 'form_post' | 'query.jwt' | 'form_post.jwt'

/** Where a response goes: a client and a redirect_uri that are known good. */
export interface Destination {
  readonly redirectUri: string
  readonly state: string | null
  readonly mode: ResponseMode
}

/** What discovery announces. */
export function responseModes({ jarm, config }: IssuerContext): readonly string[] {
  const signed = jarm === undefined ? [] : ['jwt', 'query.jwt', 'form_post.jwt']
  return config.requireSignedResponse ? signed : ['query', 'form_post', ...signed]
}

/** The mode where none was asked for, or none that is offered. */
export function defaultMode({ config }: IssuerContext): ResponseMode {
  return config.requireSignedResponse ? 'query.jwt' : 'query'
}

/** The mode asked for. @throws PosternError `request.malformed` for every mode that is not offered (T14), `tokens.config` */
export function readMode(text: string | undefined, redirectUri: string, context: IssuerContext): ResponseMode {
  // Found out here, not after the user has logged in.
  if (context.config.requireSignedResponse) signerOf(context)
  if (text === undefined) return defaultMode(context)
  const modes = responseModes(context)
  if (!modes.includes(text)) throw malformed(`response_mode must be one of ${modes.join(', ')}.`)
  if (text.startsWith('form_post') && !/^https?:/.test(redirectUri))
    throw malformed('A form can be posted to http and https alone.')
  return text === 'jwt' ? 'query.jwt' : (text as ResponseMode)
}

/** Sends parameters to the client, with `state` and `iss` (RFC 9207 §2, T12). */
export async function respond(
  { redirectUri, state, mode }: Destination,
  answer: Readonly<Record<string, string>>,
  client: Client,
  context: IssuerContext,
): Promise<Response> {
  const parameters = { ...answer, ...(state !== null && { state }) }
  const sent = mode.endsWith('.jwt')
    ? { response: await signerOf(context).sign(parameters, client, context) }
    : { ...parameters, iss: context.issuer }
  if (mode.startsWith('form_post')) return formPost(redirectUri, sent)
  return empty(303, { location: withQuery(redirectUri, sent), 'referrer-policy': 'no-referrer' })
}

function signerOf({ jarm }: IssuerContext): SignedResponses {
  if (jarm === undefined)
    throw new PosternError('tokens.config', { publicMessage: 'requireSignedResponse needs IssuerContext.jarm.' })
  return jarm
}
