import type { PolicyFacts } from '@postern/attestation/appraise'
import type { Appraisal, EvidenceVerifier, Strength } from '@postern/attestation/evidence'
import { expectTypeOf } from 'vitest'

export function rank(strength: Strength): number {
  switch (strength) {
    case 'none':
      return 0
    case 'self-reported':
      return 1
    case 'vendor':
      return 2
    case 'hardware':
      return 3
    default:
      return strength satisfies never
  }
}

// Evidence always says how strong it is; every other fact may be missing, and missing is worst.
expectTypeOf<PolicyFacts>().toHaveProperty('device.integrity.evidence').toEqualTypeOf<Strength>()
expectTypeOf<PolicyFacts['device.integrity.rooted']>().toEqualTypeOf<boolean | undefined>()
// A verifier answers with an appraisal, whatever it was given.
expectTypeOf<ReturnType<EvidenceVerifier['verify']>>().toEqualTypeOf<Promise<Appraisal>>()
