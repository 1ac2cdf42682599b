/**
 * Facts, encoded once for any policy of their schema. Bad values are not errors: a fact that cannot be read is missing, and missing is worst.
 */
import { PosternError } from '@postern/core/errors'
import {
  ABSENT,
  DOUBT,
  INVALID,
  NOT_APPLICABLE,
  PRESENT,
  type SlotPlan,
  type Slots,
  scopeHolds,
  store,
} from './internal/slots.js'
import type { FactInput, FactValue, Schema, SchemaSpec } from './schema.js'

/** Encoded facts: typed slots in the schema's order, reusable for any policy of that schema. Make them with {@link encode} alone. */
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
  const values = input as Readonly<Record<string, unknown>>
  for (const name of Object.keys(values))
    if (!schema.index.has(name) || schema.spec.facts[name]!.derive)
      throw new PosternError('policy.fact_unknown', {
        publicMessage: `The schema knows no fact ${name} that can be sent.`,
        reason: name,
      })
  const size = schema.names.length
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
    const value = spec.derive ? derived(spec.derive, slots, values) : values[name]
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
function derived(
  {
    from,
    compute,
  }: { readonly from: readonly string[]; readonly compute: (inputs: Readonly<Record<string, FactValue>>) => unknown },
  slots: Slots,
  values: Readonly<Record<string, unknown>>,
): unknown {
  const inputs: Record<string, FactValue> = {}
  for (const name of from) {
    // Read from the request and judged again by the slot: an input that is invalid there is missing here.
    const slot = slots.schema.index.get(name)!
    if (slots.state[slot] !== PRESENT) return undefined
    inputs[name] = values[name] as FactValue
  }
  try {
    return compute(inputs) ?? undefined
  } catch {
    return failed
  }
}
