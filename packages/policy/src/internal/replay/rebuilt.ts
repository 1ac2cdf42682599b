/** A record as facts again, as far as it goes. */
import type { Compiled } from '../../compile.js'
import type { Facts } from '../../facts.js'
import type { DecisionRecord } from '../../replay.js'
import type { SchemaSpec } from '../../schema.js'
import { type Cuts, standIn } from '../cuts.js'
import { ABSENT, doubted, INVALID, NOT_APPLICABLE, type Slot, type SlotPlan, type Slots, understood } from '../slots.js'
import { invalidRecord } from './readRecord.js'

/** Read by the step-up algebra as they are, not through rules. */
const session = ['methods', 'enrolled', 'usable', 'locked', 'acr', 'ageSec'].map((name) => `authenticator.${name}`)

/** `lacking`: facts that the policy tells apart more finely than the record does. */
export function rebuilt<S extends SchemaSpec>(
  p: Compiled<S>,
  cuts: Cuts,
  old: Cuts,
  record: DecisionRecord,
  at: number,
): { readonly facts: Facts<S>; readonly lacking: readonly string[] } {
  const { schema } = p
  const invalid: string[] = []
  const lacking: string[] = []
  const values = new Array<Slot>(schema.names.length).fill(ABSENT)
  const whole = new Set(p.document.rules.some(({ effect, mode }) => effect === 'require' && mode !== 'off') ? session : [])
  for (const plan of schema.plan as readonly SlotPlan[]) {
    const { name, slot } = plan
    const kept = record.facts[name]
    const wanted = cuts.get(name)
    if (kept === undefined || (wanted === undefined && !whole.has(name))) continue
    const put = (found: Slot): unknown => (values[slot] = kept.doubt ? doubted(found) : found)
    if ('none' in kept) {
      if (kept.none === 'hidden') lacking.push(name)
      else put(lacks[kept.none])
      if (kept.none === 'invalid') invalid.push(name)
      continue
    }
    const mine = old.get(name) ?? []
    if ('class' in kept && kept.class >= (mine[0]?.classes ?? 1)) throw invalidRecord(at, name)
    const value = 'value' in kept ? kept.value : whole.has(name) ? null : standIn(p, wanted!, mine, kept)
    if (value === null) {
      lacking.push(name)
      continue
    }
    const found = understood(plan, value)
    if (found === null) throw invalidRecord(at, name)
    put(found)
  }
  const facts: Slots<S> = { schema, invalid, ignored: [], values }
  return { facts, lacking }
}

const lacks = { absent: ABSENT, invalid: INVALID, outside: NOT_APPLICABLE }
