/** Attestation by a TPM 2.0: it certifies the key, under an attestation key that its maker vouches for. @see WebAuthn Level 3 §8.3 */
import { concat, equal, u16 } from '@postern/core/bytes'
import { verifyAlgOf } from '@postern/core/cose'
import { rs1Verifier } from '@postern/core/coseVerifier'
import type { CryptoPort, DigestAlg, VerifyAlg } from '@postern/core/cryptoPort'
import { derItems, derSequence, readDer } from '@postern/core/der'
import { type Certificate, extendedUsages, extensionOid, publicKeyOf } from '@postern/core/x509'
import { readName } from '@postern/core/x509Names'
import {
  algIn,
  bytesIn,
  chainIn,
  checkAttestationCertificate,
  checkSignature,
  type Format,
  type FormatOptions,
  invalid,
  membersOf,
  signedBytes,
} from './statement.js'
import { readCertify, readPublic, type TpmAttest, type TpmPublic } from './tpmStructures.js'

type Hash = DigestAlg | 'SHA-1'

/** RSASSA-PKCS1-v1_5 with SHA-1: only in statements of old chips, never a credential's. */
const RS1 = -65_535
/** TPM_ALG_ID of hashes. */
const HASHES: Readonly<Record<number, Hash>> = { 4: 'SHA-1', 11: 'SHA-256', 12: 'SHA-384', 13: 'SHA-512' }
const AIK_CERTIFICATE = '2.23.133.8.3'
const MANUFACTURER = '2.23.133.2.1'
const MODEL = '2.23.133.2.2'
const VERSION = '2.23.133.2.3'

export const tpm: Format = async (s, o) => {
  const stmt = membersOf(s, ['ver', 'alg', 'x5c', 'sig', 'certInfo', 'pubArea'])
  if (stmt.get('ver') !== '2.0') throw invalid('tpm.version')
  const [alg, certInfo, pubArea, chain] = [algIn(stmt), bytesIn(stmt, 'certInfo'), bytesIn(stmt, 'pubArea'), chainIn(stmt)]
  const { key, attest } = structures(pubArea, certInfo)
  if (!key.isFor(s.authData.key)) throw invalid('tpm.key')
  const extraData = await digest(hashOf(alg, chain[0]), signedBytes(s), o)
  if (!equal(attest.extraData, extraData)) throw invalid('tpm.extraData')
  const name = concat(u16(key.nameAlg), await digest(HASHES[key.nameAlg], pubArea, o))
  if (!equal(attest.name, name)) throw invalid('tpm.name')
  const signature = bytesIn(stmt, 'sig')
  if (alg === RS1) await checkRs1(chain[0], certInfo, signature, o.crypto)
  else await checkSignature(chain[0], alg, certInfo, signature, o.crypto)
  checkAik(chain[0], o)
  checkAttestationCertificate(chain[0], s.authData.aaguid)
  return { type: 'certified', chain, doubt: null }
}

function structures(pubArea: Uint8Array, certInfo: Uint8Array): { readonly key: TpmPublic; readonly attest: TpmAttest } {
  try {
    return { key: readPublic(pubArea), attest: readCertify(certInfo) }
  } catch (error) {
    if (error instanceof RangeError) throw invalid('tpm.structure')
    throw error
  }
}

/** The hash inside the statement's signature algorithm. */
function hashOf(alg: number, { spki }: Certificate): Hash | undefined {
  if (alg === RS1) return 'SHA-1'
  const { kty, crv } = publicKeyOf(spki)
  const verifyAlg: VerifyAlg | null = verifyAlgOf(alg, kty, crv)
  const bits = verifyAlg?.slice(-3)
  return bits === '256' || bits === '384' || bits === '512' ? `SHA-${bits}` : undefined
}

async function digest(hash: Hash | undefined, data: Uint8Array, { crypto, sha1 }: FormatOptions): Promise<Uint8Array> {
  if (hash === undefined || (hash === 'SHA-1' && !sha1)) throw invalid('tpm.hash')
  if (hash !== 'SHA-1') return crypto.digest(hash, data)
  const legacy = await import('@noble/hashes/legacy.js')
  return legacy.sha1(data)
}

async function checkRs1({ spki }: Certificate, data: Uint8Array, signature: Uint8Array, crypto: CryptoPort): Promise<void> {
  if (!(await (await rs1Verifier(crypto, publicKeyOf(spki))).verify(data, signature))) throw invalid('signature')
}

/** §8.3.1: no subject, the chip in the alternative name, and the one use of attesting. */
function checkAik(certificate: Certificate, { tpmVendors }: FormatOptions): void {
  if (derSequence(readDer(certificate.subject)).length > 0) throw invalid('aik.subject')
  if (extendedUsages(certificate)?.includes(AIK_CERTIFICATE) !== true) throw invalid('aik.usage')
  const names = directoryName(certificate)
  const maker = names.get(MANUFACTURER)
  if (maker === undefined || maker === null || !names.has(MODEL) || !names.has(VERSION)) throw invalid('aik.chip')
  const known = tpmVendors === 'any' || tpmVendors.has(`id:${maker.slice(3).toUpperCase()}`)
  if (!maker.startsWith('id:') || !known) throw invalid('aik.maker')
}

/** The attributes of the first directory name among the alternative ones (RFC 5280 §4.2.1.6). */
function directoryName({ extensions }: Certificate): ReadonlyMap<string, string | null> {
  const extension = extensions.get(extensionOid.subjectAltName)
  const names = extension === undefined ? [] : derSequence(readDer(extension.value))
  const found = names.find(({ cls, tag }) => cls === 'context' && tag === 4)
  if (found === undefined) return new Map()
  return new Map(
    readName(derItems(found)[0]?.raw ?? new Uint8Array(0))
      .flat()
      .map(({ type, text }) => [type, text]),
  )
}
