/** What a policy can answer in a region: which demands can be due together, and whether anything there can be allowed. */
import { neutral, type Requirement } from '../obligations.js'
import type { Algebra } from './algebra.js'
import { hasBit } from './bits.js'
import { type Area, meet, type Region, type Space, touching, within } from './boxes.js'
import { inSession, type Session } from './possibleSessions.js'
import type { Group, Side } from './sides.js'
import { type Budget, find } from './witness.js'

/** A part of a region, what it is outside of, and the demand that is due there. */
export interface Pattern {
  readonly region: Region
  readonly outside: readonly Area[]
  readonly due: Requirement
}

/**
 * Visits every way demands can fall due together in a region; stops on `true`. There are as many as there are sets of demands, so that each step
 * towards one counts.
 */
export function patterns(
  space: Space,
  algebra: Algebra,
  groups: readonly Group[],
  at: Pattern,
  visit: (at: Pattern) => boolean,
  budget: Budget,
  i = 0,
): boolean | 'undecided' {
  if (budget.left-- <= 0) return 'undecided'
  const group = groups[i]
  if (group === undefined) return visit(at)
  const on = (next: Pattern): boolean | 'undecided' => patterns(space, algebra, groups, next, visit, budget, i + 1)
  const due = algebra.merge(at.due, group.requirement)
  if (due === at.due) return on(at)
  const parts = group.areas.flatMap((area) => {
    const region = at.outside.includes(area) ? null : meet(space, at.region, area)
    return region ? [{ area, region }] : []
  })
  if (parts.length === 0) return on(at)
  if (parts.some(({ area }) => within(space, at.region, area))) return on({ ...at, due })
  const ways = [
    { ...at, outside: [...at.outside, ...parts.map(({ area }) => area)] },
    ...parts.map(({ region }) => ({ ...at, region, due })),
  ]
  for (const way of ways) {
    const done = on(way)
    if (done !== false) return done
  }
  return false
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
    const granted = (at: Pattern): boolean => {
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
    }
    const done = patterns(space, algebra, groups, { region: within, outside: barred, due: start }, granted, budget)
    if (done !== false) return done === true ? result : done
  }
  return result
}

/** The neutral demand: every merge begins with it. */
export const start: Requirement = neutral
