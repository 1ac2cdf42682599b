/** Where scoped facts exist: three-valued, over facts without a scope. */
import type { FactSpec, Schema } from '../schema.js'
import { type Attribute, accepted, attributesOf } from './attributes.js'
import { flatten } from './conditions.js'

/** One conjunction: per attribute the classes it accepts. */
export type ScopeBox = readonly { readonly attribute: Attribute; readonly ok: Uint8Array; readonly full: boolean }[]

/** The scope boxes of every slot that has a scope, prepared once a schema. */
export function scopesOf(schema: Schema): readonly (readonly ScopeBox[] | null)[] {
  return schema.names.map((name) => {
    const { scope }: FactSpec = schema.spec.facts[name]!
    if (!scope) return null
    const boxes = scope.flatMap((box) => flatten(schema, [{ box, at: '' }]))
    const attributes = attributesOf(schema, boxes)
    return boxes.map((box) =>
      attributes
        .filter(({ key }) => box.sets.has(key))
        .map((attribute) => {
          const ok = accepted(attribute, schema, box.sets.get(attribute.key)!)
          return { attribute, ok, full: ok.every((bit) => bit === 1) }
        }),
    )
  })
}
