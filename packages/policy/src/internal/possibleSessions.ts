/**
 * The sessions that could stand behind a request. Their facts that no rule speaks of are given: an *ideal* session has proved everything, a *fresh*
 * one nothing, and either can use every authenticator that the policy names. Those that rules do speak of are enumerated, class by class.
 */
import type { JsonValue } from '@postern/core/json'
import type { AcrLevels } from '../document.js'
import type { AuthenticatorFacts } from '../obligations.js'
import type { Schema } from '../schema.js'
import { MEMBER, sample } from './attributes.js'
import { classesIn, pinned, type Region, type Space } from './boxes.js'
import { isMember } from './conditions.js'

export interface Session {
  readonly pins: readonly (readonly [attribute: number, cls: number])[]
  readonly have: AuthenticatorFacts
  /** As a request tells it. */
  readonly facts: Readonly<Record<string, JsonValue>>
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
