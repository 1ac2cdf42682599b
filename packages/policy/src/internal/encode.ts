/** From what a host sends to typed slots. */
import { PosternError } from '@postern/core/errors'
import type { Derivation, FactValue, Schema, SchemaSpec } from '../schema.js'
import {
  ABSENT,
  DOUBT,
  factValue,
  INVALID,
  NOT_APPLICABLE,
  PRESENT,
  type SlotPlan,
  type Slots,
  scopeHolds,
  store,
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
  const slots: Slots<S> = {
    schema,
    invalid,
    ignored,
    state: new Uint8Array(size).fill(ABSENT),
    num: new Float64Array(size),
    low: new Float64Array(size),
    ref: new Array<null>(size).fill(null),
  }
  for (const plan of schema.plan as readonly SlotPlan[]) {
    const { name, slot, spec, scope } = plan
    const holds = scope === null ? 1 : scopeHolds(scope, slots)
    const value = spec.derive && !given ? derived(spec.derive, slots) : sent[slot]
    if (holds === 0) {
      slots.state[slot] = NOT_APPLICABLE
      if (value !== undefined) ignored.push(name)
      continue
    }
    if (value !== undefined) {
      const ok = store(slots, plan, value)
      slots.state[slot] = ok ? PRESENT : INVALID
      if (!ok) invalid.push(name)
    }
    if (holds === -1) slots.state[slot]! += DOUBT
    if (spec.mandatory && slots.state[slot] !== PRESENT)
      throw new PosternError('policy.action_missing', { publicMessage: `The fact ${name} is mandatory.`, reason: name })
  }
  return slots
}

const failed = Symbol('derivation failed')

/** `undefined` where an input is missing; something no fact can be where the host's function throws. */
function derived({ from, compute }: Derivation, slots: Slots): unknown {
  const inputs: Record<string, FactValue> = {}
  for (const name of from) {
    const slot = slots.schema.index.get(name)!
    if (slots.state[slot] !== PRESENT) return undefined
    inputs[name] = factValue(slots, slot)!
  }
  try {
    return compute(inputs) ?? undefined
  } catch {
    return failed
  }
}
