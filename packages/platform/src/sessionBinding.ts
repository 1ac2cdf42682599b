/** Whose a sealed session is: the instance that proved its device key, and the token, over the exporter of the call that opened it. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { PayloadServerOptions } from '@postern/payload/server'
import type { TokenKind } from '@postern/tokens/login'
import { createVerifier, type VerifierOptions } from '@postern/tokens/resource'

const kinds: readonly TokenKind[] = ['user', 'implicit', 'device']

/**
 * What a payload server asks as `bind`: the token and the proof of a call, where the proof covers the exporter; `null` for anybody else, who gets an
 * anonymous session. Nothing of the gateway's is consumed: the same proof still passes there, once.
 *
 * The proof needs a nonce, but any will do, so that an app's first call, or the first after a pause, need not open a session that is nobody's. What
 * the nonce is for, the opening has otherwise: `ath` names a token that lives for minutes, `ekm` this very call, and each call in the session proves
 * itself to the gateway with a nonce that is good.
 * @param verifier - the gateway's own
 *
 * @example
 * const payload = createPayloadServer({ ...options, sessions, bind: bindSessions(verifier) })
 * const gateway = createGateway({ ...rest, verifier, payload })
 */
export function bindSessions(verifier: VerifierOptions): NonNullable<PayloadServerOptions['bind']> {
  const nonces = { ...verifier.nonces, good: async () => true }
  // A memory of its own, of what opened sessions here.
  const verify = createVerifier({ ...verifier, nonces, replay: { mode: 'node' } })
  return async (inner, ekm) => {
    try {
      const { jkt, proof, token, expiresAt } = await verify(inner, { kind: kinds })
      if (jkt === null || proof?.ekm !== encodeBase64url(ekm)) return null
      return { jkt, ath: encodeBase64url(await verifier.crypto.digest('SHA-256', utf8(token))), expiresAt }
    } catch (error) {
      if (error instanceof PosternError) return null
      throw error
    }
  }
}
