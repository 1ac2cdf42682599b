/** The step-up algebra for searches, which ask it the same again and again: equal demands are one object, so that comparing them is `===`. */
import type { AcrLevels } from '../document.js'
import { merge, type Obligation, type Requirement, resolve } from '../obligations.js'
import type { Session } from './possibleSessions.js'

/** Merges and resolutions, each made once. */
export interface Algebra {
  merge(a: Requirement, b: Requirement): Requirement
  resolve(r: Requirement, session: Session, levels: AcrLevels): 'satisfied' | Obligation | null
  /** Whether the first demands all that the second does. */
  covers(a: Requirement, b: Requirement): boolean
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
