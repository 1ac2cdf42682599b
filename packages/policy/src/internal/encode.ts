/** From what a host sends to slots. */
import { PosternError } from '@postern/core/errors'
import type { Derivation, FactValue, Schema, SchemaSpec } from '../schema.js'
import {
  ABSENT,
  doubted,
  factValue,
  INVALID,
  isUnsure,
  NOT_APPLICABLE,
  type Slot,
  type SlotPlan,
  type Slots,
  scopeHolds,
  understood,
} from './slots.js'

/**
 * Encodes; `given` = derived facts are taken as sent, for requests that a search made up.
 * @throws PosternError `policy.fact_unknown` | `policy.action_missing`
 */
export function encodeFacts<S extends SchemaSpec>(schema: Schema<S>, input: object, given: boolean): Slots<S> {
  const size = schema.names.length
  // Every member is read once, before anything is judged: a getter cannot answer twice.
  const sent = new Array<unknown>(size)
  for (const name of Object.keys(input)) {
    const slot = schema.index.get(name)
    if (slot === undefined || (!given && schema.spec.facts[name]!.derive))
      throw new PosternError('policy.fact_unknown', {
        publicMessage: `The schema knows no fact ${name} that can be sent.`,
        reason: name,
      })
    sent[slot] = (input as Readonly<Record<string, unknown>>)[name]
  }
  const invalid: string[] = []
  const ignored: string[] = []
  const values = new Array<Slot>(size).fill(ABSENT)
  const slots: Slots<S> = { schema, invalid, ignored, values }
  for (const plan of schema.plan as readonly SlotPlan[]) {
    const { name, slot, spec, scope } = plan
    const holds = scope === null ? 1 : scopeHolds(scope, values)
    const value = spec.derive && !given ? derived(spec.derive, slots) : sent[slot]
    if (holds === 0) {
      values[slot] = NOT_APPLICABLE
      if (value !== undefined) ignored.push(name)
      continue
    }
    let found: Slot = ABSENT
    if (value !== undefined) {
      found = understood(plan, value) ?? INVALID
      if (found === INVALID) invalid.push(name)
    }
    if (spec.mandatory && isUnsure(found))
      throw new PosternError('policy.action_missing', { publicMessage: `The fact ${name} is mandatory.`, reason: name })
    values[slot] = holds === -1 ? doubted(found) : found
  }
  return slots
}

const failed = Symbol('derivation failed')

/** `undefined` where an input is missing; something no fact can be where the host's function throws. */
function derived({ from, compute }: Derivation, slots: Slots): unknown {
  const inputs: Record<string, FactValue> = {}
  for (const name of from) {
    const slot = slots.schema.index.get(name)!
    if (isUnsure(slots.values[slot]!)) return undefined
    inputs[name] = factValue(slots, slot)!
  }
  try {
    return compute(inputs) ?? undefined
  } catch {
    return failed
  }
}
