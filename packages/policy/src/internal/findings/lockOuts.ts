/** Devices that can log in by no means: no value of any other fact, and no session, leads to allow. */
import type { JsonValue } from '@postern/core/json'
import type { InstalledClass } from '../../analyse.js'
import type { Schema } from '../../schema.js'
import { setBit } from '../bits.js'
import { classesIn, type Region, type Space, touching } from '../boxes.js'
import { boxOf } from '../describe.js'
import { encodeFacts } from '../encode.js'
import { classOf, isUnsure } from '../slots.js'
import { find, request } from '../witness.js'
import { allowed, type Found, type Room } from './room.js'

const told: ReadonlySet<string> = new Set(['app.id', 'app.version', 'os.platform', 'os.version'])

export function lockOuts(room: Room, installed: readonly InstalledClass[] | null): readonly Found[] {
  const { space } = room
  const login = loginOf(space)
  if (login === null) return []
  const dims = space.attributes.flatMap((a, i) => (told.has(a.fact) ? [i] : []))
  const out: Found[] = []
  const common = { kind: 'lock-out', severity: 'warning', at: '/rules', rules: [] } as const
  const open = [login]
  // Each round takes a box of devices: either nothing in it can log in, or the largest part that can is cut off and the rest split.
  for (let left = room.steps; open.length > 0; left--) {
    const region = open.pop()!
    const found = left > 0 ? allowed(room, region) : 'undecided'
    const box = boxOf(space, region, ({ fact }) => told.has(fact))
    if (found === 'undecided')
      out.push({ ...common, undecided: true, box, text: 'Whether these devices can log in took too many steps.' })
    else if (found === null) {
      const some = find(space, region, [], { left: room.steps })
      if (some === null) continue
      const devices = installed?.reduce((sum, one) => sum + (holds(space, dims, region, one.facts) ? one.devices : 0), 0) ?? null
      out.push({
        ...common,
        box,
        devices,
        witness: some === 'undecided' ? null : request(space, some),
        text: `No device of this kind can log in${devices === null ? '' : `: ${devices} are installed`}.`,
      })
    } else open.push(...without(space, dims, region, grown(room, dims, region, found.region)))
  }
  return out
}

/** Every request that is a login; `null` where the schema has none. */
function loginOf(space: Space): Region | null {
  const spec = space.schema.spec.facts['action']
  if (spec?.type !== 'enum' || !spec.values.includes('login')) return null
  const i = space.attributes.findIndex(({ key }) => key === 'action')
  const out = space.full.slice()
  if (i >= 0) {
    out.fill(0, space.offset[i], space.offset[i + 1])
    const c = spec.values.indexOf('login')
    out[space.offset[i]! + (c >>> 5)] = 1 << (c & 31)
  }
  return out
}

/** The classes that could stand in place of the found ones with everything else as it is: nothing that matters tells them apart there. */
function grown({ space, side }: Room, dims: readonly number[], within: Region, found: Region): Region {
  const point = found.slice()
  space.attributes.forEach((_, i) => {
    const [c] = classesIn(space, found, i) as [number]
    point.fill(0, space.offset[i], space.offset[i + 1])
    point[space.offset[i]! + (c >>> 5)] = 1 << (c & 31)
  })
  const words = Math.max(1, Math.ceil(space.areas.length / 32))
  const relevant = space.impossible.slice()
  for (const areas of side.rules.values()) for (const { id } of areas) setBit(relevant, id)
  const met = (region: Region): string => {
    const near = touching(space, region)
    return Array.from({ length: words }, (_, w) => near[w]! & relevant[w]!).join()
  }
  const here = met(point)
  for (const i of dims)
    for (const c of classesIn(space, within, i)) {
      const more = point.slice()
      more.fill(0, space.offset[i], space.offset[i + 1])
      more[space.offset[i]! + (c >>> 5)] = 1 << (c & 31)
      // Tested together with what has grown so far, so that no area is met by two changes that neither makes alone.
      if (met(more) === here) point[space.offset[i]! + (c >>> 5)]! |= 1 << (c & 31)
    }
  return point
}

/** What is left of a box of devices when a smaller one is cut out, as boxes that do not overlap. */
function without(space: Space, dims: readonly number[], region: Region, cut: Region): Region[] {
  const out: Region[] = []
  let rest = region
  for (const i of dims) {
    const beside = rest.slice()
    const inside = rest.slice()
    let some = 0
    for (let w = space.offset[i]!; w < space.offset[i + 1]!; w++) {
      some |= beside[w]! &= ~cut[w]!
      inside[w]! &= cut[w]!
    }
    if (some !== 0) out.push(beside)
    rest = inside
  }
  return out
}

/** Whether devices with these facts are in the region; a fact that is missing or unreadable may be anything. */
function holds(space: Space, dims: readonly number[], region: Region, facts: Readonly<Record<string, JsonValue>>): boolean {
  const f = encodeFacts(space.schema, { ...mandatory(space.schema), ...facts }, false)
  return dims.every((i) => {
    const a = space.attributes[i]!
    const value = f.values[a.slot]!
    return isUnsure(value) || classesIn(space, region, i).includes(classOf(a, value))
  })
}

function mandatory(schema: Schema): Record<string, JsonValue> {
  const out: Record<string, JsonValue> = {}
  for (const [name, spec] of Object.entries(schema.spec.facts))
    if (spec.mandatory && spec.type === 'enum') out[name] = spec.values[0]!
  return out
}
