import type { Appraisal, Fact, FactMap, Issue, Source, Strength } from './evidence.js'

export type Platform = 'ios' | 'android' | 'web' | 'other'

/** All evidence as one: per fact the value that counts, with who vouches for it. */
export interface Combined {
  readonly evidence: Strength
  /** Milliseconds: when the oldest fact that counted was made; `null` without any. */
  readonly at: number | null
  readonly now: number
  readonly facts: Readonly<Partial<FactMap>>
  readonly issues: readonly Issue[]
}

/** The facts of the standard mobile schema of policy that evidence speaks to; an absent member is a missing fact. */
export interface PolicyFacts {
  readonly 'app.signature'?: 'match' | 'mismatch' | 'unchecked'
  readonly 'device.integrity.evidence': Strength
  readonly 'device.integrity.ageSec'?: number
  readonly 'device.integrity.rooted'?: boolean
  readonly 'device.integrity.debugger'?: boolean
  readonly 'device.integrity.emulator'?: boolean
  readonly 'device.integrity.hooked'?: boolean
  readonly 'device.integrity.tampered'?: boolean
  readonly 'device.integrity.bootState'?: 'verified' | 'self-signed' | 'unverified' | 'failed'
  readonly 'device.integrity.keyLevel'?: 'software' | 'tee' | 'strongbox' | 'enclave'
  readonly 'os.version'?: string
  readonly 'os.patchLevel'?: number
}

/** Combines appraisals: commutative, associative, idempotent; a bad value always wins, a good one needs strength, freshness and binding. */
export declare function combine(
  all: readonly Appraisal[],
  o: { readonly now: number; readonly maxAgeMs: Partial<Record<Source, number>>; readonly platform: Platform },
): Combined
/** The facts under the names of policy. */
export declare function policyFacts(c: Combined): PolicyFacts
export type { Fact }
