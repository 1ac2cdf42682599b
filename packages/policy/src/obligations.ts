import type { AcrLevels, Edge, FallbackCause } from './document.js'

/** What one or several require rules demand. Neutral: `(0, ∞, {∅}, 'all')`. */
export interface Requirement {
  readonly acr: number
  /** Seconds; `Infinity` = any age. */
  readonly maxAgeSec: number
  /** Monotone DNF: any of these sets of authenticators, each sorted, none containing another. */
  readonly anyOf: readonly (readonly string[])[]
  readonly fallback: 'all' | readonly Edge[]
}

/** What is left to do: each alternative is usable now and reaches `acr`; edges are those that keep it. */
export interface Obligation {
  readonly acr: number
  readonly maxAgeSec: number
  readonly anyOf: readonly (readonly string[])[]
  readonly fallback: readonly Edge[]
}

/** The authenticator facts of a request; `null` = missing. */
export interface AuthenticatorFacts {
  readonly methods: ReadonlySet<string> | null
  readonly enrolled: ReadonlySet<string> | null
  readonly usable: ReadonlySet<string> | null
  readonly locked: ReadonlySet<string> | null
  readonly acr: number | null
  readonly ageSec: number | null
}

/** Both demands at once: commutative, associative, idempotent. */
export declare function merge(a: Requirement, b: Requirement): Requirement

/** `satisfied` by the known facts, the obligation that would satisfy it, or `null`: not achievable. */
export declare function resolve(r: Requirement, have: AuthenticatorFacts, levels: AcrLevels): 'satisfied' | Obligation | null

/** The authenticators that may stand in for `from` on this cause, usable now; never below the demanded `acr`. */
export declare function fallbackFor(o: Obligation, from: string, on: FallbackCause, have: AuthenticatorFacts): readonly string[]
