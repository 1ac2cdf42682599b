/** JWT-secured authorization responses (JARM): what goes back to the client is signed, errors too, and encrypted where it wants that. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { signJws } from '@postern/core/jws'
import type { Client } from './clients.js'
import { toClient } from './internal/encrypted.js'
import type { IssuerContext } from './issuer.js'

/** Signs authorization responses, as `IssuerContext.jarm` takes them. */
export interface SignedResponses {
  /** Members of the metadata document (JARM §4). */
  announce(context: IssuerContext): JsonObject
  /** The `response` parameter: `iss`, `aud`, `exp` and the parameters (§2.1), nested in a JWE where the client registered one (§2.2). */
  sign(parameters: Readonly<Record<string, string>>, client: Client, context: IssuerContext): Promise<string>
}

/**
 * Signed responses, for the modes `jwt`, `query.jwt` and `form_post.jwt`.
 * @param o.lifeSec - 1 to 600, default 300
 * @throws PosternError `tokens.config`
 */
export function signedResponses({ lifeSec = 300 }: { readonly lifeSec?: number } = {}): SignedResponses {
  if (!(Number.isInteger(lifeSec) && lifeSec >= 1 && lifeSec <= 600))
    throw new PosternError('tokens.config', { publicMessage: `jarm lifeSec is ${lifeSec}; 1 to 600 is allowed` })
  return {
    announce: ({ keys, runtime, jwe }) => ({
      authorization_signing_alg_values_supported: [
        ...new Set(keys.signing.published(runtime.clock()).map(({ signer }) => signer.alg)),
      ],
      ...(jwe !== undefined && {
        authorization_encryption_alg_values_supported: jwe.encryptAlgs,
        authorization_encryption_enc_values_supported: jwe.encs,
      }),
    }),
    async sign(parameters, client, context) {
      const { issuer, keys, runtime } = context
      const now = runtime.clock()
      const { signer, kid } = keys.signing.active(now)
      const claims = { ...parameters, iss: issuer, aud: client.id, exp: Math.floor(now / 1000) + lifeSec }
      return toClient('response', await signJws(signer, { typ: 'JWT', kid }, claims), client, context)
    },
  }
}
