/** The client certificate of the connection: bytes that the host hands in. No header is read for it, whatever a proxy or a caller writes there (T36). */
import { encodeBase64url } from '@postern/core/base64url'
import type { IssuerContext } from '../issuer.js'

/** `x5t#S256` of the certificate that came with the connection, or `null` (RFC 8705 §3.1). */
export async function certificateThumbprint({ host, runtime }: IssuerContext): Promise<string | null> {
  const der = host?.clientCertificate
  return der === undefined ? null : encodeBase64url(await runtime.crypto.digest('SHA-256', der))
}
