import type { FactInput, Schema, SchemaSpec } from './schema.js'

/** Encoded facts: typed slots in the schema's order, reusable for any policy of that schema. Make them with {@link encode} alone. */
export interface Facts<S extends SchemaSpec = SchemaSpec> {
  readonly schema: Schema<S>
  /** Names of values that could not be used: wrong type, out of range, unknown enum value. */
  readonly invalid: readonly string[]
  /** Names of values sent outside their scope. */
  readonly ignored: readonly string[]
}

/**
 * Encodes a request once. A bad *value* is listed and treated as missing; a bad *name* is a programming error.
 * @throws PosternError `policy.fact_unknown` | `policy.action_missing`
 */
export declare function encode<S extends SchemaSpec>(schema: Schema<S>, input: FactInput<S>): Facts<S>
