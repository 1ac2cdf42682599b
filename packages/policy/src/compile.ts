import type { AcrLevels, PolicyDocument } from './document.js'
import type { Schema, SchemaSpec } from './schema.js'

/** A policy ready to decide: immutable, shared freely. */
export interface Compiled<S extends SchemaSpec = SchemaSpec> {
  readonly schema: Schema<S>
  readonly document: PolicyDocument
  /** Version id, `draft` for a document not hashed yet. */
  readonly version: string
  readonly levels: AcrLevels
}

/**
 * Checks a document against a schema and compiles it. (`openPolicy` in /publish also checks both hashes.)
 * @throws PosternError `policy.document_invalid` (pointer in `reason`) | `policy.too_large`
 */
export declare function compile<S extends SchemaSpec>(
  schema: Schema<S>,
  doc: PolicyDocument,
  o?: { version?: string },
): Compiled<S>

/** The same policy with its level table cut at `acr`: for instances whose platform is unverified. Shares everything else. */
export declare function capAcr<S extends SchemaSpec>(p: Compiled<S>, acr: number): Compiled<S>
