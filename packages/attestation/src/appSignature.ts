/**
 * The signature that an app says it has. An app that lies says the right one, so a match proves nothing and is `unchecked`;
 * a mismatch is a fact, for nobody lies to their own harm.
 */
import type { Appraisal, EvidenceVerifier, Expected, Issue } from './evidence.js'
import { carried, exactly, selfReported } from './internal/report.js'

const maxCertificates = 16

/**
 * The verifier of `app-signature`: `{ format, certificates: [SHA-256, …] }` (Android and other signed packages; lineage included, any one
 * registered certificate will do) or `{ format, team, bundle }` (Apple). Digests are 64 lower-case hexadecimal digits.
 */
export function appSignature(): EvidenceVerifier {
  return {
    format: 'app-signature',
    source: 'app-signature',
    async verify(evidence, expected, { now }) {
      const verdict = compare(evidence, expected)
      if (verdict === null) return appraisal(null, expected, ['attestation.malformed'], now)
      return appraisal(verdict, expected, verdict === 'mismatch' ? ['attestation.app_mismatch'] : [], now)
    },
  }
}

/** One SHA-256 certificate digest in canonical form (64 lower-case hex digits) from how `keytool` or `apksigner` print it, or `null`. */
export function certificateDigest(text: string): string | null {
  const plain = text.replace(/:/g, '').toLowerCase()
  return /^[0-9a-f]{64}$/.test(plain) ? plain : null
}

function compare(evidence: unknown, { app }: Expected): 'mismatch' | 'unchecked' | null {
  const android = exactly(evidence, ['format', 'certificates'])
  if (android) {
    const found = android['certificates']
    if (!Array.isArray(found) || found.length === 0 || found.length > maxCertificates) return null
    if (!found.every((one) => typeof one === 'string' && /^[0-9a-f]{64}$/.test(one))) return null
    const registered = (app.certificates ?? []).map(certificateDigest)
    return registered.some((one) => one !== null && found.includes(one)) ? 'unchecked' : 'mismatch'
  }
  const apple = exactly(evidence, ['format', 'team', 'bundle'])
  if (!apple) return null
  const { team, bundle } = apple
  if (
    typeof team !== 'string' ||
    !/^[A-Z0-9]{10}$/.test(team) ||
    typeof bundle !== 'string' ||
    !/^[A-Za-z0-9.-]{1,155}$/.test(bundle)
  )
    return null
  return app.teams?.includes(team) && app.bundles?.includes(bundle) ? 'unchecked' : 'mismatch'
}

function appraisal(
  verdict: 'mismatch' | 'unchecked' | null,
  expected: Expected,
  issues: readonly Issue[],
  now: number,
): Appraisal {
  const source = 'app-signature'
  if (verdict === null) return { source, evidence: 'none', facts: {}, issues }
  return {
    source,
    evidence: 'self-reported',
    facts: { 'app.signature': selfReported(verdict, source, carried(expected), now) },
    issues,
  }
}
