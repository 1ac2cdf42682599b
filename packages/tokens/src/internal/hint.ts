/** `id_token_hint` (OpenID Connect Core §3.1.2.1): an ID token of ours, for this client; an expired one counts, too. */
import { isPosternError } from '@postern/core/errors'
import { readJws, verifyJws } from '@postern/core/jws'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { idTokenRules, textClaim } from '../jose.js'
import { kitOf } from './kit.js'
import { malformed } from './wire.js'

/** The `sub` of the hint, as this client knows it. @throws PosternError `request.malformed` */
export async function hintedSubject(text: string, client: Client, context: IssuerContext): Promise<string> {
  const { runtime, issuer } = context
  try {
    const jws = readJws(text, idTokenRules())
    const key = jws.kid === null ? null : await kitOf(context).ownKey(jws.kid, runtime.clock())
    if (key !== null) {
      const claims = await verifyJws(runtime.crypto, jws, key)
      if (claims.iss === issuer && claims.aud === client.id) return textClaim(claims, 'sub', 255)
    }
  } catch (error) {
    if (!isPosternError(error, 'jws.refused')) throw error
  }
  throw malformed('id_token_hint is no ID token of this issuer for this client.')
}
