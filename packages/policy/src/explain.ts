import type { Compiled } from './compile.js'
import type { Effect, Reason } from './document.js'
import type { Cause, Outcome } from './evaluate.js'
import type { Facts } from './facts.js'
import type { FactInput, FactValue, SchemaSpec } from './schema.js'

/** One condition that a request did not meet: what was seen (`null`: not applicable) and what the rule needs. */
export interface Miss {
  readonly fact: string
  readonly seen: FactValue | null
  readonly needed: unknown
}
/** What became of one rule. */
export interface RuleReport {
  readonly id: string
  readonly effect: Effect
  readonly mode: 'enforce' | 'shadow'
  readonly result: 'matched' | 'unknown' | 'failed'
  /** Missing facts, for `unknown`. */
  readonly unknown: readonly string[]
  /** Every failing condition, for `failed`; a rule with `anyOf` reports the box that failed least. */
  readonly failed: readonly Miss[]
}
export interface OperatorExplanation {
  readonly audience: 'operator'
  readonly outcome: Outcome
  readonly cause: Cause
  readonly reason: Reason | null
  readonly message: string | null
  readonly policy: string
  readonly rules: readonly RuleReport[]
  readonly ignored: readonly string[]
}
/** Nothing but what the user may know: no rule ids, no thresholds, no secret facts. */
export interface UserExplanation {
  readonly audience: 'user'
  readonly outcome: Outcome
  readonly reason: Reason | null
  readonly message: string | null
}

/** Why, and why not: every rule, from the very rows that decide. */
export declare function explain<S extends SchemaSpec>(
  p: Compiled<S>,
  f: Facts<S> | FactInput<S>,
  o: { audience: 'operator' },
): OperatorExplanation
export declare function explain<S extends SchemaSpec>(
  p: Compiled<S>,
  f: Facts<S> | FactInput<S>,
  o: { audience: 'user' },
): UserExplanation
