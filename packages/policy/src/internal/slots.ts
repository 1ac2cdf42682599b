/** Slots: what is understood of each fact, and how an attribute's class is found in it. */
import type { Facts } from '../facts.js'
import type { FactSpec, FactValue, Schema, SchemaSpec } from '../schema.js'
import { compareVersions, formatVersion, parseVersion, type Version } from '../version.js'
import { type Attribute, INDEX, MEMBER, RANGES, TEXT } from './attributes.js'
import { indexes, isMember, memberBit } from './conditions.js'
import { type ScopeBox, scopesOf } from './scopes.js'

/** A value of an ordered fact: its rank, and by which of the rank's names. */
export interface Ranked {
  readonly rank: number
  readonly name: string
}
/** A set as it was sent, and those of its members that a closed set lists by name as bits. */
export interface Members {
  readonly all: ReadonlySet<string>
  readonly bits: number
}
/** A value: the index of an enum, 0 or 1 of a bool, an integer, a text, a rank, a version, members. One array of these is all that a request takes. */
export type Known = number | string | Ranked | Version | Members

/** Not simply a value: why there is none, or that nobody knows whether the fact exists at all, with a value or without. */
export interface Unsure {
  readonly lack: 'absent' | 'invalid' | 'outside' | null
  readonly doubt: boolean
  readonly value: Known | null
}
export type Slot = Known | Unsure

export const ABSENT: Unsure = { lack: 'absent', doubt: false, value: null }
export const INVALID: Unsure = { lack: 'invalid', doubt: false, value: null }
export const NOT_APPLICABLE: Unsure = { lack: 'outside', doubt: false, value: null }

export function isUnsure(slot: Slot): slot is Unsure {
  return typeof slot === 'object' && (slot as Partial<Unsure>).doubt !== undefined
}

/** The same where the scope is unknown. */
export function doubted(slot: Slot): Unsure {
  return isUnsure(slot) ? { ...slot, doubt: true } : { lack: null, doubt: true, value: slot }
}

/** The value, be it in doubt; `null` without one. */
export function knownOf(slot: Slot): Known | null {
  return isUnsure(slot) ? slot.value : slot
}

export interface Slots<S extends SchemaSpec = SchemaSpec> extends Facts<S> {
  readonly values: readonly Slot[]
}

export interface SlotPlan {
  readonly name: string
  readonly slot: number
  readonly spec: FactSpec
  /** What stands for a value: of an enum or bool its index, of an ordered fact its rank, of a set's member its bit. */
  readonly known: ReadonlyMap<unknown, number | Ranked>
  readonly scope: readonly ScopeBox[] | null
}

/** Slots in the order of encoding: facts without a scope, those whose scope they decide, then what is computed from both. */
export function planOf(schema: Schema): readonly SlotPlan[] {
  const scopes = scopesOf(schema)
  const plans = schema.names.map((name, slot) => {
    const spec = schema.spec.facts[name]!
    return { name, slot, spec, known: standIns(spec), scope: scopes[slot]! }
  })
  const rank = ({ scope, spec }: SlotPlan): number => (spec.derive ? 2 : scope === null ? 0 : 1)
  return plans.sort((a, b) => rank(a) - rank(b))
}

function standIns(spec: FactSpec): ReadonlyMap<unknown, number | Ranked> {
  if (spec.type === 'set')
    return new Map((spec.members ?? []).map((member) => [member, memberBit(spec, member)] as const).filter(([, bit]) => bit >= 0))
  const found = [...(indexes(spec) ?? [])]
  return new Map(found.map(([name, index]) => [name, spec.type === 'ordered' ? { rank: index, name: name as string } : index]))
}

/** What is understood of a value; `null` for one that the fact cannot have. */
export function understood({ spec, known }: SlotPlan, value: unknown): Known | null {
  switch (spec.type) {
    case 'enum':
    case 'ordered':
    case 'bool':
      return known.get(value) ?? null
    case 'open':
      return typeof value === 'string' ? value : null
    case 'int':
      if (!Number.isSafeInteger(value)) return null
      return (value as number) >= (spec.min ?? -Infinity) && (value as number) <= (spec.max ?? Infinity)
        ? (value as number)
        : null
    case 'version': {
      const version = typeof value === 'string' ? parseVersion(value) : null
      return version === null || (version.pre !== null && !spec.prerelease) ? null : version
    }
    case 'set': {
      if (!Array.isArray(value)) return null
      const all = new Set<string>()
      let bits = 0
      for (const member of value as readonly unknown[]) {
        if (typeof member !== 'string') return null
        const bit = known.get(member) as number | undefined
        if (bit !== undefined) bits |= 1 << bit
        else if (!isMember(spec, member)) return null
        all.add(member)
      }
      return { all, bits }
    }
  }
}

/** A value as a host would send it, be it in doubt; `null` where the slot holds none. */
export function factValue(
  f: Slots,
  slot: number,
  spec: FactSpec = f.schema.spec.facts[f.schema.names[slot]!]!,
): FactValue | null {
  const value = knownOf(f.values[slot]!)
  if (value === null) return null
  switch (spec.type) {
    case 'enum':
      return spec.values[value as number]!
    case 'bool':
      return value === 1
    case 'ordered':
      return (value as Ranked).name
    case 'version':
      return formatVersion(value as Version)
    case 'set':
      return [...(value as Members).all]
    default:
      return value as number | string
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

/** The class of a value. */
export function classOf(a: Attribute, value: Known): number {
  switch (a.kind) {
    case INDEX:
      return typeof value === 'number' ? value : (value as Ranked).rank
    case TEXT:
      return a.texts.get(value as string) ?? a.classes - 1
    case MEMBER:
      if (a.bit >= 0) return ((value as Members).bits >> a.bit) & 1
      return (value as Members).all.has(a.member) ? 1 : 0
    case RANGES:
      return typeof value === 'number' ? reached(a.heads, value) : passed(a.cuts, value as Version)
  }
}

/** How many cuts an integer has reached. */
function reached(heads: Float64Array, n: number): number {
  let [from, to] = [0, heads.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (n >= heads[middle]!) from = middle + 1
    else to = middle
  }
  return from
}

function passed(cuts: readonly Version[], v: Version): number {
  let [from, to] = [0, cuts.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (compareVersions(v, cuts[middle]!) >= 0) from = middle + 1
    else to = middle
  }
  return from
}

/** Whether a scope holds: certainly (1), certainly not (0), or unknown (-1). */
export function scopeHolds(boxes: readonly ScopeBox[], values: readonly Slot[]): 1 | 0 | -1 {
  let unknown = false
  for (const box of boxes) {
    let [must, may] = [true, true]
    for (const { attribute, ok, full } of box) {
      const value = values[attribute.slot]!
      if (isUnsure(value)) must &&= full
      else if (ok[classOf(attribute, value)] === 0) must = may = false
    }
    if (must) return 1
    if (may) unknown = true
  }
  return unknown ? -1 : 0
}
