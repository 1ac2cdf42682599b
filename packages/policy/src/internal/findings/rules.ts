/** Findings about single rules, and about invariants. */
import { fromUtf8 } from '@postern/core/bytes'
import { canonicalJson } from '@postern/core/canonicalJson'
import type { JsonValue } from '@postern/core/json'
import type { Box, Condition, Rule } from '../../document.js'
import { type AuthenticatorFacts, resolve } from '../../obligations.js'
import { type Area, meet } from '../boxes.js'
import type { FlatBox } from '../conditions.js'
import { find, request } from '../witness.js'
import { allowed, type Found, type Room, rulesAt, shown } from './room.js'

type Answer = ReturnType<typeof find>

/** The union of areas minus others: a region in it, `null` when nothing is left. */
function rest(room: Room, areas: readonly Area[], outside: readonly Area[], used: Set<Area> | null = null): Answer {
  const { space, steps } = room
  let undecided = false
  for (const area of areas) {
    const region = meet(space, space.full, area)
    const found = region && find(space, region, outside, { left: steps }, used)
    if (found instanceof Uint32Array) return found
    if (found === 'undecided') undecided = true
  }
  return undecided ? 'undecided' : null
}

/** Of the areas that a refutation went by, those that it takes. */
function needed(room: Room, areas: readonly Area[], used: ReadonlySet<Area>): ReadonlySet<Area> {
  const out = new Set(used)
  if (out.size > maxShrunk) return out
  for (const area of used) {
    out.delete(area)
    if (rest(room, areas, [...out]) !== null) out.add(area)
  }
  return out
}

const maxShrunk = 16

export function unsatisfiable(room: Room): readonly Found[] {
  const { space, all } = room
  return all.flatMap(({ rule, at, boxes }): Found[] => {
    const found = rest(
      room,
      boxes.map((box) => space.areaOf.get(box)!),
      [],
    )
    if (found instanceof Uint32Array) return []
    const common = { kind: 'unsatisfiable', severity: 'error', at, rules: [rule.id] } as const
    if (found === 'undecided')
      return [{ ...common, undecided: true, text: `Whether a request can match the rule ${rule.id} took too many steps.` }]
    const clash = clashing(room, boxes[0]!)
    return [{ ...common, box: clash, text: `No request can match the rule ${rule.id}: its conditions exclude each other.` }]
  })
}

/** Conditions of an empty box that already exclude each other: each is needed for that. */
function clashing({ space, steps }: Room, box: FlatBox): Box {
  const { attributes, offset, full } = space
  let region = space.areaOf.get(box)!.mask
  const out: Record<string, Condition> = {}
  for (const [fact, conditions] of box.source) {
    const without = region.slice()
    attributes.forEach((a, i) => {
      if (a.fact === fact) without.set(full.subarray(offset[i], offset[i + 1]), offset[i])
    })
    const bare = attributes.some((_, i) => without.subarray(offset[i], offset[i + 1]).every((word) => word === 0))
    if (bare || find(space, without, [], { left: steps }) === null) region = without
    else out[fact] = conditions[0]!
  }
  return out
}

/** Allow and require rules that deny rules leave nothing of. */
export function overridden(room: Room): readonly Found[] {
  const { side, at } = room
  return [...side.rules].flatMap(([rule, areas]): Found[] => {
    if (rule.effect === 'deny') return []
    const used = new Set<Area>()
    const found = rest(room, areas, side.deny, used)
    if (found instanceof Uint32Array) return []
    const common = { kind: 'overridden', severity: 'warning', at: at.get(rule.id)! } as const
    if (found === 'undecided')
      return [
        {
          ...common,
          rules: [rule.id],
          undecided: true,
          text: `Whether the rule ${rule.id} is always denied took too many steps.`,
        },
      ]
    const match = rest(room, areas, [])
    if (!(match instanceof Uint32Array)) return []
    const by = rulesAt(room, needed(room, areas, used), 'deny')
    return [
      {
        ...common,
        rules: [rule.id, ...by],
        witness: request(room.space, match),
        text: `Whatever matches the rule ${rule.id} is denied by ${by.join(', ')}.`,
      },
    ]
  })
}

/** Rules that others of the same effect, at least as strict, repeat. One that attaches something says more than its effect. */
export function redundant(room: Room): readonly Found[] {
  const { side, at, algebra } = room
  const demand = new Map(side.bits.map(({ rule, requirement }) => [rule, requirement]))
  const byEffect = {
    allow: [] as [Rule, readonly Area[]][],
    deny: [] as [Rule, readonly Area[]][],
    require: [] as [Rule, readonly Area[]][],
  }
  for (const entry of side.rules) byEffect[entry[0].effect].push([...entry])
  return [...side.rules].flatMap(([rule, areas]): Found[] => {
    if (rule.attach && rule.attach.length > 0) return []
    const others = byEffect[rule.effect]
      .filter(([other]) => other !== rule && (rule.effect !== 'require' || algebra.covers(demand.get(other)!, demand.get(rule)!)))
      .flatMap(([, mine]) => mine)
    const used = new Set<Area>()
    const found = rest(room, areas, others, used)
    if (found instanceof Uint32Array) return []
    const common = { kind: 'redundant', severity: 'warning', at: at.get(rule.id)! } as const
    if (found === 'undecided')
      return [
        { ...common, rules: [rule.id], undecided: true, text: `Whether other rules repeat ${rule.id} took too many steps.` },
      ]
    const match = rest(room, areas, [])
    if (!(match instanceof Uint32Array)) return []
    const by = rulesAt(room, needed(room, areas, used), rule.effect).filter((id) => id !== rule.id)
    return [
      {
        ...common,
        rules: [rule.id, ...by],
        witness: request(room.space, match),
        text: `Whatever matches the rule ${rule.id} matches ${by.join(', ')} as well.`,
      },
    ]
  })
}

/**
 * Demands that no set of authenticators meets, where they can fall due, and equal boxes of opposite effect. Single demands suffice: whoever has
 * every authenticator meets any conjunction of alternatives, so that only a level above the table, or an unknown authenticator, is out of reach.
 */
export function conflicts(room: Room): readonly Found[] {
  const { side, at, kinds, policy, space } = room
  const out: Found[] = []
  const all: AuthenticatorFacts = {
    methods: new Set(),
    enrolled: new Set(kinds),
    usable: new Set(kinds),
    locked: new Set(),
    acr: 0,
    ageSec: null,
  }
  const demand = new Map(side.bits.map(({ rule, requirement }) => [rule, requirement]))
  for (const [rule, areas] of side.rules) {
    const common = { kind: 'conflict', at: at.get(rule.id)! } as const
    if (rule.effect === 'require' && resolve(demand.get(rule)!, all, policy.levels) === null) {
      const found = rest(room, areas, side.deny)
      if (found === null) continue
      out.push({
        ...common,
        severity: 'warning',
        rules: [rule.id],
        about: 'demand',
        text: `No authenticators of the level table can meet what the rule ${rule.id} demands.`,
        ...(found === 'undecided' ? { undecided: true } : { witness: request(space, found) }),
      })
    }
    if (rule.effect !== 'allow' || rest(room, areas, side.deny) !== null) continue
    for (const [other, theirs] of side.rules) {
      if (other.effect !== 'deny' || rest(room, areas, theirs) !== null || rest(room, theirs, areas) !== null) continue
      const match = rest(room, areas, [])
      if (!(match instanceof Uint32Array)) continue
      out.push({
        ...common,
        severity: 'warning',
        rules: [rule.id, other.id],
        about: 'equal',
        witness: request(space, match),
        text: `The rules ${rule.id} and ${other.id} match the same requests and say the opposite.`,
      })
    }
  }
  return out
}

/** Requests that must never be allowed and are. */
export function invariants(room: Room): readonly Found[] {
  const { space, wheres, policy } = room
  return wheres.flatMap((boxes, i): Found[] => {
    // By what it says and not by where it stands: a waiver must not pass to another that takes its place.
    const about = fromUtf8(canonicalJson(policy.document.invariants[i]!.when as JsonValue))!
    const common = { kind: 'invariant', severity: 'error', at: `/invariants/${i}`, rules: [], about } as const
    let undecided = false
    for (const box of boxes) {
      const region = meet(space, space.full, space.areaOf.get(box)!)
      const found = region && allowed(room, region)
      if (found === 'undecided') undecided = true
      else if (found) return [{ ...common, witness: shown(room, found), text: 'A request inside the invariant can be allowed.' }]
    }
    return undecided
      ? [
          {
            ...common,
            undecided,
            text: 'Whether a request inside the invariant can be allowed took too many steps.',
          },
        ]
      : []
  })
}
