/**
 * Signatures as authenticators and their attestations make them, over the crypto port: ECDSA in DER, everything else as it is.
 * What the runtime lacks of Ed448 and ML-DSA is JavaScript, loaded when the first such key is met.
 * @see WebAuthn Level 3 §6.5.5
 */
import { decodeBase64url } from './base64url.js'
import type { CoseKey } from './cose.js'
import type { CryptoPort, Now, RareAlg } from './cryptoPort.js'
import { isPosternError } from './errors.js'
import { ecBytes, fromEcdsaDer } from './internal/ecdsaDer.js'

/** One prepared key. */
export interface CoseVerifier {
  /** Whether the signature is right. Never throws for a signature, however broken. */
  verify(data: Uint8Array, signature: Uint8Array): Now<boolean>
}

/**
 * Checks a key and prepares it; worth keeping, for preparing costs as much as verifying.
 * @throws PosternError `crypto.invalid_key` for a point off its curve or of small order, an RSA key outside the port's bounds
 */
export async function coseVerifier(
  crypto: CryptoPort,
  { verifyAlg, jwk }: Pick<CoseKey, 'verifyAlg' | 'jwk'>,
): Promise<CoseVerifier> {
  const raw = decodeBase64url(jwk.x ?? jwk.pub ?? '')
  // OpenSSL does not look at the point.
  if (verifyAlg === 'Ed448' && raw !== null) (await rareSignatures()).checkEd448Point(raw)
  try {
    const key = await crypto.verifyKey(verifyAlg, jwk)
    const size = ecBytes[jwk.crv ?? '']
    if (size === undefined) return { verify: (data, signature) => crypto.verify(key, data, signature) }
    return {
      verify(data, signature) {
        const jose = fromEcdsaDer(signature, size)
        return jose !== null && crypto.verify(key, data, jose)
      },
    }
  } catch (error) {
    if (!isPosternError(error, 'crypto.unsupported')) throw error
    return { verify: (await rareSignatures()).rareVerifier(verifyAlg as RareAlg, raw!) }
  }
}

/**
 * RSASSA-PKCS1-v1_5 with SHA-1, in JavaScript: statements of old TPMs are signed so, and nothing that is signed today should be.
 * @throws PosternError `crypto.invalid_key`
 */
export async function rs1Verifier(crypto: CryptoPort, jwk: JsonWebKey): Promise<CoseVerifier> {
  const { n, e } = { ...jwk }
  await crypto.verifyKey('RS256', { kty: jwk.kty!, n: n!, e: e! })
  const verify = (await rareSignatures()).verifyRs1
  return { verify: (data, signature) => verify(decodeBase64url(n!)!, decodeBase64url(e!)!, data, signature) }
}

const rareSignatures = () => import('./internal/rareSignatures.js')
