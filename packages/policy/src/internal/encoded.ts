/** Facts in any form, as slots. */
import type { Compiled } from '../compile.js'
import type { Facts } from '../facts.js'
import type { FactInput, SchemaSpec } from '../schema.js'
import { encodeFacts } from './encode.js'
import type { Slots } from './slots.js'
import type { Tables } from './tables.js'

/** Encoded facts as they are; a host's values encoded, together with those that a residual already holds. */
export function encoded<S extends SchemaSpec>(p: Compiled<S>, f: Facts<S> | FactInput<S>): Slots<S> {
  if ((f as Slots<S>).schema === p.schema && (f as Slots<S>).state instanceof Uint8Array) return f as Slots<S>
  const { known } = p.tables as Tables
  return encodeFacts(p.schema, known === null ? f : { ...known, ...f }, false)
}
