/** Attestation of U2F security keys, which know neither flags nor models: the AAGUID is whatever the client wrote. @see WebAuthn Level 3 §8.6 */
import { decodeBase64url } from '@postern/core/base64url'
import { concat } from '@postern/core/bytes'
import { publicKeyOf } from '@postern/core/x509'
import { bytesIn, chainIn, checkSignature, type Format, invalid, membersOf } from './statement.js'

const ES256 = -7

export const fidoU2f: Format = async (s, { crypto }) => {
  const { authData, clientDataHash } = s
  const stmt = membersOf(s, ['sig', 'x5c'])
  const chain = chainIn(stmt)
  if (chain.length !== 1 || publicKeyOf(chain[0].spki).crv !== 'P-256') throw invalid('u2f.certificate')
  // U2F signs no flags, and its keys know of neither: what they cannot say nobody else says for them.
  if (authData.userVerified || authData.backupEligible || authData.backedUp) throw invalid('u2f.flags')
  const { crv, x, y } = authData.key.jwk
  if (crv !== 'P-256') throw invalid('u2f.key')
  const point = concat(Uint8Array.of(4), decodeBase64url(x!)!, decodeBase64url(y!)!)
  const signed = concat(Uint8Array.of(0), authData.rpIdHash, clientDataHash, authData.credentialId, point)
  await checkSignature(chain[0], ES256, signed, bytesIn(stmt, 'sig'), crypto)
  return { type: 'certified', chain, doubt: null }
}
