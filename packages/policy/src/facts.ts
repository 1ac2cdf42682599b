/**
 * Facts, encoded once for any policy of their schema. Bad values are not errors: a fact that cannot be read is missing, and missing is worst.
 */
import { encodeFacts } from './internal/encode.js'
import type { FactInput, Schema, SchemaSpec } from './schema.js'

/** Encoded facts: slots in the schema's order, reusable for any policy of that schema. Make them with {@link encode} alone. */
export interface Facts<S extends SchemaSpec = SchemaSpec> {
  readonly schema: Schema<S>
  /** Names of values that could not be used: wrong type, out of range, unknown enum value. */
  readonly invalid: readonly string[]
  /** Names of values sent outside their scope. */
  readonly ignored: readonly string[]
}

/**
 * Encodes a request. A bad *value* is listed and treated as missing; a bad *name* is a programming error, which the types exclude.
 * @throws PosternError `policy.fact_unknown` | `policy.action_missing` (any mandatory fact absent or not of its enum)
 */
export function encode<S extends SchemaSpec>(schema: Schema<S>, input: FactInput<S>): Facts<S> {
  return encodeFacts(schema, input, false)
}
