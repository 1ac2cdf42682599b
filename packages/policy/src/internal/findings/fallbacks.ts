/** Fallback edges that do nothing or too much, and demands with too many alternatives. */
import type { Edge, Rule } from '../../document.js'
import type { Requirement } from '../../obligations.js'
import { meet, type Region } from '../boxes.js'
import { type Alternatives, acrOf, minimal, reaching, replaced, triplesOf } from '../dnf.js'
import { find } from '../witness.js'
import type { Found, Room } from './room.js'

const byServer: ReadonlySet<string> = new Set(['not-enrolled', 'locked'])
const maxAlternatives = 64

export function fallbacks(room: Room): readonly Found[] {
  const { side } = room
  const demands = [...new Map(side.bits.map(({ rule, requirement }) => [rule, requirement]))].filter(
    ([{ effect }]) => effect === 'require',
  )
  return [...useless(room, demands), ...weakening(room, demands), ...tooMany(room, demands)]
}

type Demands = readonly (readonly [Rule, Requirement])[]

/** Edges of the document whose target falls short of the level of every rule that permits them. */
function useless({ policy }: Room, demands: Demands): readonly Found[] {
  const { levels, document } = policy
  return document.fallback.flatMap((edge, i): Found[] =>
    triplesOf([edge]).flatMap((one): Found[] => {
      // Only rules whose alternatives it could touch: where nobody asks for `from`, no level is to blame.
      const permitting = demands.flatMap(([rule, r]) => {
        const permits = r.fallback !== 'all' && triplesOf(r.fallback).some((other) => same(other, one))
        const sets = permits ? reaching(r.anyOf, r.acr, levels).filter((set) => set.includes(one.from)) : []
        return sets.length > 0 ? [{ id: rule.id, acr: r.acr, sets }] : []
      })
      if (permitting.length === 0) return []
      const short = permitting.every(({ acr, sets }) =>
        sets.every((set) => acrOf([...set.filter((kind) => kind !== one.from), one.to[0]], levels) < acr),
      )
      if (!short) return []
      return [
        {
          kind: 'fallback',
          severity: 'warning',
          at: `/fallback/${i}`,
          rules: permitting.map(({ id }) => id).sort(),
          about: `useless ${nameOf(one)}`,
          text: `The fallback from ${one.from} to ${one.to[0]} on ${one.on[0]} never reaches the level that is demanded.`,
        },
      ]
    }),
  )
}

/** Edges on a cause that only the client names, where they add to what a rule lists: in effect one more alternative. */
function weakening({ policy, at }: Room, demands: Demands): readonly Found[] {
  const { levels } = policy
  return demands.flatMap(([rule, r]): Found[] => {
    if (r.fallback === 'all') return []
    const own = reaching(r.anyOf, r.acr, levels)
    return triplesOf(r.fallback)
      .filter((one) => !byServer.has(one.on[0]) && !sameSets(replaced(own, [one], r.acr, levels), own))
      .map((one) => ({
        kind: 'fallback',
        severity: 'warning',
        at: at.get(rule.id)!,
        rules: [rule.id],
        about: `weakening ${nameOf(one)}`,
        text: `${one.on[0]} is what the client says: the fallback from ${one.from} to ${one.to[0]} is one more alternative of the rule ${rule.id}.`,
      }))
  })
}

/** Demands that can fall due together and then have more alternatives than are kept, so that some would be dropped. */
function tooMany(room: Room, demands: Demands): readonly Found[] {
  const { side, space, at, steps } = room
  const several = [
    ...new Map(demands.filter(([, r]) => r.anyOf.length > 1).map((one) => [JSON.stringify(one[1].anyOf), one[1].anyOf])).values(),
  ]
  if (several.reduce((product, anyOf) => product * anyOf.length, 1) <= maxAlternatives) return []
  const groups = several.map((anyOf) => ({
    anyOf,
    rules: demands.filter(([, r]) => JSON.stringify(r.anyOf) === JSON.stringify(anyOf)).map(([rule]) => rule),
  }))
  const budget = { left: steps }
  let undecided = false
  const grow = (region: Region, anyOf: Alternatives, chosen: readonly string[], from: number): readonly string[] | null => {
    if (anyOf.length > maxAlternatives) return chosen
    for (let i = from; i < groups.length; i++)
      for (const rule of groups[i]!.rules)
        for (const area of side.rules.get(rule)!) {
          const part = meet(space, region, area)
          const found = part && find(space, part, side.deny, budget)
          if (found === 'undecided') undecided = true
          if (part === null || found === null || found === 'undecided') continue
          const union = anyOf.flatMap((x) => groups[i]!.anyOf.map((y) => [...x, ...y]))
          const deeper = grow(part, minimal(union, Number.POSITIVE_INFINITY), [...chosen, rule.id], i + 1)
          if (deeper) return deeper
        }
    return null
  }
  const rules = grow(space.full, [[]], [], 0)
  if (rules === null && !undecided) return []
  const text = `Demands that fall due together have more than ${maxAlternatives} alternatives; list fewer.`
  const common = { kind: 'alternatives', severity: 'error', text } as const
  if (rules === null) return [{ ...common, at: '/rules', rules: [], undecided }]
  return [{ ...common, at: at.get(rules[0]!)!, rules: [...rules].sort() }]
}

function same(a: Edge, b: Edge): boolean {
  return nameOf(a) === nameOf(b)
}

function nameOf({ from, to, on }: Edge): string {
  return `${from} ${to[0]} ${on[0]}`
}

function sameSets(a: readonly (readonly string[])[], b: readonly (readonly string[])[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
