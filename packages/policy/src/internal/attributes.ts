/** Classes: every attribute's break points cut its domain into classes that no condition tells apart. */
import type { FactSpec, Schema } from '../schema.js'
import { compareVersions, formatVersion, type Version } from '../version.js'
import { type FlatBox, factOf, indexes, memberBit, ofInteger, type ValueSet } from './conditions.js'

/** How a class is found; the order is that of `switch` in the hot loop. */
export const INDEX = 0
export const TEXT = 1
export const RANGES = 2
export const MEMBER = 3

export interface Attribute {
  readonly key: string
  readonly fact: string
  readonly slot: number
  readonly spec: FactSpec
  readonly kind: 0 | 1 | 2 | 3
  /** Number of present classes; class `classes` is *not applicable*. */
  readonly classes: number
  readonly scoped: boolean
  /** TEXT: mentioned values; those not mentioned are the last class. */
  readonly texts: ReadonlyMap<string, number>
  /** RANGES: the least value of classes 1, 2, …; class 0 lies below the first. */
  readonly cuts: readonly Version[]
  /** RANGES: the first halves of `cuts`, for the search that decisions make. */
  readonly heads: Float64Array
  readonly member: string
  /** MEMBER: its bit in the slot's number, where the set is closed and names it; else -1. */
  readonly bit: number
}

/** The attributes that boxes speak of, in the order of their keys. */
export function attributesOf(schema: Schema, boxes: readonly Pick<FlatBox, 'sets'>[]): readonly Attribute[] {
  const sets = new Map<string, ValueSet[]>()
  for (const box of boxes)
    for (const [key, all] of box.sets) {
      const known = sets.get(key)
      if (known) known.push(...all)
      else sets.set(key, [...all])
    }
  return [...sets.keys()].sort().map((key) => attribute(schema, key, sets.get(key)!))
}

function attribute(schema: Schema, key: string, sets: readonly ValueSet[]): Attribute {
  const fact = factOf(key)
  const spec = schema.spec.facts[fact]!
  const common = {
    key,
    fact,
    slot: schema.index.get(fact)!,
    spec,
    scoped: spec.scope !== undefined,
    texts: new Map<string, number>(),
    cuts: [],
    heads: new Float64Array(0),
    member: '',
    bit: -1,
  }
  if (spec.type === 'set') {
    const member = key.slice(fact.length + 1)
    return { ...common, kind: MEMBER, classes: 2, member, bit: memberBit(spec, member) }
  }
  const known = indexes(spec)
  if (known) return { ...common, kind: INDEX, classes: new Set(known.values()).size }
  if (spec.type === 'open') {
    const values = new Set(sets.flatMap((set) => (set.kind === 'text' ? set.values : [])))
    const texts = new Map([...values].sort().map((value, i) => [value, i]))
    return { ...common, kind: TEXT, classes: texts.size + 1, texts }
  }
  const cuts: Version[] = []
  const [least, most] = domain(spec)
  const points = sets.flatMap((set) => (set.kind === 'ranges' ? set.ranges.flat() : [])).filter((p) => p !== null)
  for (const p of points.sort(compareVersions))
    if (
      compareVersions(p, least) > 0 &&
      (most === null || compareVersions(p, most) <= 0) &&
      (cuts.length === 0 || compareVersions(cuts[cuts.length - 1]!, p) !== 0)
    )
      cuts.push(p)
  return { ...common, kind: RANGES, classes: cuts.length + 1, cuts, heads: Float64Array.from(cuts, ({ hi }) => hi) }
}

/** The least value of an ordered domain, and the greatest where there is one. */
function domain(spec: FactSpec): readonly [Version, Version | null] {
  if (spec.type === 'int')
    return [ofInteger(spec.min ?? -Number.MAX_SAFE_INTEGER), ofInteger(spec.max ?? Number.MAX_SAFE_INTEGER)]
  return [{ hi: 0, lo: 0, pre: spec.type === 'version' && spec.prerelease ? '0' : null }, null]
}

/** Which present classes a conjunction of value sets accepts: one byte a class. */
export function accepted(a: Attribute, schema: Schema, sets: readonly ValueSet[]): Uint8Array {
  const ok = new Uint8Array(a.classes).fill(1)
  for (const set of sets) {
    const other = classesOf(a, schema, set)
    for (let c = 0; c < ok.length; c++) ok[c]! &= other[c]!
  }
  return ok
}

function classesOf(a: Attribute, schema: Schema, set: ValueSet): Uint8Array {
  const ok = new Uint8Array(a.classes)
  switch (set.kind) {
    case 'index':
      for (let c = 0; c < ok.length; c++) ok[c] = set.ok[c] ? 1 : 0
      return ok
    case 'text':
      if (set.negated) ok.fill(1)
      for (const value of set.values) ok[a.texts.get(value)!] = set.negated ? 0 : 1
      return ok
    case 'member':
      ok[set.present ? 1 : 0] = 1
      return ok
    case 'ranges': {
      const [least] = domain(schema.spec.facts[a.fact]!)
      for (const [from, to] of set.ranges)
        ok.fill(1, from === null ? 0 : firstFrom(a, least, from), to === null ? a.classes : firstFrom(a, least, to))
      return ok
    }
  }
}

/** The first class whose every value is at least `p`, which is a cut or outside the domain. */
function firstFrom({ cuts }: Attribute, least: Version, p: Version): number {
  if (compareVersions(p, least) <= 0) return 0
  let [from, to] = [0, cuts.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (compareVersions(cuts[middle]!, p) < 0) from = middle + 1
    else to = middle
  }
  return from + 1
}

/** A value of a class, as a host would send it. */
export function sample(a: Attribute, schema: Schema, c: number): string | number | boolean {
  const spec = schema.spec.facts[a.fact]!
  if (a.kind === INDEX) return [...indexes(spec)!].find(([, index]) => index === c)![0]
  if (a.kind === TEXT) {
    for (const [value, index] of a.texts) if (index === c) return value
    let other = 'other'
    while (a.texts.has(other)) other += '-'
    return other
  }
  const value = c === 0 ? lowest(a, domain(spec)[0]) : a.cuts[c - 1]!
  return spec.type === 'int' ? value.hi : formatVersion(value)
}

/** A value below the first cut that a reader understands: 0 where it lies there, instead of the least integer there is. */
function lowest({ cuts }: Attribute, least: Version): Version {
  return least.hi < 0 && (cuts.length === 0 || cuts[0]!.hi > 0) ? ofInteger(0) : least
}
