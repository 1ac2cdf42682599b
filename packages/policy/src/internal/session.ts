/** The session's authenticators, as requests tell them. */
import type { AcrLevels } from '../document.js'
import type { AuthenticatorFacts, Requirement } from '../obligations.js'
import type { Schema } from '../schema.js'
import { memberBit } from './conditions.js'
import { isUnsure, type Known, type Members, type Slots } from './slots.js'

/** Where they stand among the slots (-1: nowhere), and whether they fit into one number. */
export interface SessionPlan {
  readonly methods: number
  readonly enrolled: number
  readonly usable: number
  readonly locked: number
  readonly acr: number
  readonly ageSec: number
  /** Bits a set takes in the number; 0 = the sets do not fit. */
  readonly width: number
  /** Every maximum age that a rule demands, ascending. */
  readonly ages: readonly number[]
}

const sets = ['methods', 'enrolled', 'usable', 'locked'] as const
const maxListed = 8
const maxAges = 60

export function sessionPlanOf(
  schema: Schema,
  bits: readonly { readonly requirement: Requirement }[],
  levels: AcrLevels,
): SessionPlan {
  const slot = (name: string, type: string): number => {
    const at = schema.index.get(`authenticator.${name}`)
    return at !== undefined && schema.spec.facts[`authenticator.${name}`]!.type === type ? at : -1
  }
  const ages = [...new Set(bits.map(({ requirement }) => requirement.maxAgeSec))].sort((a, b) => a - b)
  const plan = {
    methods: slot('methods', 'set'),
    enrolled: slot('enrolled', 'set'),
    usable: slot('usable', 'set'),
    locked: slot('locked', 'set'),
    acr: slot('acr', 'int'),
    ageSec: slot('ageSec', 'int'),
  }
  const kinds = kindsOf(
    bits.map(({ requirement }) => requirement),
    levels,
  )
  let listed = 1
  for (const name of sets) {
    const spec = plan[name] < 0 ? undefined : schema.spec.facts[schema.names[plan[name]]!]
    if (spec?.type !== 'set') continue
    // A kind that no bit stands for would be invisible in the number.
    if (kinds.some((kind) => memberBit(spec, kind) < 0)) return { ...plan, width: 0, ages }
    listed = Math.max(listed, spec.members!.length)
  }
  return { ...plan, width: listed <= maxListed && ages.length <= maxAges ? listed + 1 : 0, ages }
}

/** Every authenticator that levels, alternatives and edges name. */
export function kindsOf(requirements: readonly Requirement[], levels: AcrLevels): readonly string[] {
  const kinds = new Set(Object.keys(levels).flatMap((key) => key.split('+')))
  for (const { anyOf, fallback } of new Set(requirements)) {
    for (const set of anyOf) for (const kind of set) kinds.add(kind)
    if (fallback !== 'all') for (const { from, to } of fallback) for (const kind of [from, ...to]) kinds.add(kind)
  }
  return [...kinds].sort()
}

/** The session's authenticators, `null` where a fact is missing. */
export function authenticatorsOf(plan: SessionPlan, f: Slots): AuthenticatorFacts {
  const set = (slot: number): ReadonlySet<string> | null => (valueIn(f, slot) as Members | null)?.all ?? null
  const int = (slot: number): number | null => valueIn(f, slot) as number | null
  return {
    methods: set(plan.methods),
    enrolled: set(plan.enrolled),
    usable: set(plan.usable),
    locked: set(plan.locked),
    acr: int(plan.acr),
    ageSec: int(plan.ageSec),
  }
}

/** Everything that resolving a requirement reads of a session, as one number; -1 where it does not fit. */
export function signatureOf(plan: SessionPlan, f: Slots): number {
  if (plan.width === 0) return -1
  const size = 2 ** plan.width
  const bits = (slot: number): number => (valueIn(f, slot) as Members | null)?.bits ?? size / 2
  // A level below none is none, here as in the algebra: a sign would reach into the bits of the sets.
  const acr = Math.min(Math.max((valueIn(f, plan.acr) as number | null) ?? 0, 0), 1023)
  // Its class among the demanded ages: above all of them when missing.
  const ageSec = valueIn(f, plan.ageSec) as number | null
  let age = plan.ages.length
  if (ageSec !== null) for (age = 0; age < plan.ages.length && plan.ages[age]! < ageSec; age++);
  return (
    ((((bits(plan.methods) * size + bits(plan.enrolled)) * size + bits(plan.usable)) * size + bits(plan.locked)) * 1024 + acr) *
      64 +
    age
  )
}

/** A value that is certain; `null` for a fact that is missing, or that the schema does not have (-1). */
function valueIn({ values }: Slots, slot: number): Known | null {
  const value = slot < 0 ? null : values[slot]!
  return value === null || isUnsure(value) ? null : value
}
