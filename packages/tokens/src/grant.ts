/** What a grant type is: it parses, judges and returns data. It cannot issue: the token endpoint commits, then issues. */
import type { PosternError } from '@postern/core/errors'
import type { PosternEvent } from '@postern/core/events'
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
  /** An instance's proof marker: part of the grant's ops. */
  readonly proofOps: readonly Op[]
  /** `x5t#S256` of the certificate that the endpoint binds the access token to; `internal/possession` says what of it a family keeps. */
  readonly x5t: string | null
  /** The instance of a client that was attested, by the thumbprint of its key. */
  readonly holder: string | null
  readonly now: number
  readonly request: Request
  readonly context: IssuerContext
}

/** What to commit, and what to issue when it holds. Without ops nothing changes and nothing is committed. */
export interface Issue {
  readonly part: Part
  readonly ops: readonly Op[]
  readonly event: PosternEvent | null
  readonly plan: TokenPlan
  /** After the commit, before anything is issued: `null`, or what ends it again, for what stands in another partition. */
  confirm?(): Promise<Refusal | null>
  /** The commit failed at op `at`: another try with what was learnt, or a refusal. */
  conflict(at: number, current: Rec | null): Promise<Evaluated>
}

/** A refusal that leaves a trace: what to commit, then the error. A refusal without one is thrown. */
export interface Refusal {
  readonly refuse: PosternError
  readonly part: Part
  /** May be sent twice without harm. */
  readonly ops: readonly Op[]
  readonly event: PosternEvent | null
  /** What to commit instead when these do not hold. */
  readonly otherwise?: readonly Op[]
}

export type Evaluated = Issue | Refusal

/** One grant type, passed in: a host ships only what it uses. */
export interface GrantType {
  readonly grantType: string
  /** Whether this issuer has it; default yes. Where it has not, it is unknown and not announced. */
  offered?(context: IssuerContext): boolean
  /** Its members of the metadata document, besides its name. */
  announce?(context: IssuerContext): JsonObject
  /** Whether it is for a request like this, where several have one `grantType`; default yes. */
  takes?(form: ReadonlyMap<string, string>): boolean
  /** The instance that a handle in the form vouches for, so that it is not looked up. */
  vouched?(form: ReadonlyMap<string, string>, context: IssuerContext): Promise<Client | null>
  /** @throws PosternError to refuse without a trace */
  evaluate(form: ReadonlyMap<string, string>, call: TokenCall): Promise<Evaluated>
}

export type { TokenPlan } from './internal/plan.js'
