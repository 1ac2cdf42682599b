/** The enforced rules of one or several policies in one space, by what they do. */
import type { AcrLevels, PolicyDocument, Rule } from '../document.js'
import type { Requirement } from '../obligations.js'
import type { Schema } from '../schema.js'
import { type Area, type Space, spaceOf } from './boxes.js'
import { type FlatBox, ofInteger, type ValueSet } from './conditions.js'
import { bitsOf } from './rules.js'
import { kindsOf } from './session.js'
import { type Bit, masked, without } from './tables.js'

/** Demands that are the same, and where they are made. */
export interface Group {
  readonly requirement: Requirement
  readonly areas: readonly Area[]
}

/** One policy's enforced rules in a space. */
export interface Side {
  readonly levels: AcrLevels
  readonly bits: readonly Bit[]
  readonly deny: readonly Area[]
  readonly groups: readonly Group[]
  readonly allow: readonly Area[]
  /** Where an allow rule would grant once the session is as good as it can be. */
  readonly unmasked: readonly Area[]
  /** The enforced rules with their areas, in the order of their bits. */
  readonly rules: ReadonlyMap<Rule, readonly Area[]>
}

export interface Policy {
  readonly schema: Schema
  readonly document: PolicyDocument
  readonly levels: AcrLevels
}

/** One space for the enforced rules of several policies and for further boxes, and each policy's side of it. */
export function sidesOf(
  policies: readonly Policy[],
  more: readonly FlatBox[],
): { readonly space: Space; readonly sides: readonly Side[]; readonly kinds: readonly string[] } {
  const [{ schema }] = policies as [Policy]
  const all = policies.map(({ document }) => bitsOf(schema, document).filter(({ rule }) => rule.mode === 'enforce'))
  const bits = all.flat()
  const keys = [...new Set(bits.flatMap(({ box }) => [...box.sets.keys()]))].filter((key) => masked.has(key.split('\0')[0]!))
  const unmasked = new Map(
    bits
      .filter(({ rule, box }) => rule.effect === 'allow' && keys.some((key) => box.sets.has(key)))
      .map(({ box }) => [box, without(box, keys)]),
  )
  const boxes = [...bits.map(({ box }) => box), ...unmasked.values(), ...more]
  const space = spaceOf(schema, boxes, cutsOf(bits, boxes))
  const areaOf = (box: FlatBox): Area => space.areaOf.get(box)!
  const sides = policies.map(({ levels }, n): Side => {
    const mine = all[n]!
    const of = (effect: string): readonly Bit[] => mine.filter(({ rule }) => rule.effect === effect)
    const groups = new Map<Requirement, Area[]>()
    for (const { requirement, box } of of('require')) groups.set(requirement, [...(groups.get(requirement) ?? []), areaOf(box)])
    const rules = new Map<Rule, Area[]>()
    for (const { rule, box } of mine) {
      const known = rules.get(rule)
      if (known) known.push(areaOf(box))
      else rules.set(rule, [areaOf(box)])
    }
    return {
      levels,
      bits: mine,
      deny: distinct(of('deny').map(({ box }) => areaOf(box))),
      groups: [...groups].map(([requirement, areas]) => ({ requirement, areas: distinct(areas) })),
      allow: distinct(of('allow').map(({ box }) => areaOf(box))),
      unmasked: distinct(of('allow').map(({ box }) => areaOf(unmasked.get(box) ?? box))),
      rules,
    }
  })
  const kinds = new Set(
    policies.flatMap(({ levels }, n) =>
      kindsOf(
        all[n]!.map(({ requirement }) => requirement),
        levels,
      ),
    ),
  )
  return { space, sides, kinds: [...kinds].sort() }
}

/** Demanded levels and ages cut the session's facts, where rules speak of these at all. */
function cutsOf(bits: readonly Bit[], boxes: readonly FlatBox[]): readonly Pick<FlatBox, 'sets'>[] {
  const spoken = new Set(boxes.flatMap(({ sets }) => [...sets.keys()]))
  const from = (key: string, points: readonly number[]): readonly Pick<FlatBox, 'sets'>[] => {
    const ranges = points.map((n) => [ofInteger(n), null] as const)
    return spoken.has(key) ? [{ sets: new Map<string, readonly ValueSet[]>([[key, [{ kind: 'ranges', ranges }]]]) }] : []
  }
  const demands = bits.map(({ requirement }) => requirement)
  return [
    ...from(
      'authenticator.acr',
      demands.map(({ acr }) => acr),
    ),
    ...from(
      'authenticator.ageSec',
      demands.filter(({ maxAgeSec }) => Number.isFinite(maxAgeSec)).map(({ maxAgeSec }) => maxAgeSec + 1),
    ),
  ]
}

function distinct(areas: readonly Area[]): readonly Area[] {
  return [...new Set(areas)]
}
