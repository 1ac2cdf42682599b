import type { Compiled } from './compile.js'
import type { Advice, Effect, Reason } from './document.js'
import type { Facts } from './facts.js'
import type { Obligation } from './obligations.js'
import type { FactInput, SchemaSpec } from './schema.js'

export type Outcome = Effect
export type Cause = 'rule' | 'default' | 'unknown-fact' | 'no-usable-authenticator' | 'futile-step-up'

/** The answer to one request. Immutable and free of facts: it may be logged. */
export interface Decision {
  readonly outcome: Outcome
  readonly cause: Cause
  /** `null` exactly when allowed. */
  readonly reason: Reason | null
  readonly message: string | null
  /** Exactly when `outcome` is `require`. */
  readonly obligation: Obligation | null
  readonly attached: readonly Advice[]
  /** Ids of the enforced rules that speak for the outcome, in the order of reasons, then of ids. */
  readonly matched: readonly string[]
  /** Facts whose absence left a rule undecided, and values that could not be used. */
  readonly unknown: readonly { readonly fact: string; readonly why: 'absent' | 'invalid' }[]
  /** The outcome had shadow rules been enforced. */
  readonly shadow: Outcome
  /** The version that decided. */
  readonly policy: string
}

/** Decides one request: deny overrides, missing is worst, only allow grants. Synchronous and total on encoded facts. */
export declare function decide<S extends SchemaSpec>(p: Compiled<S>, f: Facts<S> | FactInput<S>): Decision
