/**
 * Interval algebra over classes. A space is what a set of boxes, scopes and constraints span together; a region is a product of class sets,
 * one per attribute, packed into words; an area is a region that a box stands for.
 */
import type { Box } from '../document.js'
import type { Schema } from '../schema.js'
import { type Attribute, accepted, attributesOf } from './attributes.js'
import { setBit } from './bits.js'
import { type FlatBox, flatten, type ValueSet } from './conditions.js'

/** Per attribute the classes that are left, packed; the class after the last is *not applicable*. */
export type Region = Uint32Array

export interface Area {
  readonly id: number
  /** Attributes it constrains. */
  readonly attrs: readonly number[]
  readonly mask: Region
}

export interface Space {
  readonly schema: Schema
  readonly attributes: readonly Attribute[]
  /** Where each attribute's words start; one more than there are attributes. */
  readonly offset: Int32Array
  readonly full: Region
  readonly areas: readonly Area[]
  readonly areaOf: ReadonlyMap<FlatBox, Area>
  /** Areas that no request can be in: against scopes and constraints. */
  readonly impossible: Uint32Array
  /** Per attribute and class, the areas that accept it. */
  readonly rows: readonly (readonly Uint32Array[])[]
}

/** `extra`: value sets whose break points cut classes although no box speaks of them. */
export function spaceOf(schema: Schema, boxes: readonly FlatBox[], extra: readonly Pick<FlatBox, 'sets'>[] = []): Space {
  const flat = (box: Box): readonly FlatBox[] => flatten(schema, [{ box, at: '' }])
  const scopes = schema.names.map((name) => (schema.spec.facts[name]!.scope ?? []).flatMap(flat))
  const constraints = (schema.spec.constraints ?? []).flatMap(flat)
  // Scopes of facts that nobody mentions cut nothing.
  const spoken = new Set([...boxes, ...constraints, ...extra].flatMap(({ sets }) => [...sets.keys()]))
  const relevant = schema.names.flatMap((name, slot) =>
    [...spoken].some((key) => key === name || key.startsWith(`${name}\0`)) ? scopes[slot]! : [],
  )
  const attributes = attributesOf(schema, [...boxes, ...relevant, ...constraints, ...extra])
  const offset = new Int32Array(attributes.length + 1)
  attributes.forEach((a, i) => {
    offset[i + 1] = offset[i]! + Math.ceil((a.classes + 1) / 32)
  })
  const full = new Uint32Array(offset[attributes.length]!)
  attributes.forEach((a, i) => {
    setClasses(full, offset[i]!, a.classes + (a.scoped ? 1 : 0))
  })
  const index = new Map(attributes.map(({ key }, i) => [key, i]))
  const areas: Area[] = []
  const known = new Map<string, Area>()
  const area = (parts: ReadonlyMap<number, Uint8Array>): Area => {
    const mask = full.slice()
    const attrs = [...parts.keys()].sort((x, y) => x - y)
    for (const i of attrs) {
      mask.fill(0, offset[i], offset[i + 1])
      parts.get(i)!.forEach((ok, c) => {
        if (ok === 1) mask[offset[i]! + (c >>> 5)]! |= 1 << (c & 31)
      })
    }
    const key = mask.join()
    const same = known.get(key)
    if (same) return same
    const made = { id: areas.length, attrs, mask }
    known.set(key, made)
    areas.push(made)
    return made
  }
  const partsOf = (sets: ReadonlyMap<string, readonly ValueSet[]>): Map<number, Uint8Array> =>
    new Map(
      [...sets].map(([key, all]) => {
        const i = index.get(key)!
        const ok = new Uint8Array(attributes[i]!.classes + 1)
        ok.set(accepted(attributes[i]!, schema, all))
        return [i, ok]
      }),
    )
  const areaOf = new Map(boxes.map((box) => [box, area(partsOf(box.sets))]))
  const impossible: Area[] = constraints.map(({ sets }) => area(partsOf(sets)))
  attributes.forEach((a, i) => {
    if (!a.scoped) return
    const mine = scopes[a.slot]!.map(({ sets }) => partsOf(sets))
    const absent = new Uint8Array(a.classes + 1)
    absent[a.classes] = 1
    for (const box of mine) impossible.push(area(new Map([...box, [i, absent]])))
    // Outside: one condition of each scope box fails.
    let outside: ReadonlyMap<number, Uint8Array>[] = [new Map([[i, absent.map((bit) => 1 - bit)]])]
    for (const box of mine)
      outside = outside.flatMap((so) =>
        [...box].map(([k, ok]) => {
          const fails = ok.map((bit, c) => (c < attributes[k]!.classes || attributes[k]!.scoped ? 1 - bit : 0))
          return new Map([...so, [k, so.has(k) ? so.get(k)!.map((bit, c) => bit & fails[c]!) : fails]])
        }),
      )
    impossible.push(...outside.map(area))
  })
  const words = Math.max(1, Math.ceil(areas.length / 32))
  const rows = attributes.map((a, i) =>
    Array.from({ length: a.classes + 1 }, (_, c) => {
      const row = new Uint32Array(words)
      for (const { id, mask } of areas) if ((mask[offset[i]! + (c >>> 5)]! & (1 << (c & 31))) !== 0) setBit(row, id)
      return row
    }),
  )
  const forbidden = new Uint32Array(words)
  for (const { id } of impossible) setBit(forbidden, id)
  return { schema, attributes, offset, full, areas, areaOf, impossible: forbidden, rows }
}

function setClasses(region: Region, from: number, count: number): void {
  for (let c = 0; c < count; c++) region[from + (c >>> 5)]! |= 1 << (c & 31)
}

/** Both; `null` when nothing is left. */
export function meet(space: Space, region: Region, area: Area): Region | null {
  const out = region.slice()
  for (const i of area.attrs) {
    let some = 0
    for (let w = space.offset[i]!; w < space.offset[i + 1]!; w++) some |= out[w]! &= area.mask[w]!
    if (some === 0) return null
  }
  return out
}

/** Whether every point of the region lies in the area. */
export function within(space: Space, region: Region, area: Area): boolean {
  return area.attrs.every((i) => {
    for (let w = space.offset[i]!; w < space.offset[i + 1]!; w++) if ((region[w]! & ~area.mask[w]!) !== 0) return false
    return true
  })
}

/** The areas that share a point with the region: exact, because both are products. Attributes without rows tell no areas apart. */
export function touching({ offset, full, rows, areas }: Space, region: Region): Uint32Array {
  const out = new Uint32Array(Math.max(1, Math.ceil(areas.length / 32))).fill(-1)
  for (let i = 0; i < rows.length; i++) {
    let whole = true
    for (let w = offset[i]!; w < offset[i + 1]!; w++) if (region[w] !== full[w]) whole = false
    if (whole) continue
    const any = new Uint32Array(out.length)
    for (let w = offset[i]!; w < offset[i + 1]!; w++)
      for (let word = region[w]!; word !== 0; word &= word - 1) {
        const row = rows[i]![(w - offset[i]!) * 32 + 31 - Math.clz32(word & -word)]!
        for (let k = 0; k < any.length; k++) any[k]! |= row[k]!
      }
    for (let k = 0; k < out.length; k++) out[k]! &= any[k]!
  }
  return out
}

/** The region with one attribute held to one class. */
export function pinned({ offset }: Space, region: Region, i: number, c: number): Region {
  const out = region.slice()
  out.fill(0, offset[i], offset[i + 1])
  out[offset[i]! + (c >>> 5)] = 1 << (c & 31)
  return out
}

/** The classes of one attribute that are left. */
export function classesIn({ offset, attributes }: Space, region: Region, i: number): number[] {
  const out: number[] = []
  for (let c = 0; c <= attributes[i]!.classes; c++) if ((region[offset[i]! + (c >>> 5)]! & (1 << (c & 31))) !== 0) out.push(c)
  return out
}
