/** What a schema must be before anything is compiled against it. */
import type { Schema } from '../schema.js'
import { flatten } from './conditions.js'
import { invalid, under } from './read.js'

const NAME = /^[a-z][a-zA-Z0-9]*(?:\.[a-z][a-zA-Z0-9]*)*$/

/** @throws PosternError `policy.document_invalid` */
export function checkSchema(schema: Schema): void {
  const { facts, constraints = [] } = schema.spec
  for (const [name, spec] of Object.entries(facts)) {
    const at = under('/facts', name)
    if (!NAME.test(name)) throw invalid(at, 'must be dotted words')
    if (name in Object.prototype) throw invalid(at, 'is what every object has')
    if (spec.mandatory && spec.type !== 'enum') throw invalid(at, 'only a closed enum can be mandatory')
    if (spec.mandatory && (spec.scope || spec.derive)) throw invalid(at, 'a mandatory fact has no scope and is not derived')
    if (spec.weight !== undefined && !(Number.isInteger(spec.weight) && spec.weight >= 1 && spec.weight <= 1000))
      throw invalid(at, 'has a weight that is no integer from 1 to 1000')
    const values = spec.type === 'enum' ? spec.values : spec.type === 'ordered' ? spec.ranks.flat() : []
    if ((spec.type === 'enum' || spec.type === 'ordered') && values.length === 0) throw invalid(at, 'has no values')
    if (new Set(values).size !== values.length) throw invalid(at, 'names a value twice')
    if (spec.type === 'ordered' && spec.ranks.some((rank) => rank.length === 0)) throw invalid(at, 'has a rank without values')
    if (spec.type === 'int') {
      const { min = -Number.MAX_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = spec
      if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max)) throw invalid(at, 'has a bound that is no safe integer')
      if (min > max) throw invalid(at, 'has min above max')
    }
    for (const box of spec.scope ?? [])
      for (const other of Object.keys(box))
        if (facts[other]?.scope || facts[other]?.derive) throw invalid(`${at}/scope`, `${other} has a scope or is derived`)
    spec.scope?.forEach((box, i) => {
      flatten(schema, [{ box, at: under(`${at}/scope`, i) }])
    })
    for (const other of spec.derive?.from ?? [])
      if (!Object.hasOwn(facts, other) || facts[other]?.derive) throw invalid(`${at}/derive`, `${other} is no fact that is sent`)
  }
  constraints.forEach((box, i) => {
    flatten(schema, [{ box, at: under('/constraints', i) }])
  })
}
