/** `authorization_details` where they come in and where they only narrow. Without registered types the parameter is unknown, and so ignored. @see RFC 9396 */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'

type Form = ReadonlyMap<string, string>

/** The details a request asks for; `null` for none. @throws PosternError `details.refused` */
export function askedDetails(form: Form, client: Client, { details }: IssuerContext): readonly JsonObject[] | null {
  const text = form.get('authorization_details')
  return text === undefined || details === undefined ? null : details.parse(text, client)
}

/** What a token gets of the details of its grant: all, or fewer when the token request says so (§6). @throws PosternError `details.refused` */
export function tokenDetails(
  form: Form,
  granted: readonly JsonObject[] | undefined,
  client: Client,
  context: IssuerContext,
): { readonly details?: readonly JsonObject[] } {
  const asked = askedDetails(form, client, context)
  if (asked === null) return granted === undefined ? {} : { details: granted }
  return { details: narrowedDetails(asked, granted ?? [], context) }
}

/** @throws PosternError `details.refused` when `asked` goes beyond what was granted */
export function narrowedDetails(
  asked: readonly JsonObject[],
  granted: readonly JsonObject[],
  { details }: IssuerContext,
): readonly JsonObject[] {
  if (details === undefined) throw new PosternError('details.refused', { reason: 'details.unregistered' })
  return details.narrow(asked, granted)
}
