/**
 * A witness search over classes: a request inside a region and outside every forbidden area, or the certainty that there is none.
 * Scopes and constraints are forbidden areas like any other. The budget is in steps, not in time: the answer is the same everywhere.
 */
import type { JsonValue } from '@postern/core/json'
import { MEMBER, sample } from './attributes.js'
import { bitsIn, hasBit } from './bits.js'
import { type Area, classesIn, meet, type Region, type Space, touching } from './boxes.js'
import type { FlatBox } from './conditions.js'

export { type Space, spaceOf } from './boxes.js'

/** Steps that are left; every node of a search takes one. */
export interface Budget {
  left: number
}

/** A request by fact names. */
export type Request = Readonly<Record<string, JsonValue>>

/** A request in all of `inside` and none of `outside`; `null` when there is none, `undecided` when the steps ran out. */
export function witness(
  space: Space,
  inside: readonly FlatBox[],
  outside: readonly FlatBox[],
  steps: number,
): Request | null | 'undecided' {
  let region: Region | null = space.full
  for (const box of inside) region = region && meet(space, region, space.areaOf.get(box)!)
  if (!region) return null
  const found = find(
    space,
    region,
    outside.map((box) => space.areaOf.get(box)!),
    { left: steps },
  )
  return found instanceof Uint32Array ? request(space, found) : found
}

/** A region inside `region` and outside all of `outside` and whatever cannot be: any of its points will do. */
export function find(
  space: Space,
  region: Region,
  outside: readonly Area[],
  budget: Budget,
  used: Set<Area> | null = null,
): Region | null | 'undecided' {
  const near = touching(space, region)
  const impossible = bitsIn(near, space.impossible, null).map((id) => space.areas[id]!)
  return search(space, region, impossible.concat(outside.filter(({ id }) => id < 0 || hasBit(near, id))), budget, used)
}

/** Unit propagation, then branching on the area with the fewest ways out. `used` collects the areas that a refutation rests on. */
function search(
  space: Space,
  region: Region,
  forbidden: readonly Area[],
  budget: Budget,
  used: Set<Area> | null,
): Region | null | 'undecided' {
  if (budget.left-- <= 0) return 'undecided'
  const { offset } = space
  const r = region.slice()
  let open = forbidden
  let narrow: Area | null = null
  for (let changed = true; changed; ) {
    changed = false
    narrow = null
    let least = Number.POSITIVE_INFINITY
    const rest: Area[] = []
    for (const area of open) {
      let ways = 0
      let way = -1
      let hit = true
      for (const i of area.attrs) {
        let [touch, leave] = [0, 0]
        for (let w = offset[i]!; w < offset[i + 1]!; w++) {
          touch |= r[w]! & area.mask[w]!
          leave |= r[w]! & ~area.mask[w]!
        }
        if (touch === 0) {
          hit = false
          break
        }
        if (leave !== 0) {
          ways++
          way = i
        }
      }
      if (!hit) continue
      if (ways <= 1) used?.add(area)
      if (ways === 0) return null
      if (ways === 1) {
        for (let w = offset[way]!; w < offset[way + 1]!; w++) r[w]! &= ~area.mask[w]!
        changed = true
        continue
      }
      if (ways < least) [least, narrow] = [ways, area]
      rest.push(area)
    }
    open = rest
  }
  if (narrow === null) return r
  used?.add(narrow)
  const others = open.filter((area) => area !== narrow)
  let undecided = false
  for (const i of narrow.attrs) {
    const out = r.slice()
    let some = 0
    for (let w = offset[i]!; w < offset[i + 1]!; w++) some |= out[w]! &= ~narrow.mask[w]!
    if (some === 0) continue
    const found = search(space, out, others, budget, used)
    if (found instanceof Uint32Array) return found
    if (found === 'undecided') undecided = true
    // What left by this attribute has been searched: from here on it stays inside.
    for (let w = offset[i]!; w < offset[i + 1]!; w++) r[w]! &= narrow.mask[w]!
  }
  return undecided ? 'undecided' : null
}

/** Values for a region: of every attribute its first class. Mandatory facts that no box mentions get their first value. */
export function request(space: Space, region: Region): Request {
  const { schema, attributes } = space
  const out: Record<string, string | number | boolean | string[]> = {}
  for (const name of schema.names) {
    const spec = schema.spec.facts[name]!
    if (spec.mandatory && spec.type === 'enum') out[name] = spec.values[0]!
  }
  attributes.forEach((a, i) => {
    const c = classesIn(space, region, i)[0]!
    if (c === a.classes) return
    if (a.kind !== MEMBER) out[a.fact] = sample(a, schema, c)
    else {
      const members = (out[a.fact] ?? []) as string[]
      out[a.fact] = c === 1 ? [...members, a.member] : members
    }
  })
  return out
}
