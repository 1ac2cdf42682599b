/** What a grant type is: it parses, judges and returns data. It cannot issue: the token endpoint commits, then issues. */
import type { JsonObject } from '@postern/core/json'
import type { Op, Part, Rec } from '@postern/store'
import type { Client } from './clients.js'
import type { Proof } from './dpop.js'
import type { TokenPlan } from './internal/plan.js'
import type { IssuerContext } from './issuer.js'

/** One token request after client authentication and proof. */
export interface TokenCall {
  readonly client: Client
  readonly proof: Proof | null
  readonly now: number
  readonly request: Request
  readonly context: IssuerContext
}

/** What to commit and what to issue then. Without ops nothing changes and nothing is committed. */
export interface Evaluated {
  readonly part: Part | null
  readonly ops: readonly Op[]
  readonly plan: TokenPlan
  /** The commit failed at `at`: another try with what was learnt, or a throw. Called at most 4 times. */
  conflict(at: number, current: Rec | null): Promise<Evaluated>
}

export interface GrantType {
  readonly grantType: string
  evaluate(form: ReadonlyMap<string, string>, call: TokenCall): Promise<Evaluated>
}

export type { JsonObject, TokenPlan }
