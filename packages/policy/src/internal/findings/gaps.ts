/** Requests that no rule speaks of: default deny, one for each action, in a box as wide as it can be. */

import { setBit } from '../bits.js'
import { type Area, classesIn, pinned, type Region, touching } from '../boxes.js'

import { boxOf } from '../describe.js'
import { find, request } from '../witness.js'
import type { Found, Room } from './room.js'

export function gaps(room: Room): readonly Found[] {
  const { space, side, steps } = room
  const areas = [...new Set([...side.rules.values()].flat())]
  const action = space.attributes.findIndex(({ key }) => key === 'action')
  const starts = action < 0 ? [space.full] : classesIn(space, space.full, action).map((c) => pinned(space, space.full, action, c))
  return starts.flatMap((region): Found[] => {
    const found = find(space, region, areas, { left: steps })
    if (found === null) return []
    const about = JSON.stringify(boxOf(space, region))
    const common = { kind: 'gap', severity: 'note', at: '/rules', rules: [], about } as const
    if (found === 'undecided')
      return [{ ...common, undecided: true, text: 'Whether every request meets a rule took too many steps.' }]
    return [
      {
        ...common,
        witness: request(space, found),
        box: boxOf(space, widened(room, found, areas, action)),
        text: 'No rule speaks of this request: it is denied by default.',
      },
    ]
  })
}

/** As many classes as can be added, attribute by attribute, without touching a rule. */
function widened({ space }: Room, found: Region, areas: readonly Area[], action: number): Region {
  const { facts } = space.schema.spec
  // What a box cannot say, that a fact does not apply, it says by what decides that: this stays as it was found.
  const held = new Set(
    space.attributes
      .filter((a, i) => a.scoped && classesIn(space, found, i)[0] === a.classes)
      .flatMap((a) => (facts[a.fact]!.scope ?? []).flatMap((scope) => Object.keys(scope))),
  )
  const mask = new Uint32Array(Math.max(1, Math.ceil(space.areas.length / 32)))
  for (const { id } of areas) setBit(mask, id)
  const clear = (region: Region): boolean => touching(space, region).every((word, w) => (word & mask[w]!) === 0)
  // One request to begin with: of a fact that may or may not apply, what a box can say of it.
  let out: Region = found
  space.attributes.forEach((_, i) => {
    out = pinned(space, out, i, classesIn(space, found, i)[0]!)
  })
  space.attributes.forEach((a, i) => {
    if (i === action || held.has(a.fact)) return
    const whole = out.slice()
    whole.set(space.full.subarray(space.offset[i], space.offset[i + 1]), space.offset[i])
    if (clear(whole)) {
      out = whole
      return
    }
    for (const c of classesIn(space, space.full, i)) {
      const more = out.slice()
      more[space.offset[i]! + (c >>> 5)]! |= 1 << (c & 31)
      if (clear(more)) out = more
    }
  })
  return out
}
