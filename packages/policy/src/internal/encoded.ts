/** Facts in any form, as slots. */
import type { Compiled } from '../compile.js'
import type { Facts } from '../facts.js'
import type { FactInput, SchemaSpec } from '../schema.js'
import { encodeFacts } from './encode.js'
import { isUnsure, type Slots, sentOf } from './slots.js'
import type { Tables } from './tables.js'

/** Encoded facts as they are, a host's values encoded; either together with those that a residual already holds. */
export function encoded<S extends SchemaSpec>(p: Compiled<S>, f: Facts<S> | FactInput<S>): Slots<S> {
  const { known } = p.tables as Tables
  if ((f as Slots<S>).schema !== p.schema) return encodeFacts(p.schema, known === null ? f : { ...known, ...f }, false)
  const slots = f as Slots<S>
  const lacks = (name: string): boolean => {
    const value = slots.values[p.schema.index.get(name)!]!
    return isUnsure(value) && value.lack === 'absent'
  }
  if (known === null || !Object.keys(known).some(lacks)) return slots
  const unusable = slots.invalid.filter((name) => !p.schema.spec.facts[name]!.derive).map((name) => [name, null])
  return encodeFacts(p.schema, { ...known, ...sentOf(slots), ...Object.fromEntries(unusable) }, false)
}
