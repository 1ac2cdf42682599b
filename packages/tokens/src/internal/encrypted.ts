/** What a token looks like that was encrypted, and how one of ours gets encrypted to the client that wants it so. */
import { PosternError } from '@postern/core/errors'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { clientJwks } from './clientKeys.js'

/** Five parts: a compact JWE (RFC 7516 §3.1). */
export function isEncrypted(text: string): boolean {
  return text.split('.', 6).length === 5
}

/**
 * A signed token as its client registered to get it: encrypted to one of its keys, or as it is.
 * @throws PosternError `tokens.config` where the issuer cannot encrypt; never sent in the clear instead
 */
export async function toClient(
  use: 'idToken' | 'response' | 'introspection',
  jws: string,
  client: Client,
  context: IssuerContext,
): Promise<string> {
  const wanted = client.encryption?.[use]
  if (wanted === undefined) return jws
  if (context.jwe === undefined)
    throw new PosternError('tokens.config', { publicMessage: 'The client registered encryption; this issuer has none.' })
  return context.jwe.encrypt(jws, client, wanted, await clientJwks(client, context))
}
