/** Classes: every attribute's break points cut its domain into classes that no condition tells apart. */
import type { FactSpec, Schema } from '../schema.js'
import { compareVersions, formatVersion, type Version } from '../version.js'
import { type FlatBox, factOf, indexes, ofInteger, type ValueSet } from './conditions.js'

/** How a class is found; the order is that of `switch` in the hot loop. */
export const INDEX = 0
export const TEXT = 1
export const RANGES = 2
export const MEMBER = 3

export interface Attribute {
  readonly key: string
  readonly fact: string
  readonly slot: number
  readonly kind: 0 | 1 | 2 | 3
  /** Number of present classes; class `classes` is *not applicable*. */
  readonly classes: number
  readonly scoped: boolean
  /** TEXT: mentioned values; those not mentioned are the last class. */
  readonly texts: ReadonlyMap<string, number>
  /** RANGES: the least value of classes 1, 2, …; class 0 lies below the first. */
  readonly cuts: readonly Version[]
  readonly member: string
}

/** The attributes that boxes speak of, in the order of their keys. */
export function attributesOf(schema: Schema, boxes: readonly FlatBox[]): readonly Attribute[] {
  const sets = new Map<string, ValueSet[]>()
  for (const box of boxes) for (const [key, all] of box.sets) sets.set(key, [...(sets.get(key) ?? []), ...all])
  return [...sets.keys()].sort().map((key) => attribute(schema, key, sets.get(key)!))
}

function attribute(schema: Schema, key: string, sets: readonly ValueSet[]): Attribute {
  const fact = factOf(key)
  const spec = schema.spec.facts[fact]!
  const common = {
    key,
    fact,
    slot: schema.index.get(fact)!,
    scoped: spec.scope !== undefined,
    texts: new Map<string, number>(),
    cuts: [],
    member: '',
  }
  if (spec.type === 'set') return { ...common, kind: MEMBER, classes: 2, member: key.slice(fact.length + 1) }
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
  return { ...common, kind: RANGES, classes: cuts.length + 1, cuts }
}

/** The least value of an ordered domain, and the greatest where there is one. */
function domain(spec: FactSpec): readonly [Version, Version | null] {
  if (spec.type === 'int')
    return [ofInteger(spec.min ?? -Number.MAX_SAFE_INTEGER), ofInteger(spec.max ?? Number.MAX_SAFE_INTEGER)]
  return [{ hi: 0, lo: 0, pre: spec.type === 'version' && spec.prerelease ? '0' : null }, null]
}

/** Which present classes a conjunction of value sets accepts: one byte a class. */
export function accepted(a: Attribute, schema: Schema, sets: readonly ValueSet[]): Uint8Array {
  const ok = new Uint8Array(a.classes)
  const least = a.kind === RANGES ? domain(schema.spec.facts[a.fact]!)[0] : null
  for (let c = 0; c < a.classes; c++) ok[c] = sets.every((set) => accepts(a, set, c, least)) ? 1 : 0
  return ok
}

function accepts(a: Attribute, set: ValueSet, c: number, least: Version | null): boolean {
  switch (set.kind) {
    case 'index':
      return set.ok[c]!
    case 'text':
      return set.values.some((value) => a.texts.get(value) === c) !== set.negated
    case 'member':
      return set.present === (c === 1)
    case 'ranges': {
      const value = c === 0 ? least! : a.cuts[c - 1]!
      return set.ranges.some(
        ([from, to]) => (from === null || compareVersions(value, from) >= 0) && (to === null || compareVersions(value, to) < 0),
      )
    }
  }
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
  const value = c === 0 ? domain(spec)[0] : a.cuts[c - 1]!
  return spec.type === 'int' ? value.hi : formatVersion(value)
}
