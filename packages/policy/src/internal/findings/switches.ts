/** Deny and require rules that an app can switch off by telling another value of a fact that nobody vouches for. */
import { bitsIn } from '../bits.js'
import { type Area, classesIn, meet, pinned, type Space } from '../boxes.js'
import { type FlatBox, factOf } from '../conditions.js'
import { request } from '../witness.js'
import { allowed, type Found, type Room } from './room.js'

export function switches(room: Room): readonly Found[] {
  const { side } = room
  const out: Found[] = []
  const seen = new Map<string, Found | null>()
  const twins = new Map<string, Twin>()
  side.bits.forEach(({ rule, box, requirement }) => {
    if (rule.effect === 'allow') return
    for (const fact of declaredIn(room, box)) {
      const key = `${rule.id}\0${fact}`
      if (seen.get(key)) continue
      const accept = rule.effect === 'deny' ? undefined : (due: typeof requirement) => !room.algebra.covers(due, requirement)
      if (!twins.has(fact)) twins.set(fact, twinOf(room.space, fact))
      const found = switched(room, twins.get(fact)!, room.space.areaOf.get(box)!, side.rules.get(rule)!, accept)
      if (found === null) continue
      const one: Found = {
        kind: 'declared-switch',
        severity: 'warning',
        at: room.at.get(rule.id)!,
        rules: [rule.id],
        about: fact,
        text: `An app that tells another ${fact} is not met by the rule ${rule.id}.`,
        ...(found === 'undecided' ? { undecided: true } : found),
      }
      if (found !== 'undecided') seen.set(key, one)
      out.push(one)
    }
  })
  return out
}

/** Declared facts that the box speaks of, or that decide whether something it speaks of exists. */
function declaredIn({ space }: Room, box: FlatBox): readonly string[] {
  const { facts } = space.schema.spec
  const spoken = [...new Set([...box.sets.keys()].map(factOf))]
  const scopes = spoken.flatMap((fact) => (facts[fact]!.scope ?? []).flatMap((scope) => Object.keys(scope)))
  return [...new Set([...spoken, ...scopes])].filter((fact) => (facts[fact]!.provenance ?? 'declared') === 'declared').sort()
}

type Pair = Pick<Found, 'witness' | 'counterpart'>

/**
 * The space of two requests at once that are told apart by one fact: what hangs on it is there twice, and everything else is shared. What
 * applies to both is the same in both.
 */
interface Twin {
  readonly fact: string
  readonly space: Space
  /** Attributes of the fact, and those that exist only for some of its values. */
  readonly told: readonly number[]
  /** What the other request cannot be, and that what applies to both is equal. */
  readonly outside: readonly Area[]
}

function twinOf(space: Space, fact: string): Twin {
  const { attributes, offset, full, areas, impossible } = space
  const { facts } = space.schema.spec
  const hangs = (a: string): boolean => (facts[a]!.scope ?? []).some((scope) => fact in scope)
  const told = attributes.flatMap((a, i) => (a.fact === fact || hangs(a.fact) ? [i] : []))
  const ends = [...offset]
  for (const i of told) ends.push(ends[ends.length - 1]! + offset[i + 1]! - offset[i]!)
  const twinFull = new Uint32Array(ends[ends.length - 1]!)
  twinFull.set(full)
  const other = new Map(told.map((i, n) => [i, attributes.length + n]))
  for (const [i, k] of other) twinFull.set(full.subarray(offset[i], offset[i + 1]), ends[k])
  const twin: Space = {
    ...space,
    attributes: [...attributes, ...told.map((i) => attributes[i]!)],
    offset: Int32Array.from(ends),
    full: twinFull,
  }
  const moved = bitsIn(impossible, impossible, null)
    .map((id) => areas[id]!)
    .filter(({ attrs }) => attrs.some((i) => other.has(i)))
    .map((area) => movedTo(twin, area, other))
  const equal = told
    .filter((i) => attributes[i]!.fact !== fact)
    .flatMap((i) =>
      Array.from({ length: attributes[i]!.classes }, (_, c) => {
        const [k, na] = [other.get(i)!, attributes[i]!.classes]
        const mask = pinned(twin, twin.full, i, c)
        for (const drop of [c, na]) mask[twin.offset[k]! + (drop >>> 5)]! &= ~(1 << (drop & 31))
        return { id: -1, attrs: [i, k], mask }
      }),
    )
  return { fact, space: twin, told, outside: [...moved, ...equal] }
}

/** The same area for the other request. */
function movedTo(twin: Space, area: Area, other: ReadonlyMap<number, number>): Area {
  const mask = twin.full.slice()
  const attrs = area.attrs.map((i) => {
    const k = other.get(i) ?? i
    mask.set(area.mask.subarray(twin.offset[i], twin.offset[i + 1]), twin.offset[k])
    return k
  })
  return { id: -1, attrs, mask }
}

/** A request in the area, and one that differs in the fact alone, is not met by the rule, and can be let through. */
function switched(
  room: Room,
  { fact, space, told, outside }: Twin,
  area: Area,
  mine: readonly Area[],
  accept: Parameters<typeof allowed>[3],
): Pair | null | 'undecided' {
  const count = room.space.attributes.length
  const start = meet(space, space.full, movedTo(space, area, new Map(told.map((i, n) => [i, count + n]))))
  const through = start && allowed({ ...room, space }, start, [...mine, ...outside], accept)
  if (through === null || through === 'undecided') return through
  // A point for both: what hangs on the fact takes its value from its own side, or the one value that both can have.
  const passes = through.region.slice(0, room.space.full.length)
  const caught = passes.slice()
  told.forEach((i, n) => {
    const a = room.space.attributes[i]!
    const here = classesIn(space, through.region, count + n)
    const both = a.fact === fact ? [] : classesIn(room.space, passes, i).filter((c) => c < a.classes && here.includes(c))
    for (const [region, c] of [
      [caught, both[0] ?? here[0]!],
      ...(both.length > 0 ? [[passes, both[0]!] as const] : []),
    ] as const) {
      const { offset } = room.space
      region.set(pinned(room.space, region, i, c).subarray(offset[i], offset[i + 1]), offset[i])
    }
  })
  const { facts } = through.session
  return { witness: { ...request(room.space, caught), ...facts }, counterpart: { ...request(room.space, passes), ...facts } }
}
