/**
 * Attestation: whether a statement verifies, and whether what stands behind it is trusted. The two are apart: a statement that does not verify
 * refuses the registration; one that nobody vouches for is reported, and refused where the host demands trust.
 * @see WebAuthn Level 3 §6.5, §7.1 steps 21 to 24, §8
 */
import { equal, hex } from '@postern/core/bytes'
import { type CborValue, isCborMap, readCbor } from '@postern/core/cbor'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import { type Certificate, type ChainMemory, keyBits, type TrustAnchor, verifyChain } from '@postern/core/x509'
import type { AttestedData } from '../internal/authData.js'
import { androidKey } from '../internal/formats/androidKey.js'
import { apple } from '../internal/formats/apple.js'
import { compoundStatements } from '../internal/formats/compound.js'
import { fidoU2f } from '../internal/formats/fidoU2f.js'
import { none } from '../internal/formats/none.js'
import { packed } from '../internal/formats/packed.js'
import { type Format, type Statement, verifying } from '../internal/formats/statement.js'
import { tpm } from '../internal/formats/tpm.js'
import { refuse } from '../internal/refusal.js'
import { tpmVendors } from '../internal/tpmVendors.js'
import type { Metadata, MetadataEntry } from './mds.js'

/** The formats that certify by a chain. */
export type CertifiedFormat = 'packed' | 'tpm' | 'android-key' | 'apple' | 'fido-u2f'

/** Whom a host trusts to attest, and the choices that single formats leave. */
export interface AttestationTrust {
  /** Authorities by format, beside those of the metadata; see `webauthn/anchors` for Apple's and Google's. */
  readonly anchors?: Readonly<Partial<Record<CertifiedFormat, readonly TrustAnchor[]>>>
  /** Authorities and reports by model, from `verifyMds`. */
  readonly metadata?: Metadata
  /** TPM makers, as `id:` and eight hexadecimal digits. @defaultValue TCG's registry */
  readonly tpmVendors?: ReadonlySet<string> | 'any'
  /** Take TPM statements over SHA-1, which old chips make. @defaultValue false */
  readonly sha1?: boolean
  /** What to do with an Android key whose attestation says neither where it came from nor what it is for. @defaultValue 'refuse' */
  readonly unstated?: 'refuse' | 'report'
  /** How many statements of a compound one must be trusted; all must verify. @defaultValue 'all' */
  readonly compound?: 'all' | 'any'
  /** Makes an intermediate that many chains share cost its signature once. */
  readonly remember?: ChainMemory
}

/** What a statement was found to be. */
export interface Attestation {
  readonly format: string
  /** `certified` stands for the types Basic, AttCA and AnonCA, which nobody can tell apart from the statement. */
  readonly type: 'none' | 'self' | 'certified' | 'compound'
  /** Whether the chain leads to an authority of the host's, of a model without bad reports. */
  readonly trusted: boolean
  /** Whether it also says that the key is kept in hardware. */
  readonly hardware: boolean
  /** Whether somebody trusted vouches for the AAGUID as well: U2F does not sign it, and an Android key signs what its app says. */
  readonly model: boolean
  /** Why it is not trusted; `null` where it is. For events and logs. */
  readonly doubt: string | null
  /** Of the model that the chain leads to; `null` where it leads to an authority of the format's alone. */
  readonly metadata: MetadataEntry | null
  readonly chain: readonly Certificate[]
  /** Of a compound one, each in turn. */
  readonly statements: readonly Attestation[]
}

/** An attestation object, taken apart; nothing in it is true yet. */
export interface AttestationObject {
  readonly fmt: string
  readonly attStmt: CborValue
  readonly authData: Uint8Array
}

/** Protections of the FIDO registry that keep a key out of the system's reach. */
const HARDWARE: readonly string[] = ['hardware', 'tee', 'secure_element']
/** Reports after which a model is not trusted. @see FIDO Metadata Service 3.0 §3.1.4 */
const UNDESIRED: readonly string[] = [
  'REVOKED',
  'USER_VERIFICATION_BYPASS',
  'ATTESTATION_KEY_COMPROMISE',
  'USER_KEY_REMOTE_COMPROMISE',
  'USER_KEY_PHYSICAL_COMPROMISE',
]

const FORMATS: ReadonlyMap<string, Format> = /* @__PURE__ */ new Map<string, Format>([
  ['none', none],
  ['packed', packed],
  ['tpm', tpm],
  ['android-key', androidKey],
  ['apple', apple],
  ['fido-u2f', fidoU2f],
])

/**
 * Reads the map, whose keys may come in any order: real clients do not sort it.
 * @throws PosternError `webauthn.malformed`
 */
export function readAttestationObject(bytes: Uint8Array): AttestationObject {
  try {
    const map = readCbor(bytes, { canonical: false })
    const [fmt, attStmt, authData] = isCborMap(map) && map.size === 3 ? ['fmt', 'attStmt', 'authData'].map((k) => map.get(k)) : []
    if (typeof fmt === 'string' && attStmt !== undefined && authData instanceof Uint8Array) return { fmt, attStmt, authData }
  } catch (error) {
    if (!isPosternError(error, 'cbor.malformed')) throw error
  }
  throw refuse('webauthn.malformed', 'attestation object')
}

/** What verifying needs beside the statement. */
export interface AttestationPorts {
  readonly crypto: CryptoPort
  /** Ms since the epoch. */
  readonly now: number
  readonly trust?: AttestationTrust
}

/**
 * Verifies a statement and says whether it is trusted.
 * @throws PosternError `webauthn.attestation_invalid` | `webauthn.format_unsupported`
 */
export async function verifyAttestation(fmt: string, s: Statement, ports: AttestationPorts): Promise<Attestation> {
  if (fmt !== 'compound') return verifyOne(fmt, s, ports)
  const statements: Attestation[] = []
  for (const { fmt: one, attStmt } of compoundStatements(s.attStmt))
    statements.push(await verifyOne(one, { ...s, attStmt }, ports))
  // The doubt of the first that has one speaks for all; with `any` one without is enough.
  const doubts = statements.map(({ doubt }) => doubt).filter((doubt) => doubt !== null)
  const trusted = ports.trust?.compound === 'any' ? doubts.length < statements.length : doubts.length === 0
  const some = (what: 'hardware' | 'model') => trusted && statements.some((one) => one[what])
  const [hardware, model] = [some('hardware'), some('model')]
  const doubt = trusted ? null : doubts[0]!
  return { format: fmt, type: 'compound', trusted, hardware, model, doubt, metadata: null, chain: [], statements }
}

async function verifyOne(format: string, s: Statement, { crypto, now, trust = {} }: AttestationPorts): Promise<Attestation> {
  const verify = FORMATS.get(format)
  if (verify === undefined) throw refuse('webauthn.format_unsupported', 'format')
  const { tpmVendors: vendors = tpmVendors, sha1 = false, unstated = 'refuse' } = trust
  const { type, chain, doubt: own } = await verifying(() => verify(s, { crypto, tpmVendors: vendors, sha1, unstated }))
  const leaf = chain[0]
  const named = leaf === undefined ? null : await entryOf(trust.metadata, format, s.authData, leaf)
  const against = (anchors: readonly (TrustAnchor | Certificate)[]) => chainDoubt(chain, anchors, crypto, now, trust.remember)
  let doubt = own ?? (leaf === undefined ? type : reportAgainst(named))
  // First by the model's own authority: under one of the format's alone, whatever model is named is somebody's word.
  const anchored = doubt === null && named !== null && (await against(named.anchors())) === null
  if (doubt === null && !anchored) doubt = await against(trust.anchors?.[format as CertifiedFormat] ?? [])
  const metadata = anchored || doubt !== null ? named : null
  const hardware = doubt === null && (metadata === null || metadata.keyProtection.some((kind) => HARDWARE.includes(kind)))
  const model = doubt === null && format !== 'fido-u2f' && (anchored || format !== 'android-key')
  return { format, type, trusted: doubt === null, hardware, model, doubt, metadata, chain, statements: [] }
}

/** By model; security keys of U2F have none, whatever their client wrote, and are named by their certificate's key. */
async function entryOf(
  metadata: Metadata | undefined,
  format: string,
  { aaguid }: AttestedData,
  leaf: Certificate,
): Promise<MetadataEntry | null> {
  if (metadata === undefined) return null
  if (format !== 'fido-u2f' && aaguid.some((byte) => byte !== 0)) return metadata.byAaguid(hex(aaguid))
  // SHA-1 as a name, not as a promise (RFC 5280 §4.2.1.2, method 1).
  const { sha1 } = await import('@noble/hashes/legacy.js')
  return metadata.byKeyId(hex(sha1(keyBits(leaf.spki))))
}

function reportAgainst(metadata: MetadataEntry | null): string | null {
  return metadata?.reports.find(({ status }) => UNDESIRED.includes(status))?.status ?? null
}

async function chainDoubt(
  chain: readonly Certificate[],
  anchors: readonly (TrustAnchor | Certificate)[],
  crypto: CryptoPort,
  now: number,
  remember: ChainMemory | undefined,
): Promise<string | null> {
  const leaf = chain[0]!
  // Metadata may name attestation certificates themselves, where no authority issued them.
  const listed = anchors.some((anchor) => 'der' in anchor && equal(anchor.der, leaf.der))
  if (listed && now >= leaf.notBefore && now <= leaf.notAfter) return null
  try {
    await verifyChain(chain, { anchors, now, crypto, ...(remember !== undefined && { remember }) })
    return null
  } catch (error) {
    if (isPosternError(error, 'x509.refused', 'der.malformed')) return error.reason ?? error.code
    throw error
  }
}
