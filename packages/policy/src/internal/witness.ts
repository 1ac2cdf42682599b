/**
 * A witness search over classes: a request inside a region and outside every forbidden box, or the certainty that there is none.
 * Scopes and constraints are forbidden boxes like any other. The budget is in steps, not in time: the answer is the same everywhere.
 */
import type { Box } from '../document.js'
import type { Schema } from '../schema.js'
import { type Attribute, accepted, attributesOf, MEMBER, sample } from './attributes.js'
import { type FlatBox, flatten } from './conditions.js'

/** Per attribute the classes that are left; the class after the last is *not applicable*. */
type Region = readonly Uint8Array[]
/** A conjunction over some attributes. */
type Forbidden = ReadonlyMap<number, Uint8Array>

export interface Space {
  readonly schema: Schema
  readonly attributes: readonly Attribute[]
  /** What no request can be: against scopes and constraints. */
  readonly impossible: readonly Forbidden[]
}

/** The space that boxes, scopes and constraints span together. */
export function spaceOf(schema: Schema, boxes: readonly FlatBox[]): Space {
  const flat = (box: Box): readonly FlatBox[] => flatten(schema, [{ box, at: '' }])
  const scopes = schema.names.map((name) => (schema.spec.facts[name]!.scope ?? []).flatMap(flat))
  const constraints = (schema.spec.constraints ?? []).flatMap(flat)
  const attributes = attributesOf(schema, [...boxes, ...scopes.flat(), ...constraints])
  const space: Space = { schema, attributes, impossible: [] }
  const impossible = constraints.map((box) => forbid(space, box))
  attributes.forEach((a, i) => {
    const mine = scopes[a.slot]!
    if (mine.length === 0) return
    const absent = new Uint8Array(a.classes + 1)
    absent[a.classes] = 1
    const present = new Uint8Array(a.classes + 1).fill(1)
    present[a.classes] = 0
    for (const box of mine) impossible.push(new Map([...forbid(space, box), [i, absent]]))
    // Outside: one condition of each scope box fails.
    let outside: Forbidden[] = [new Map([[i, present]])]
    for (const box of mine)
      outside = outside.flatMap((so) =>
        [...forbid(space, box)].map(([k, ok]) => new Map([...so, [k, both(so.get(k), inverse(ok))]])),
      )
    impossible.push(...outside)
  })
  return { ...space, impossible }
}

/** A box as classes per attribute. */
export function forbid({ schema, attributes }: Space, box: FlatBox): Forbidden {
  const out = new Map<number, Uint8Array>()
  attributes.forEach((a, i) => {
    const sets = box.sets.get(a.key)
    if (!sets) return
    const ok = new Uint8Array(a.classes + 1)
    ok.set(accepted(a, schema, sets))
    out.set(i, ok)
  })
  return out
}

/** A request in all of `inside` and none of `outside`; `null` when there is none, `undecided` when the steps ran out. */
export function witness(
  space: Space,
  inside: readonly FlatBox[],
  outside: readonly FlatBox[],
  steps: number,
): Readonly<Record<string, string | number | boolean | readonly string[]>> | null | 'undecided' {
  const budget = { left: steps }
  let region: Region = space.attributes.map((a) => {
    const all = new Uint8Array(a.classes + 1).fill(1)
    if (!a.scoped) all[a.classes] = 0
    return all
  })
  for (const box of inside) {
    const ok = forbid(space, box)
    region = region.map((classes, i) => both(classes, ok.get(i)))
  }
  if (region.some((classes) => !classes.includes(1))) return null
  const found = search(region, [...space.impossible, ...outside.map((box) => forbid(space, box))], budget)
  return found === null || found === 'undecided' ? found : request(space, found)
}

function search(region: Region, forbidden: readonly Forbidden[], budget: { left: number }): Region | null | 'undecided' {
  if (budget.left-- <= 0) return 'undecided'
  const hit = forbidden.find((box) => [...box].every(([i, ok]) => region[i]!.some((bit, c) => bit === 1 && ok[c] === 1)))
  if (!hit) return region
  let open = false
  for (const [i, ok] of hit) {
    const rest = both(region[i], inverse(ok))
    if (!rest.includes(1)) continue
    const found = search(
      region.map((classes, k) => (k === i ? rest : classes)),
      forbidden,
      budget,
    )
    if (found === 'undecided') open = true
    else if (found) return found
  }
  return open ? 'undecided' : null
}

/** Values for a region: of every attribute its first class. Mandatory facts that no box mentions get their first value. */
function request(
  { schema, attributes }: Space,
  region: Region,
): Readonly<Record<string, string | number | boolean | readonly string[]>> {
  const out: Record<string, string | number | boolean | string[]> = {}
  for (const name of schema.names) {
    const spec = schema.spec.facts[name]!
    if (spec.mandatory && spec.type === 'enum') out[name] = spec.values[0]!
  }
  attributes.forEach((a, i) => {
    const c = region[i]!.indexOf(1)
    if (c === a.classes) return
    if (a.kind !== MEMBER) out[a.fact] = sample(a, schema, c)
    else {
      const members = (out[a.fact] ?? []) as string[]
      out[a.fact] = c === 1 ? [...members, a.member] : members
    }
  })
  return out
}

function both(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array {
  if (!a || !b) return (a ?? b)!
  return a.map((bit, i) => bit & b[i]!)
}

function inverse(a: Uint8Array): Uint8Array {
  return a.map((bit) => 1 - bit)
}
