/** What a DPoP proof of one's own says of its sender. @see RFC 9449 §4.2 */
import { decodeBase64url } from '@postern/core/base64url'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import { type JsonObject, parseJson } from '@postern/core/json'
import { thumbprint } from '@postern/core/jwk'
import type { Binding } from '../session.js'

/** Key and token of the proof; `null` without one, or for one that does not parse: whoever wrote it is on this side. */
export async function callerOf(crypto: CryptoPort, proof: string | null): Promise<Pick<Binding, 'jkt' | 'ath'> | null> {
  const [header, payload] = (proof ?? '').split('.').map((part) => decodeBase64url(part))
  if (!header || !payload) return null
  try {
    const { jwk } = parseJson(header) as JsonObject
    const { ath } = parseJson(payload) as JsonObject
    return { jkt: await thumbprint(crypto, jwk as unknown as JsonWebKey), ath: typeof ath === 'string' ? ath : null }
  } catch (error) {
    if (isPosternError(error, 'json.malformed', 'json.too_large', 'crypto.invalid_key') || error instanceof TypeError) return null
    throw error
  }
}
