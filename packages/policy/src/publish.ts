import type { CryptoPort } from '@postern/core/cryptoPort'
import type { JsonValue } from '@postern/core/json'
import type { Clock } from '@postern/core/runtime'
import type { Compiled } from './compile.js'
import type { PolicyDocument } from './document.js'
import type { Outcome } from './evaluate.js'
import type { Schema, SchemaSpec } from './schema.js'

/** Which version of a policy is in force. */
export interface Head {
  readonly version: string
}
/** One publication, as stored beside the head: the audit trail. */
export interface Entry {
  readonly id: string
  readonly version: string
  readonly previous: string | null
  readonly kind: 'publish' | 'rollback'
  /** Milliseconds. */
  readonly at: number
  readonly by: string
  /** Canonical document. */
  readonly bytes: Uint8Array
}
/** Where versions live. `save` is one commit: bytes, entry, event, and the head if it still is `expect` (`null`: there is none yet). */
export interface PolicyRepository {
  head(id: string): Promise<Head | null>
  load(version: string): Promise<Uint8Array | null>
  save(entry: Entry, expect: string | null): Promise<'saved' | 'conflict'>
}
export interface PublishContext<S extends SchemaSpec = SchemaSpec> {
  readonly schema: Schema<S>
  readonly crypto: CryptoPort
  readonly repository: PolicyRepository
  readonly clock: Clock
  /** Who publishes, for the entry. */
  readonly by: string
  /** Bound of each witness search, default 100,000 steps. */
  readonly steps?: number
}
/** What the gate found; `error` refuses publication. */
export interface Finding {
  readonly kind: 'invalid' | 'schema' | 'unsatisfiable' | 'fixture' | 'invariant' | 'undecided'
  readonly severity: 'error' | 'warning'
  /** JSON pointer into the document. */
  readonly at: string
  readonly text: string
  /** A concrete request that shows it. */
  readonly witness?: Readonly<Record<string, JsonValue>>
}
export interface GateReport {
  readonly ok: boolean
  readonly version: string | null
  readonly findings: readonly Finding[]
  readonly fixtures: readonly { readonly name: string; readonly ok: boolean; readonly got: Outcome }[]
}
export interface Published<S extends SchemaSpec = SchemaSpec> {
  readonly version: string
  readonly previous: string | null
  readonly compiled: Compiled<S>
}
export type Draft = string | Uint8Array | JsonValue | PolicyDocument

/** Everything that would keep a draft from being published, all at once; writes nothing. */
export declare function check<S extends SchemaSpec>(
  draft: Draft,
  ctx: Omit<PublishContext<S>, 'repository' | 'clock' | 'by'>,
): Promise<GateReport>
/** Checks a draft and makes it the head. @throws PosternError `policy.publish_refused` (findings in `cause`) | `policy.head_conflict` */
export declare function publish<S extends SchemaSpec>(draft: Draft, ctx: PublishContext<S>): Promise<Published<S>>
/** Points the head back at an earlier version, after the same checks. @throws also `policy.version_unknown` | `policy.hash_mismatch` */
export declare function rollback<S extends SchemaSpec>(id: string, to: string, ctx: PublishContext<S>): Promise<Published<S>>
/**
 * Stored bytes to a policy in force.
 * @throws PosternError `policy.hash_mismatch` | `policy.schema_mismatch` | `policy.document_invalid`
 */
export declare function openPolicy<S extends SchemaSpec>(
  schema: Schema<S>,
  stored: { readonly version: string; readonly bytes: Uint8Array },
  crypto: CryptoPort,
): Promise<Compiled<S>>
