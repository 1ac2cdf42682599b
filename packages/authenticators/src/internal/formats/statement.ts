/** What every attestation format gets and gives, and the steps that several share. @see WebAuthn Level 3 §6.5, §8 */
import { concat, equal } from '@postern/core/bytes'
import { type CborKey, type CborMap, type CborValue, isCborMap } from '@postern/core/cbor'
import { verifyAlgOf } from '@postern/core/cose'
import { type CoseVerifier, coseVerifier } from '@postern/core/coseVerifier'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { derBoolean, derOctets, derSequence, readDer } from '@postern/core/der'
import { isPosternError } from '@postern/core/errors'
import { type Certificate, extensionOid, parseCertificate, publicKeyOf } from '@postern/core/x509'
import { readName } from '@postern/core/x509Names'
import type { AttestedData } from '../authData.js'
import { refuse } from '../refusal.js'

/** One statement over one registration. */
export interface Statement {
  readonly attStmt: CborValue
  readonly authData: AttestedData
  readonly clientDataHash: Uint8Array
  /** Of the credential's own key. */
  readonly verifier: CoseVerifier
}

/** What a host may choose about formats. */
export interface FormatOptions {
  readonly crypto: CryptoPort
  readonly tpmVendors: ReadonlySet<string> | 'any'
  readonly sha1: boolean
  readonly unstated: 'refuse' | 'report'
}

/** A statement that verified. Whether its chain leads to anybody who is trusted is another question. */
export interface Verified {
  readonly type: 'none' | 'self' | 'certified'
  /** The attestation certificate first. */
  readonly chain: readonly Certificate[]
  /** Why its chain, however good, does not make the key one of trusted hardware; `null` where nothing speaks against it. */
  readonly doubt: string | null
}

/** A format: verifies, or throws `webauthn.attestation_invalid`. */
export type Format = (s: Statement, o: FormatOptions) => Promise<Verified>

const MAX_CHAIN = 8
const ID_FIDO_AAGUID = '1.3.6.1.4.1.45724.1.1.4'

/** authData ‖ clientDataHash, what most formats sign. */
export function signedBytes({ authData, clientDataHash }: Statement): Uint8Array {
  return concat(authData.raw, clientDataHash)
}

/** The statement's members: these and no others; `optional` may be missing. */
export function membersOf({ attStmt }: Statement, required: readonly string[], optional: readonly string[] = []): CborMap {
  if (!isCborMap(attStmt) || required.some((name) => !attStmt.has(name))) throw invalid('member')
  const known: readonly CborKey[] = [...required, ...optional]
  for (const name of attStmt.keys()) if (!known.includes(name)) throw invalid('member')
  return attStmt
}

export function bytesIn(stmt: CborMap, name: string): Uint8Array {
  const value = stmt.get(name)
  if (!(value instanceof Uint8Array)) throw invalid(name)
  return value
}

export function algIn(stmt: CborMap): number {
  const alg = stmt.get('alg')
  if (typeof alg !== 'number') throw invalid('alg')
  return alg
}

/** The certificates of `x5c`, 1 to 8. */
export function chainIn(stmt: CborMap): readonly [Certificate, ...Certificate[]] {
  const x5c = stmt.get('x5c')
  if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > MAX_CHAIN) throw invalid('x5c')
  const chain = x5c.map((der: CborValue) => {
    if (!(der instanceof Uint8Array)) throw invalid('x5c')
    return parseCertificate(der)
  })
  return chain as [Certificate, ...Certificate[]]
}

/** Whether the key of a certificate signed, by the algorithm that the statement names. */
export async function checkSignature(
  { spki }: Certificate,
  alg: number,
  data: Uint8Array,
  signature: Uint8Array,
  crypto: CryptoPort,
): Promise<void> {
  const jwk = publicKeyOf(spki)
  const verifyAlg = verifyAlgOf(alg, jwk.kty, jwk.crv)
  if (verifyAlg === null) throw invalid('alg')
  if (!(await (await coseVerifier(crypto, { verifyAlg, jwk })).verify(data, signature))) throw invalid('signature')
}

/** Whether a certificate is for the credential's own key. */
export function isFor({ spki }: Certificate, { key }: AttestedData): boolean {
  const { kty, crv, x, y, n, e } = publicKeyOf(spki)
  const own = key.jwk
  return kty === own.kty && crv === own.crv && x === own.x && y === own.y && n === own.n && e === own.e
}

/** Version 3, no authority, and of this model where it names one (§8.2.1, §8.3.1). */
export function checkAttestationCertificate(certificate: Certificate, aaguid: Uint8Array): void {
  const constraints = certificate.extensions.get(extensionOid.basicConstraints)
  if (constraints === undefined) throw invalid('certificate.ca')
  const [ca] = derSequence(readDer(constraints.value))
  if (ca !== undefined && derBoolean(ca)) throw invalid('certificate.ca')
  const named = certificate.extensions.get(ID_FIDO_AAGUID)
  if (named === undefined) return
  if (named.critical || !equal(derOctets(readDer(named.value)), aaguid)) throw invalid('certificate.model')
}

/** The attributes of a subject by type; of several the first counts. */
export function subjectOf({ subject }: Certificate): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const { type, text } of readName(subject).flat()) if (text !== null && !found.has(type)) found.set(type, text)
  return found
}

/** Runs a format and says in its own words what the readers below refused. */
export async function verifying<T>(format: () => Promise<T>): Promise<T> {
  try {
    return await format()
  } catch (error) {
    if (isPosternError(error, 'der.malformed', 'x509.refused', 'crypto.invalid_key', 'keydescription.refused'))
      throw invalid(`${error.code} ${error.reason}`)
    throw error
  }
}

export function invalid(reason: string): Error {
  return refuse('webauthn.attestation_invalid', reason)
}
