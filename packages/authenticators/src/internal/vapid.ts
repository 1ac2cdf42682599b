/** Who sends: a signed statement to the push service. @see RFC 8292 */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { concat, u8 } from '@postern/core/bytes'
import type { Signer } from '@postern/core/cryptoPort'
import { signJws } from '@postern/core/jws'

/** Of at most 24 hours (RFC 8292 §2); the service's clock may be behind ours. */
const LIFE_SEC = 43_200

/**
 * The value of the `Authorization` header.
 * @param o.audience - origin of the endpoint
 * @param o.subject - `mailto:` or `https:` URI of the operator
 * @param o.now - ms
 */
export async function vapidHeader(
  signer: Signer,
  o: { readonly audience: string; readonly subject: string; readonly now: number },
): Promise<string> {
  const exp = Math.floor(o.now / 1000) + LIFE_SEC
  const token = await signJws(signer, { typ: 'JWT' }, { aud: o.audience, exp, sub: o.subject })
  const { x, y } = signer.publicJwk
  return `vapid t=${token}, k=${encodeBase64url(concat(u8(4), decodeBase64url(x!)!, decodeBase64url(y!)!))}`
}
