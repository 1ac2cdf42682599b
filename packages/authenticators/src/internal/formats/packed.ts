/** Packed attestation: by the credential's own key, or by one that a certificate speaks for. @see WebAuthn Level 3 §8.2 */
import type { Certificate } from '@postern/core/x509'
import {
  algIn,
  bytesIn,
  chainIn,
  checkAttestationCertificate,
  checkSignature,
  type Format,
  invalid,
  membersOf,
  signedBytes,
  subjectOf,
} from './statement.js'

const COUNTRY = '2.5.4.6'
const ORGANISATION = '2.5.4.10'
const UNIT = '2.5.4.11'
const COMMON_NAME = '2.5.4.3'

export const packed: Format = async (s, { crypto }) => {
  const stmt = membersOf(s, ['alg', 'sig'], ['x5c'])
  const [alg, signature, signed] = [algIn(stmt), bytesIn(stmt, 'sig'), signedBytes(s)]
  if (!stmt.has('x5c')) {
    // Self attestation: the algorithm is the credential's, and so is the key.
    if (alg !== s.authData.key.alg || !(await s.verifier.verify(signed, signature))) throw invalid('packed.self')
    return { type: 'self', chain: [], doubt: null }
  }
  const chain = chainIn(stmt)
  await checkSignature(chain[0], alg, signed, signature, crypto)
  checkSubject(chain[0])
  checkAttestationCertificate(chain[0], s.authData.aaguid)
  return { type: 'certified', chain, doubt: null }
}

/** §8.2.1 */
function checkSubject(certificate: Certificate): void {
  const subject = subjectOf(certificate)
  if (subject.get(UNIT) !== 'Authenticator Attestation') throw invalid('packed.subject')
  if (subject.get(COUNTRY)?.length !== 2 || !subject.has(ORGANISATION) || !subject.has(COMMON_NAME))
    throw invalid('packed.subject')
}
