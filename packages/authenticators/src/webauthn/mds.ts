/**
 * FIDO metadata: who makes which authenticator, by which authority it attests, and what was found to be wrong with it. Pure: the blob, the
 * anchors and the time are passed in; fetching and keeping is the host's, and so is fetching anew after `nextUpdate`.
 * @see FIDO Metadata Service 3.0 §3.1, §3.2; FIDO Metadata Statements 3.0
 */
import { decodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { CryptoPort, SignAlg } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import { type JsonObject, type JsonValue, parseJson } from '@postern/core/json'
import { type Certificate, parseCertificate, publicKeyOf, type TrustAnchor, verifyChain } from '@postern/core/x509'
import { alternativeNames } from '@postern/core/x509Names'

/** One model. */
export interface MetadataEntry {
  readonly description: string
  /** The authorities that it attests by, or its attestation certificates themselves; those that are no sound certificates are left out. */
  anchors(): readonly Certificate[]
  /** `hardware`, `tee`, `secure_element`, `software`, `remote_handle` (FIDO Registry §3.2). */
  readonly keyProtection: readonly string[]
  /** In the order of the blob, oldest first. */
  readonly reports: readonly { readonly status: string; readonly effective: string | null }[]
}

/** A verified blob. */
export interface Metadata {
  /** Serial number of the blob. */
  readonly no: number
  /** When to fetch the next, ms since the epoch. */
  readonly nextUpdate: number
  readonly size: number
  /** @param aaguid - 32 lower-case hexadecimal digits */
  byAaguid(aaguid: string): MetadataEntry | null
  /** @param id - SHA-1 of an attestation certificate's key, 40 lower-case hexadecimal digits */
  byKeyId(id: string): MetadataEntry | null
}

/** What {@link verifyMds} needs beside the blob. */
export interface MdsOptions {
  readonly crypto: CryptoPort
  /** Whom the signing certificate is for: its authority issues to many. @defaultValue 'mds.fidoalliance.org' */
  readonly host?: string
  /** `no` of the blob that is known already: an older one is refused. */
  readonly known?: number
}

const MAX_BYTES = 33_554_432
const ALGS: readonly SignAlg[] = ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'Ed25519']

/**
 * Verifies a metadata blob (a JWT of MDS3) and gives its models.
 * @param blob - the body as it was fetched, ≤ 32 MiB
 * @param anchors - authorities of the service, e.g. GlobalSign Root R3
 * @param now - ms since the epoch
 * @throws PosternError `webauthn.metadata`; why, is in its `reason`
 */
export async function verifyMds(
  blob: string,
  anchors: readonly TrustAnchor[],
  now: number,
  { crypto, host = 'mds.fidoalliance.org', known = 0 }: MdsOptions,
): Promise<Metadata> {
  if (blob.length > MAX_BYTES) throw refuse('size')
  const parts = blob.trim().split('.', 4)
  const [head, body] = parts
  const [header, payload, signature] = parts.map(decodeBase64url)
  if (parts.length !== 3 || !header || !payload || !signature) throw refuse('form')
  const { alg, x5c } = json(header)
  const verifyAlg = ALGS.find((one) => one === alg)
  if (verifyAlg === undefined) throw refuse('algorithm')
  try {
    const chain = texts(x5c).map((text) => parseCertificate(fromBase64(text)))
    await verifyChain(chain, { anchors, now, crypto }) //                                               §3.2 step 5
    const leaf = chain[0]!
    if (!alternativeNames(leaf).dns.includes(host)) throw refuse('signer')
    const key = await crypto.verifyKey(verifyAlg, publicKeyOf(leaf.spki))
    if (!(await crypto.verify(key, utf8(`${head}.${body}`), signature))) throw refuse('signature') //   step 6
  } catch (error) {
    if (isPosternError(error, 'x509.refused', 'der.malformed', 'crypto.invalid_key'))
      throw refuse(error.reason ?? error.code, error)
    throw error
  }
  return metadataOf(json(payload), known)
}

function metadataOf(payload: JsonObject, known: number): Metadata {
  const { no, nextUpdate, entries } = payload
  const due = typeof nextUpdate === 'string' && /^\d{4}-\d\d-\d\d$/.test(nextUpdate) ? Date.parse(nextUpdate) : Number.NaN
  if (typeof no !== 'number' || Number.isNaN(due) || !Array.isArray(entries)) throw refuse('payload')
  if (no < known) throw refuse('older than the one that is known') //                                   step 7
  const byAaguid = new Map<string, MetadataEntry>()
  const byKeyId = new Map<string, MetadataEntry>()
  for (const entry of (entries as readonly JsonValue[]).filter(isObject)) {
    const { aaguid, attestationCertificateKeyIdentifiers: keyIds } = entry
    const model = entryOf(entry)
    // Models of UAF have neither; they do not speak WebAuthn.
    if (typeof aaguid === 'string') byAaguid.set(aaguid.replaceAll('-', '').toLowerCase(), model)
    for (const id of texts(keyIds ?? [])) byKeyId.set(id.toLowerCase(), model)
  }
  return {
    no,
    nextUpdate: due,
    size: entries.length,
    byAaguid: (aaguid) => byAaguid.get(aaguid) ?? null,
    byKeyId: (id) => byKeyId.get(id) ?? null,
  }
}

function entryOf({ metadataStatement, statusReports }: JsonObject): MetadataEntry {
  const { description, keyProtection, attestationRootCertificates } = isObject(metadataStatement) ? metadataStatement : {}
  const roots = texts(attestationRootCertificates ?? [])
  const reports = (Array.isArray(statusReports) ? (statusReports as readonly JsonValue[]) : []).filter(isObject)
  let parsed: readonly Certificate[] | undefined
  return {
    description: typeof description === 'string' ? description : '',
    anchors() {
      parsed ??= roots.flatMap(sound)
      return parsed
    },
    keyProtection: texts(keyProtection ?? []),
    reports: reports.map(({ status, effectiveDate }) => ({
      status: String(status),
      effective: typeof effectiveDate === 'string' ? effectiveDate : null,
    })),
  }
}

/** A certificate that no strict reader takes is no anchor; the other ones of its model still are. */
function sound(text: string): readonly Certificate[] {
  try {
    return [parseCertificate(fromBase64(text))]
  } catch (error) {
    if (isPosternError(error, 'x509.refused', 'der.malformed', 'webauthn.metadata')) return []
    throw error
  }
}

/** Base64 of RFC 4648 §4, with the line ends that some vendors leave in. */
function fromBase64(text: string): Uint8Array {
  const bytes = decodeBase64url(text.replace(/\s+/g, '').replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_'))
  if (bytes === null) throw refuse('base64')
  return bytes
}

function json(bytes: Uint8Array): JsonObject {
  try {
    const value = parseJson(bytes, { maxBytes: MAX_BYTES, maxMembers: MAX_BYTES })
    if (isObject(value)) return value
  } catch (error) {
    if (!isPosternError(error, 'json.malformed', 'json.too_large')) throw error
  }
  throw refuse('json')
}

function texts(value: JsonValue | undefined): readonly string[] {
  if (!Array.isArray(value) || value.some((one) => typeof one !== 'string')) throw refuse('a list of texts')
  return value as readonly string[]
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refuse(reason: string, cause?: unknown): PosternError<'webauthn.metadata'> {
  return new PosternError('webauthn.metadata', { reason, cause })
}
