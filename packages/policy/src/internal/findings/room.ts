/** What all findings share: the space of a policy, its enforced rules, and the sessions that could stand behind a request. */
import type { Finding } from '../../analyse.js'
import type { Compiled } from '../../compile.js'
import type { Rule } from '../../document.js'
import type { Requirement } from '../../obligations.js'
import { type Algebra, newAlgebra } from '../algebra.js'
import type { Area, Region, Space } from '../boxes.js'
import { type FlatBox, factOf, flatten } from '../conditions.js'
import { type Session, sessionsOf } from '../possibleSessions.js'
import { canAllow, type Reached } from '../reach.js'
import { boxesOf } from '../rules.js'
import { type Side, sidesOf } from '../sides.js'
import { type Request, request } from '../witness.js'

export interface Room {
  readonly policy: Compiled
  readonly space: Space
  readonly side: Side
  readonly algebra: Algebra
  readonly ideal: readonly Session[] | 'undecided'
  readonly kinds: readonly string[]
  readonly steps: number
  /** Every rule of the document, also those not in force. */
  readonly all: readonly { readonly rule: Rule; readonly at: string; readonly boxes: readonly FlatBox[] }[]
  readonly wheres: readonly (readonly FlatBox[])[]
  /** Pointers, by rule id. */
  readonly at: ReadonlyMap<string, string>
  /** Ids of rules that speak of derived facts. */
  readonly derived: ReadonlySet<string>
}

export type Found = Pick<Finding, 'kind' | 'severity' | 'at' | 'text' | 'rules'> &
  Partial<Pick<Finding, 'undecided' | 'witness' | 'counterpart' | 'box' | 'devices' | 'derived'>> & {
    /** What else tells this finding from others. */
    readonly about?: string
  }

export function roomOf(policy: Compiled, steps: number): Room {
  const { schema, document } = policy
  const wheres = document.invariants.map(({ when }, i) => flatten(schema, [{ box: when, at: `/invariants/${i}/when` }]))
  const idle = new Map(
    document.rules.flatMap((rule, i) => (rule.mode === 'enforce' ? [] : [[rule, boxesOf(schema, rule, `/rules/${i}`)] as const])),
  )
  const { space, sides, kinds } = sidesOf([policy], [...[...idle.values()].flat(), ...wheres.flat()])
  const enforced = new Map<Rule, FlatBox[]>()
  for (const { rule, box } of sides[0]!.bits) enforced.set(rule, [...(enforced.get(rule) ?? []), box])
  const all = document.rules.map((rule, i) => ({ rule, at: `/rules/${i}`, boxes: enforced.get(rule) ?? idle.get(rule)! }))
  const speaks = (boxes: readonly FlatBox[]): boolean =>
    boxes.some(({ sets }) => [...sets.keys()].some((key) => schema.spec.facts[factOf(key)]!.derive !== undefined))
  return {
    policy,
    space,
    side: sides[0]!,
    algebra: newAlgebra(),
    ideal: sessionsOf(space, kinds, [policy.levels], 'ideal', steps),
    kinds,
    steps,
    all,
    wheres,
    at: new Map(all.map(({ rule, at }) => [rule.id, at])),
    derived: new Set(all.filter(({ boxes }) => speaks(boxes)).map(({ rule }) => rule.id)),
  }
}

/** Whether anything in the region can be allowed, by whatever session. */
export function allowed(
  { space, algebra, side, ideal, steps }: Room,
  region: Region,
  outside: readonly Area[] = [],
  accept?: (due: Requirement) => boolean,
): Reached | null | 'undecided' {
  if (ideal === 'undecided') return 'undecided'
  return canAllow(space, algebra, side, ideal, region, outside, { left: steps }, accept)
}

/** The request of a region in its session. */
export function shown({ space }: Room, { region, session }: Reached): Request {
  return { ...request(space, region), ...session.facts }
}

/** Rules of these areas, as far as they have one of the effects. */
export function rulesAt({ side }: Room, areas: ReadonlySet<Area>, effect: Rule['effect']): readonly string[] {
  return [...side.rules]
    .filter(([rule, mine]) => rule.effect === effect && mine.some((area) => areas.has(area)))
    .map(([{ id }]) => id)
    .sort()
}
