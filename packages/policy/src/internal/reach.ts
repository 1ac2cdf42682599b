/**
 * What a policy can answer in a region: which demands can be due together, and whether anything there can be allowed.
 * Facts of the session that no rule speaks of are given: an *ideal* session has proved everything, a *fresh* one nothing, and either can use
 * every authenticator that the policy names. Those that rules do speak of are enumerated, class by class.
 */
import type { JsonValue } from '@postern/core/json'
import type { AcrLevels, PolicyDocument, Rule } from '../document.js'
import { type AuthenticatorFacts, merge, neutral, type Obligation, type Requirement, resolve } from '../obligations.js'
import type { Schema } from '../schema.js'
import { MEMBER, sample } from './attributes.js'
import { hasBit } from './bits.js'
import { type Area, classesIn, meet, pinned, type Region, type Space, spaceOf, touching, within } from './boxes.js'
import { type FlatBox, isMember, ofInteger, type ValueSet } from './conditions.js'
import { bitsOf } from './rules.js'
import { kindsOf } from './session.js'
import { type Bit, masked, without } from './tables.js'
import { type Budget, find } from './witness.js'

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

export interface Session {
  readonly pins: readonly (readonly [attribute: number, cls: number])[]
  readonly have: AuthenticatorFacts
  /** As a request tells it. */
  readonly facts: Readonly<Record<string, JsonValue>>
}

/** Merges and resolutions, each made once. */
export interface Algebra {
  merge(a: Requirement, b: Requirement): Requirement
  resolve(r: Requirement, session: Session, levels: AcrLevels): 'satisfied' | Obligation | null
  /** Whether the first demands all that the second does. */
  covers(a: Requirement, b: Requirement): boolean
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

export function newAlgebra(): Algebra {
  const known = new Map<string, Requirement>()
  const merged = new Map<Requirement, Map<Requirement, Requirement>>()
  const resolved = new Map<Requirement, Map<Session, Map<AcrLevels, 'satisfied' | Obligation | null>>>()
  const of = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
    if (!map.has(key)) map.set(key, make())
    return map.get(key)!
  }
  const mergeOnce = (a: Requirement, b: Requirement): Requirement =>
    of(
      of(merged, a, () => new Map<Requirement, Requirement>()),
      b,
      () => {
        const both = merge(a, b)
        return of(known, JSON.stringify(both), () => both)
      },
    )
  return {
    merge: mergeOnce,
    covers: (a, b) => mergeOnce(a, b) === mergeOnce(a, a),
    resolve: (r, session, levels) =>
      of(
        of(
          of(resolved, r, () => new Map()),
          session,
          () => new Map(),
        ),
        levels,
        () => resolve(r, session.have, levels),
      ),
  }
}

/** What sessions can be: one for each combination of the classes that rules tell apart. `undecided` above the budget. */
export function sessionsOf(
  space: Space,
  kinds: readonly string[],
  levels: readonly AcrLevels[],
  state: 'ideal' | 'fresh',
  steps: number,
): readonly Session[] | 'undecided' {
  const given = givenSession(space.schema, kinds, levels, state)
  const spoken = space.attributes.flatMap((a, i) => (sessionFacts.has(a.fact) ? [i] : []))
  let pins: (readonly (readonly [number, number])[])[] = [[]]
  for (const i of spoken) {
    pins = pins.flatMap((so) => classesIn(space, space.full, i).map((c) => [...so, [i, c] as const]))
    if (pins.length > steps) return 'undecided'
  }
  return pins.map((chosen) => {
    const facts: Record<string, JsonValue> = { ...given }
    for (const [i, c] of chosen) {
      const a = space.attributes[i]!
      if (c === a.classes) delete facts[a.fact]
      else if (a.kind !== MEMBER) facts[a.fact] = sample(a, space.schema, c)
      else {
        const others = ((facts[a.fact] ?? []) as readonly string[]).filter((member) => member !== a.member)
        facts[a.fact] = c === 1 ? [...others, a.member] : others
      }
    }
    return { pins: chosen, facts, have: haveOf(facts) }
  })
}

const sessionFacts: ReadonlySet<string> = new Set(
  ['methods', 'enrolled', 'usable', 'locked', 'acr', 'ageSec'].map((name) => `authenticator.${name}`),
)

function givenSession(
  schema: Schema,
  kinds: readonly string[],
  levels: readonly AcrLevels[],
  state: 'ideal' | 'fresh',
): Readonly<Record<string, JsonValue>> {
  const out: Record<string, JsonValue> = {}
  const ideal = state === 'ideal'
  const set = (name: string, members: readonly string[]): void => {
    const spec = schema.spec.facts[name]
    if (spec?.type === 'set') out[name] = members.filter((kind) => isMember(spec, kind))
  }
  set('authenticator.methods', ideal ? kinds : [])
  set('authenticator.enrolled', kinds)
  set('authenticator.usable', kinds)
  set('authenticator.locked', [])
  const highest = Math.max(0, ...levels.flatMap((table) => Object.values(table)))
  for (const [name, n] of [
    ['authenticator.acr', ideal ? highest : 0],
    ['authenticator.ageSec', ideal ? 0 : null],
  ] as const) {
    const spec = schema.spec.facts[name]
    if (spec?.type === 'int' && n !== null) out[name] = Math.min(Math.max(n, spec.min ?? n), spec.max ?? n)
  }
  return out
}

function haveOf(facts: Readonly<Record<string, JsonValue>>): AuthenticatorFacts {
  const set = (name: string): ReadonlySet<string> | null => {
    const found = facts[`authenticator.${name}`]
    return found === undefined ? null : new Set(found as readonly string[])
  }
  const int = (name: string): number | null => (facts[`authenticator.${name}`] as number | undefined) ?? null
  return {
    methods: set('methods'),
    enrolled: set('enrolled'),
    usable: set('usable'),
    locked: set('locked'),
    acr: int('acr'),
    ageSec: int('ageSec'),
  }
}

/** The region as one session sees it; `null` when they exclude each other. */
export function inSession(space: Space, region: Region, session: Session): Region | null {
  let out: Region = region
  for (const [i, c] of session.pins) {
    if (!classesIn(space, out, i).includes(c)) return null
    out = pinned(space, out, i, c)
  }
  return out
}

/** Visits every way demands can fall due together in a region: its part, what it is outside of, and the merged demand. Stops on `true`. */
export function patterns(
  space: Space,
  algebra: Algebra,
  groups: readonly Group[],
  at: { readonly region: Region; readonly outside: readonly Area[]; readonly due: Requirement },
  visit: (at: { readonly region: Region; readonly outside: readonly Area[]; readonly due: Requirement }) => boolean,
  i = 0,
): boolean {
  const group = groups[i]
  if (group === undefined) return visit(at)
  const on = (next: typeof at): boolean => patterns(space, algebra, groups, next, visit, i + 1)
  const due = algebra.merge(at.due, group.requirement)
  if (due === at.due) return on(at)
  const parts = group.areas.flatMap((area) => {
    const region = at.outside.includes(area) ? null : meet(space, at.region, area)
    return region ? [{ area, region }] : []
  })
  if (parts.length === 0) return on(at)
  if (parts.some(({ area }) => within(space, at.region, area))) return on({ ...at, due })
  if (on({ ...at, outside: [...at.outside, ...parts.map(({ area }) => area)] })) return true
  return parts.some(({ region }) => on({ ...at, region, due }))
}

export interface Reached {
  readonly region: Region
  readonly session: Session
}

/** A part of the region where something is allowed, in the session that it takes; `null`: nothing ever is. `due` may refuse a pattern. */
export function canAllow(
  space: Space,
  algebra: Algebra,
  side: Side,
  sessions: readonly Session[],
  region: Region,
  outside: readonly Area[],
  budget: Budget,
  accept: (due: Requirement) => boolean = () => true,
): Reached | null | 'undecided' {
  let result: Reached | null | 'undecided' = null
  const near = touching(space, region)
  const close = (areas: readonly Area[]): readonly Area[] => areas.filter(({ id }) => id < 0 || hasBit(near, id))
  const allow = close(side.allow)
  if (allow.length === 0) return null
  const barred = [...close(outside), ...close(side.deny)]
  const groups = side.groups.map(({ requirement, areas }) => ({ requirement, areas: close(areas) }))
  for (const session of sessions) {
    const within = inSession(space, region, session)
    if (within === null) continue
    const done = patterns(space, algebra, groups, { region: within, outside: barred, due: start }, (at) => {
      if (!accept(at.due) || algebra.resolve(at.due, session, side.levels) !== 'satisfied') return false
      for (const area of allow) {
        const part = meet(space, at.region, area)
        if (part === null) continue
        const found = find(space, part, at.outside, budget)
        if (found === 'undecided') result = 'undecided'
        else if (found !== null) {
          result = { region: found, session }
          return true
        }
      }
      return false
    })
    if (done) return result
  }
  return result
}

/** The neutral demand: every merge begins with it. */
export const start: Requirement = neutral
