/**
 * What evidence is, and what a verifier makes of it: typed facts, each with strength, age and binding. A verifier neither allows nor denies;
 * broken evidence is an appraisal of strength `none` with an issue, never an exception.
 */
import type { JsonObject, JsonValue } from '@postern/core/json'

/** Who vouches for a fact, weakest first; the enum that policy knows. */
export type Strength = 'none' | 'self-reported' | 'vendor' | 'hardware'
export const strengths: readonly Strength[] = ['none', 'self-reported', 'vendor', 'hardware']

/** Where a fact comes from. */
export type Source = 'app-attest' | 'key-attestation' | 'play-integrity' | 'app-signature' | 'signals'

/** What evidence is tied to: the server's challenge, the device key, and one request. */
export interface Binding {
  readonly challenge: boolean
  readonly deviceKey: 'is-the-key' | 'names-the-key' | 'none'
  readonly request: boolean
}

/** One thing that evidence says. `at`: milliseconds; what age counts from. */
export interface Fact<T> {
  readonly value: T
  readonly strength: Strength
  readonly at: number
  readonly binding: Binding
  readonly source: Source
}

/** What runtime signals and attestations can say, by name. */
export interface FactMap {
  'app.id': Fact<string>
  'app.signature': Fact<'match' | 'mismatch' | 'unchecked'>
  'app.build': Fact<string>
  'app.environment': Fact<'production' | 'development'>
  'app.recognised': Fact<boolean>
  'app.licensed': Fact<boolean>
  'apple.validationCategory': Fact<number>
  'apple.riskMetric': Fact<number>
  'device.keyLevel': Fact<'software' | 'tee' | 'strongbox' | 'enclave'>
  'device.bootState': Fact<'verified' | 'self-signed' | 'unverified' | 'failed'>
  'device.bootLocked': Fact<boolean>
  'device.bootKey': Fact<string>
  'device.recognition': Fact<readonly ('basic' | 'device' | 'strong')[]>
  'os.version': Fact<string>
  /** yyyymmdd. */
  'os.patchLevel': Fact<number>
  'device.rooted': Fact<boolean>
  'device.debugger': Fact<boolean>
  'device.emulator': Fact<boolean>
  'device.hooked': Fact<boolean>
  'device.tampered': Fact<boolean>
  'device.signals': Fact<readonly string[]>
  'key.provisioning': Fact<'factory' | 'rkp'>
  'key.revocation': Fact<'good' | 'unknown' | 'revoked'>
}

/** What an app must be: the identities that the host registered for one version of it. */
export interface AppIdentity {
  /** The host's app id, the `app` of every evidence/v1 digest. */
  readonly id: string
  /** Android package names. */
  readonly packages?: readonly string[]
  /** SHA-256 of the signing certificates, 64 hexadecimal digits (colons and capitals as `keytool` prints them are accepted). */
  readonly certificates?: readonly string[]
  /** Apple team ids. */
  readonly teams?: readonly string[]
  /** Apple bundle ids. */
  readonly bundles?: readonly string[]
}

/** What the evidence must be about. */
export interface Expected {
  readonly issuer: string
  readonly tenant: string
  readonly app: AppIdentity
  /** The 32 bytes of the server's single-use challenge. */
  readonly challenge: Uint8Array
  readonly deviceKey: JsonWebKey
  readonly purpose: 'register' | 'update' | 'refresh' | 'request'
  /** 32 bytes: digest of what the evidence must speak for. */
  readonly request?: Uint8Array
  /**
   * What the request that carried the evidence was proved to be bound to, by the caller who checked it (a DPoP proof of the device key over
   * the challenge). Only self-reports lean on it; absent = nothing. It makes a report fresh and this device's, never true.
   */
  readonly carrier?: { readonly challenge: boolean; readonly deviceKey: boolean }
}

/** Why evidence counted for less. For events; an app sees `app.integrity` alone. */
export type Issue = `attestation.${
  | 'malformed'
  | 'too_large'
  | 'chain_untrusted'
  | 'chain_expired'
  | 'chain_extended'
  | 'revoked'
  | 'status_stale'
  | 'binding_challenge'
  | 'binding_key'
  | 'binding_request'
  | 'app_mismatch'
  | 'environment'
  | 'counter'
  | 'level_software'
  | 'boot_unlocked'
  | 'boot_state'
  | 'origin'
  | 'purpose'
  | 'stale'
  | 'future'
  | 'verdict_missing'
  | 'verdict_unevaluated'
  | 'signature'
  | 'format_unsupported'}`

/** One verifier's findings. */
export interface Appraisal {
  readonly source: Source
  /** The strongest thing this evidence can say. */
  readonly evidence: Strength
  readonly facts: Readonly<Partial<FactMap>>
  readonly issues: readonly Issue[]
  /** What the caller stores for next time: App Attest key and counter. */
  readonly keep?: Uint8Array
}

/** Judges one format. Pure: same evidence, expectation and `now`, same appraisal. Never throws for evidence. */
export interface EvidenceVerifier {
  /** The `format` member it answers to. */
  readonly format: string
  readonly source: Source
  verify(evidence: unknown, expected: Expected, o: { readonly now: number }): Promise<Appraisal>
}

/** One item of `evidence[]`: a format, and members that only its verifier reads. */
export type Evidence = JsonObject & { readonly format: string }

/** The shape of `evidence[]`: at most 4 objects with a `format`. An empty list for anything else than an array is *not* given: `issues` says it. */
export interface ParsedEvidence {
  readonly items: readonly Evidence[]
  readonly issues: readonly Issue[]
}

/** At most this many items; a fifth makes all of them malformed. */
export const maxItems = 4
const maxBytes = 64 * 1024

/** Reads `evidence[]` of a request. Never throws; bad input is no evidence, with an issue. `undefined` is simply none. */
export function parseEvidence(input: JsonValue | undefined): ParsedEvidence {
  if (input === undefined) return { items: [], issues: [] }
  if (!Array.isArray(input) || input.length > maxItems) return { items: [], issues: ['attestation.malformed'] }
  const items: Evidence[] = []
  for (const item of input as readonly JsonValue[]) {
    if (!isEvidence(item)) return { items: [], issues: ['attestation.malformed'] }
    if (JSON.stringify(item).length > maxBytes) return { items: [], issues: ['attestation.too_large'] }
    items.push(item)
  }
  if (new Set(items.map(({ format }) => format)).size !== items.length) return { items: [], issues: ['attestation.malformed'] }
  return { items, issues: [] }
}

function isEvidence(item: JsonValue): item is Evidence {
  if (item === null || typeof item !== 'object' || Array.isArray(item)) return false
  const { format } = item as JsonObject
  return typeof format === 'string' && /^[a-z][a-z0-9-]{0,31}$/.test(format)
}

/**
 * Runs each item by the verifier of its format. A format that nobody knows counts for nothing, with an issue.
 * @returns appraisals in the order of the items, and the issues of items without one
 */
export async function verifyEvidence(
  parsed: ParsedEvidence,
  verifiers: readonly EvidenceVerifier[],
  expected: Expected,
  o: { readonly now: number },
): Promise<{ readonly appraisals: readonly Appraisal[]; readonly issues: readonly Issue[] }> {
  const issues: Issue[] = [...parsed.issues]
  const appraisals: Appraisal[] = []
  for (const item of parsed.items) {
    const verifier = verifiers.find(({ format }) => format === item.format)
    if (!verifier) issues.push('attestation.format_unsupported')
    else appraisals.push(await verifier.verify(item, expected, o))
  }
  return { appraisals, issues }
}
