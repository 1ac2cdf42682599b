/**
 * X.509 certificates: a view of one, and the way from it to a key that is trusted. Certificates of TLS clients, attesters and authenticators
 * alike; what a certificate is good for is judged by who asks.
 * @see RFC 5280
 */
import { encodeBase64url } from './base64url.js'
import { setBounded } from './boundedMap.js'
import { concat, equal } from './bytes.js'
import type { CryptoPort, VerifyAlg, VerifyKey } from './cryptoPort.js'
import {
  type Der,
  derBitString,
  derBoolean,
  derFlags,
  derInteger,
  derIntegerBytes,
  derItems,
  derOctets,
  derOid,
  derSequence,
  derTime,
  derUnsigned,
  isDer,
  readDer,
} from './der.js'
import { isPosternError, PosternError } from './errors.js'
import { ecBytes, fromEcdsaDer } from './internal/ecdsaDer.js'

/** A certificate as it is written. Nothing in it is true before its chain is verified. */
export interface Certificate {
  readonly der: Uint8Array
  /** What the signature is over. */
  readonly tbs: Uint8Array
  /** The AlgorithmIdentifier of the signature, whole. */
  readonly algorithm: Uint8Array
  readonly signature: Uint8Array
  /** Two's complement bytes, 1 to 20. */
  readonly serial: Uint8Array
  /** Names as they are encoded: two are the same when their bytes are. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  /** Ms since the epoch, both included. */
  readonly notBefore: number
  readonly notAfter: number
  /** SubjectPublicKeyInfo, whole. */
  readonly spki: Uint8Array
  readonly extensions: ReadonlyMap<string, { readonly critical: boolean; readonly value: Uint8Array }>
}

/** A key that is trusted to issue under a name; its own certificate, if there was one, does not count. */
export interface TrustAnchor {
  readonly subject: Uint8Array
  readonly spki: Uint8Array
}

/** Extensions by their OIDs. */
export const extensionOid = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  certificatePolicies: '2.5.29.32',
  extKeyUsage: '2.5.29.37',
} as const

const MAX_EXTENSIONS = 32
const MAX_CHAIN = 8
const MAX_KEPT = 256
const MAX_SIGNATURE_BYTES = 1024

/**
 * Reads one certificate, version 1 or 3.
 * @throws PosternError `x509.refused` | `der.malformed`
 */
export function parseCertificate(bytes: Uint8Array): Certificate {
  const der = bytes.slice()
  const [tbs, algorithm, signature, ...more] = derSequence(readDer(der))
  if (tbs === undefined || algorithm === undefined || more.length > 0) throw refuse('form')
  const members = derSequence(tbs)
  const versioned = members[0] !== undefined && isContext(members[0], 0)
  const version = versioned ? derInteger(derItems(members[0]!)[0]) : 0
  const [serial, inner, issuer, validity, subject, spki, ...rest] = versioned ? members.slice(1) : members
  if (version !== 2 && (version !== 0 || versioned || rest.length > 0)) throw refuse('version')
  if (inner === undefined || !equal(inner.raw, algorithm.raw)) throw refuse('algorithm') //         RFC 5280 §4.1.1.2
  const [notBefore, notAfter, ...others] = derSequence(validity)
  if (others.length > 0) throw refuse('validity')
  // A name is a SEQUENCE, as is a key.
  derSequence(issuer)
  derSequence(subject)
  derSequence(spki)
  const value = derBitString(signature)
  const serialBytes = derIntegerBytes(serial)
  if (value.length > MAX_SIGNATURE_BYTES || serialBytes.length > 20) throw refuse('size')
  return {
    der,
    tbs: tbs.raw,
    algorithm: algorithm.raw,
    signature: value,
    serial: serialBytes,
    issuer: issuer!.raw,
    subject: subject!.raw,
    notBefore: derTime(notBefore),
    notAfter: derTime(notAfter),
    spki: spki!.raw,
    extensions: extensionsIn(rest),
  }
}

/** The unique identifiers of version 2 have no use and no place here. */
function extensionsIn(rest: readonly Der[]): Certificate['extensions'] {
  const found = new Map<string, { critical: boolean; value: Uint8Array }>()
  if (rest.length === 0) return found
  const [wrapped, ...more] = rest
  if (more.length > 0 || !isContext(wrapped!, 3)) throw refuse('extensions')
  const [list, ...others] = derItems(wrapped!)
  const entries = derSequence(list)
  if (others.length > 0 || entries.length === 0 || entries.length > MAX_EXTENSIONS) throw refuse('extensions')
  for (const entry of entries) {
    const items = derSequence(entry)
    const flagged = items.length === 3
    const oid = derOid(items[0])
    // DER leaves out a default, so `FALSE` is never written (X.690 §11.5).
    if (items.length < 2 || items.length > 3 || (flagged && !derBoolean(items[1])) || found.has(oid)) throw refuse('extension')
    found.set(oid, { critical: flagged, value: derOctets(items.at(-1)) })
  }
  return found
}

const CURVES: Readonly<Record<string, string>> = {
  '1.2.840.10045.3.1.7': 'P-256',
  '1.3.132.0.34': 'P-384',
  '1.3.132.0.35': 'P-521',
}

/**
 * The key of a SubjectPublicKeyInfo as JWK: EC on P-256, P-384, P-521, Ed25519, RSA. Whether it is a sound one is `CryptoPort.verifyKey`'s business.
 * @throws PosternError `x509.refused` | `der.malformed`
 */
export function publicKeyOf(spki: Uint8Array): JsonWebKey {
  const [algorithm, bits, ...more] = derSequence(readDer(spki))
  const [oid, parameters, ...others] = derSequence(algorithm)
  if (more.length > 0 || others.length > 0) throw refuse('spki')
  const key = derBitString(bits)
  const name = derOid(oid)
  if (name === '1.2.840.10045.2.1') {
    const crv = CURVES[derOid(parameters)] ?? ''
    const size = ecBytes[crv]
    if (size === undefined || key[0] !== 4 || key.length !== 1 + 2 * size) throw refuse('spki.point') // RFC 5480 §2.2
    return { kty: 'EC', crv, x: encodeBase64url(key.subarray(1, 1 + size)), y: encodeBase64url(key.subarray(1 + size)) }
  }
  if (name === '1.3.101.112' && parameters === undefined && key.length === 32)
    return { kty: 'OKP', crv: 'Ed25519', x: encodeBase64url(key) } //                               RFC 8410 §4
  if (name !== '1.2.840.113549.1.1.1' || !isNull(parameters)) throw refuse('spki.algorithm')
  const [n, e, ...numbers] = derSequence(readDer(key))
  if (numbers.length > 0) throw refuse('spki')
  return { kty: 'RSA', n: encodeBase64url(derUnsigned(n, 512)), e: encodeBase64url(derUnsigned(e, 8)) }
}

/** The key alone, without its algorithm: what key identifiers are made of (RFC 5280 §4.2.1.2). @throws PosternError `der.malformed` */
export function keyBits(spki: Uint8Array): Uint8Array {
  return derBitString(derSequence(readDer(spki))[1])
}

/** RSASSA-PSS with SHA-256, MGF1 of the same and a salt of 32 bytes, the trailer left out (RFC 4055 §3.1). */
const PSS_SHA256 = 'MEEGCSqGSIb3DQEBCjA0oA8wDQYJYIZIAWUDBAIBBQChHDAaBgkqhkiG9w0BAQgwDQYJYIZIAWUDBAIBBQCiAwIBIA'

/** Signature algorithms by OID: Ed25519, and hashes that go with whatever key the issuer has. */
const SIGNATURES: Readonly<
  Record<string, { readonly hash: 'SHA-256' | 'SHA-384' | 'SHA-512'; readonly rsa?: VerifyAlg } | 'Ed25519'>
> = {
  '1.2.840.10045.4.3.2': { hash: 'SHA-256' },
  '1.2.840.10045.4.3.3': { hash: 'SHA-384' },
  '1.2.840.10045.4.3.4': { hash: 'SHA-512' },
  '1.2.840.113549.1.1.11': { hash: 'SHA-256', rsa: 'RS256' },
  '1.2.840.113549.1.1.12': { hash: 'SHA-384', rsa: 'RS384' },
  '1.2.840.113549.1.1.13': { hash: 'SHA-512', rsa: 'RS512' },
  '1.3.101.112': 'Ed25519',
}

/** The algorithm for the crypto port. An elliptic curve is the issuer's: certificates pair any with any hash, Apple's do. */
function verifyAlgOf(algorithm: Uint8Array, { crv }: JsonWebKey): VerifyAlg {
  if (encodeBase64url(algorithm) === PSS_SHA256) return 'PS256'
  const [oid, parameters] = derSequence(readDer(algorithm))
  const known = SIGNATURES[derOid(oid)]
  if (known === undefined) throw refuse('signature.algorithm')
  const rsa = known === 'Ed25519' ? undefined : known.rsa
  if (rsa === undefined ? parameters !== undefined : !isNull(parameters)) throw refuse('signature.algorithm')
  return known === 'Ed25519' ? known : (rsa ?? (`${crv as 'P-256'}/${known.hash}` as const))
}

/**
 * Whether `spki` has signed the certificate.
 * @param memory - keeps prepared keys of issuers
 * @throws PosternError `x509.refused` for an algorithm that is not read here | `der.malformed`
 */
export async function isSignedBy(
  certificate: Certificate,
  spki: Uint8Array,
  crypto: CryptoPort,
  memory?: ChainMemory,
): Promise<boolean> {
  const jwk = publicKeyOf(spki)
  const alg = verifyAlgOf(certificate.algorithm, jwk)
  const size = ecBytes[jwk.crv ?? '']
  const signature = size === undefined ? certificate.signature : fromEcdsaDer(certificate.signature, size)
  try {
    if (signature === null) return false
    const name = `${alg} ${jwk.x ?? jwk.n} ${jwk.y ?? jwk.e}`
    const key = memory?.keys.get(name) ?? (await crypto.verifyKey(alg, jwk))
    if (memory !== undefined) setBounded(memory.keys, name, key, MAX_KEPT)
    return await crypto.verify(key, certificate.tbs, signature)
  } catch (error) {
    // A key of another kind has signed nothing of this one.
    if (isPosternError(error, 'crypto.invalid_key')) return false
    throw error
  }
}

/** What a verifier keeps between chains: keys of issuers, and which issuer's certificate they were seen to have signed. Of one crypto port. */
export interface ChainMemory {
  readonly keys: Map<string, VerifyKey>
  readonly links: Map<string, true>
}

/** A memory of up to 256 keys and 256 certificates; the oldest goes first. Dates are checked each time all the same. */
export function chainMemory(): ChainMemory {
  return { keys: new Map(), links: new Map() }
}

/** What a chain is judged by. */
export interface ChainRules {
  readonly anchors: readonly TrustAnchor[]
  /** Ms since the epoch. */
  readonly now: number
  readonly crypto: CryptoPort
  /** Makes an intermediate that many chains share cost its signature once. */
  readonly remember?: ChainMemory
}

/** Extensions whose meaning is heeded here, or that only narrow what is narrowed anyway; any other that is critical refuses its certificate. */
const UNDERSTOOD: ReadonlySet<string> = /* @__PURE__ */ new Set([
  extensionOid.keyUsage,
  extensionOid.subjectAltName,
  extensionOid.basicConstraints,
  extensionOid.certificatePolicies,
  extensionOid.extKeyUsage,
])

/**
 * Verifies a chain of 1 to 8 certificates, the one that is asked about first, each issued by the next and one by an anchor. The anchor's own
 * certificate may close it or be left out; a certificate that only signs itself trusts nothing. Revocation is not looked up.
 * @throws PosternError `x509.refused`, why is in its `reason` | `der.malformed`
 * @see RFC 5280 §6.1
 */
export async function verifyChain(chain: readonly Certificate[], { anchors, now, crypto, remember }: ChainRules): Promise<void> {
  const signed = (certificate: Certificate, spki: Uint8Array, below: number): Promise<boolean> =>
    below === 0 || remember === undefined
      ? isSignedBy(certificate, spki, crypto, remember)
      : isRemembered(certificate, spki, crypto, remember)
  if (chain.length === 0 || chain.length > MAX_CHAIN) throw refuse('chain.length')
  for (const [below, certificate] of chain.entries()) {
    if (now < certificate.notBefore || now > certificate.notAfter) throw refuse('expired') //        §6.1.3 (a)(2)
    for (const [oid, { critical }] of certificate.extensions)
      if (critical && !UNDERSTOOD.has(oid)) throw refuse('extension.critical') //                    §6.1.4 (o), §6.1.5 (f)
    if (below > 0) checkIssuer(certificate, below - 1)
    for (const anchor of anchors)
      if (equal(anchor.subject, certificate.issuer) && (await signed(certificate, anchor.spki, below))) return
    const next = chain[below + 1]
    if (next === undefined || !equal(next.subject, certificate.issuer)) throw refuse('chain.anchor') // §6.1.3 (a)(4)
    if (!(await signed(certificate, next.spki, below))) throw refuse('chain.signature') //     §6.1.3 (a)(1)
  }
  throw refuse('chain.anchor')
}

/** An issuer's certificate that was seen to be signed by this key, or is now. */
async function isRemembered(
  certificate: Certificate,
  spki: Uint8Array,
  crypto: CryptoPort,
  memory: ChainMemory,
): Promise<boolean> {
  // Each is one element of DER, which says where it ends.
  const link = encodeBase64url(await crypto.digest('SHA-256', concat(spki, certificate.der)))
  if (memory.links.has(link)) return true
  const good = await isSignedBy(certificate, spki, crypto, memory)
  if (good) setBounded(memory.links, link, true, MAX_KEPT)
  return good
}

/** §6.1.4 (k) to (n): a certificate authority, allowed that many below it, whose key signs certificates. Names it would narrow are not read. */
function checkIssuer({ extensions }: Certificate, authoritiesBelow: number): void {
  const constraints = extensions.get(extensionOid.basicConstraints)
  if (constraints === undefined) throw refuse('issuer.ca')
  const [ca, length, ...more] = derSequence(readDer(constraints.value))
  if (ca === undefined || more.length > 0 || !derBoolean(ca)) throw refuse('issuer.ca')
  if (length !== undefined && derInteger(length) < authoritiesBelow) throw refuse('issuer.path')
  const usage = extensions.get(extensionOid.keyUsage)
  if (usage !== undefined && !derFlags(readDer(usage.value)).includes(KEY_CERT_SIGN)) throw refuse('issuer.usage')
  if (extensions.has(extensionOid.nameConstraints)) throw refuse('issuer.names')
}

const KEY_CERT_SIGN = 5

/** What a certificate's key may be used for by name, or `null` where it does not say. @throws PosternError `x509.refused` | `der.malformed` */
export function extendedUsages({ extensions }: Certificate): readonly string[] | null {
  const extension = extensions.get(extensionOid.extKeyUsage)
  return extension === undefined ? null : derSequence(readDer(extension.value)).map(derOid)
}

function isContext({ cls, tag, constructed }: Der, number: number): boolean {
  return cls === 'context' && tag === number && constructed
}

function isNull(element: Der | undefined): boolean {
  return element !== undefined && isDer(element, 'null') && element.content.length === 0
}

function refuse(reason: string, cause?: unknown): PosternError<'x509.refused'> {
  return new PosternError('x509.refused', { reason, cause })
}
