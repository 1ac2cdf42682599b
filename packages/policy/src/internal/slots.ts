/** Typed slots: how one value of one fact is stored, and how an attribute's class is found in it. */
import type { Facts } from '../facts.js'
import type { FactSpec, FactValue, Schema, SchemaSpec } from '../schema.js'
import { compareVersions, formatVersion, parseVersion } from '../version.js'
import { type Attribute, INDEX, MEMBER, RANGES, TEXT } from './attributes.js'
import { indexes, isMember, memberBit } from './conditions.js'
import { type ScopeBox, scopesOf } from './scopes.js'

/** What is known of a slot. `DOUBT` is added where the scope itself is unknown: the fact may not exist at all. */
export const PRESENT = 0
export const ABSENT = 1
export const INVALID = 2
export const NOT_APPLICABLE = 3
export const DOUBT = 4

export interface Slots<S extends SchemaSpec = SchemaSpec> extends Facts<S> {
  readonly state: Uint8Array
  /** Index, rank, 0 or 1, integer, the first half of a version, or the listed members of a closed set as bits. */
  readonly num: Float64Array
  /** Second half of a version. */
  readonly low: Float64Array
  /** Text, name within a rank, pre-release, or Set of members. */
  readonly ref: (string | ReadonlySet<string> | null)[]
}

export interface SlotPlan {
  readonly name: string
  readonly slot: number
  readonly spec: FactSpec
  readonly indexes: ReadonlyMap<string | boolean, number> | null
  readonly scope: readonly ScopeBox[] | null
}

/** Slots in the order of encoding: facts without a scope, those whose scope they decide, then what is computed from both. */
export function planOf(schema: Schema): readonly SlotPlan[] {
  const scopes = scopesOf(schema)
  const plans = schema.names.map((name, slot) => {
    const spec = schema.spec.facts[name]!
    return { name, slot, spec, indexes: spec.type === 'set' ? bitsOf(spec) : indexes(spec), scope: scopes[slot]! }
  })
  const rank = ({ scope, spec }: SlotPlan): number => (spec.derive ? 2 : scope === null ? 0 : 1)
  return plans.sort((a, b) => rank(a) - rank(b))
}

function bitsOf(spec: FactSpec): ReadonlyMap<string, number> {
  const named = (spec.type === 'set' ? (spec.members ?? []) : []).filter((member) => memberBit(spec, member) >= 0)
  return new Map(named.map((member) => [member, memberBit(spec, member)]))
}

/** Stores a value; `false` for one that the fact cannot have. */
export function store(into: Slots, plan: SlotPlan, value: unknown): boolean {
  const { slot, spec } = plan
  switch (spec.type) {
    case 'enum':
    case 'ordered':
    case 'bool': {
      const index =
        typeof value === (spec.type === 'bool' ? 'boolean' : 'string') ? plan.indexes!.get(value as string) : undefined
      if (index === undefined) return false
      into.num[slot] = index
      if (spec.type === 'ordered') into.ref[slot] = value as string
      return true
    }
    case 'open':
      if (typeof value !== 'string') return false
      into.ref[slot] = value
      return true
    case 'int':
      if (
        !Number.isSafeInteger(value) ||
        (value as number) < (spec.min ?? -Infinity) ||
        (value as number) > (spec.max ?? Infinity)
      )
        return false
      into.num[slot] = value as number
      return true
    case 'version': {
      const version = typeof value === 'string' ? parseVersion(value) : null
      if (version === null || (version.pre !== null && !spec.prerelease)) return false
      into.num[slot] = version.hi
      into.low[slot] = version.lo
      into.ref[slot] = version.pre
      return true
    }
    case 'set': {
      if (!Array.isArray(value)) return false
      const members = new Set<string>()
      let bits = 0
      for (const member of value as readonly unknown[]) {
        if (typeof member !== 'string') return false
        const bit = plan.indexes?.get(member)
        if (bit !== undefined) bits |= 1 << bit
        else if (!isMember(spec, member)) return false
        members.add(member)
      }
      into.ref[slot] = members
      into.num[slot] = bits
      return true
    }
  }
}

/** A present value as a host would send it; `null` where the slot holds none. */
export function factValue(
  f: Slots,
  slot: number,
  spec: FactSpec = f.schema.spec.facts[f.schema.names[slot]!]!,
): FactValue | null {
  const state = f.state[slot]!
  if (state !== PRESENT && state !== DOUBT + PRESENT) return null
  const n = f.num[slot]!
  switch (spec.type) {
    case 'enum':
      return spec.values[n]!
    case 'bool':
      return n === 1
    case 'int':
      return n
    case 'version':
      return formatVersion({ hi: n, lo: f.low[slot]!, pre: f.ref[slot] as string | null })
    case 'set':
      return [...(f.ref[slot] as ReadonlySet<string>)]
    default:
      return f.ref[slot] as string
  }
}

/** Every value that was sent and could be used, by name: what to encode again with something added or changed. */
export function sentOf(f: Slots): Record<string, FactValue> {
  const out: Record<string, FactValue> = {}
  f.schema.names.forEach((name, slot) => {
    const value = f.schema.spec.facts[name]!.derive ? null : factValue(f, slot)
    if (value !== null) out[name] = value
  })
  return out
}

/** The class of a present value. */
export function classOf(a: Attribute, f: Slots): number {
  switch (a.kind) {
    case INDEX:
      return f.num[a.slot]!
    case TEXT:
      return a.texts.get(f.ref[a.slot] as string) ?? a.classes - 1
    case MEMBER:
      if (a.bit >= 0) return (f.num[a.slot]! >> a.bit) & 1
      return (f.ref[a.slot] as ReadonlySet<string>).has(a.member) ? 1 : 0
    case RANGES: {
      const hi = f.num[a.slot]!
      const { cuts, heads } = a
      let from = 0
      let to = heads.length
      while (from < to) {
        const middle = (from + to) >> 1
        const head = heads[middle]!
        // The other halves are read only where the first agree: for integers, almost never.
        const above =
          hi !== head
            ? hi > head
            : compareVersions({ hi, lo: f.low[a.slot]!, pre: f.ref[a.slot] as string | null }, cuts[middle]!) >= 0
        if (above) from = middle + 1
        else to = middle
      }
      return from
    }
  }
}

/** Whether a scope holds: certainly (1), certainly not (0), or unknown (-1). */
export function scopeHolds(boxes: readonly ScopeBox[], f: Slots): 1 | 0 | -1 {
  let unknown = false
  for (const box of boxes) {
    let [must, may] = [true, true]
    for (const { attribute, ok, full } of box) {
      if (f.state[attribute.slot] === PRESENT) {
        if (ok[classOf(attribute, f)] === 0) must = may = false
      } else if (!full) must = false
    }
    if (must) return 1
    if (may) unknown = true
  }
  return unknown ? -1 : 0
}
