/** Monotone DNFs over names: sorted sets, none containing another. */
import type { AcrLevels, Edge, FallbackCause } from '../document.js'

export type Alternatives = readonly (readonly string[])[]

/** An edge with one target and one cause. */
export interface Triple extends Edge {
  readonly to: readonly [string]
  readonly on: readonly [FallbackCause]
}

const maxAlternatives = 64

/** Sorted, without duplicates and supersets, at most `most`, by default 64: the same set of sets however it was written. */
export function minimal(sets: Alternatives, most: number = maxAlternatives): Alternatives {
  const sorted = sets.map((set) => [...new Set(set)].sort()).sort((a, b) => a.length - b.length || compare(a, b))
  const out: (readonly string[])[] = []
  for (const set of sorted) if (!out.some((kept) => kept.every((kind) => set.includes(kind)))) out.push(set)
  return out.slice(0, most)
}

/** Conjunction: pairwise unions, minimised. */
export function both(a: Alternatives, b: Alternatives): Alternatives {
  return minimal(a.flatMap((x) => b.map((y) => [...x, ...y])))
}

/** Edges as sorted, distinct triples. */
export function triplesOf(edges: readonly Edge[]): readonly Triple[] {
  const out = new Map<string, Triple>()
  for (const { from, to, on } of edges)
    for (const target of to) for (const cause of on) out.set(`${from} ${target} ${cause}`, { from, to: [target], on: [cause] })
  return [...out.keys()].sort().map((key) => out.get(key)!)
}

/** The level that a set of authenticators reaches: the highest entry of the table whose members it contains, 0 without one. */
export function acrOf(set: readonly string[], levels: AcrLevels): number {
  let best = 0
  for (const [key, level] of Object.entries(levels))
    if (level > best && key.split('+').every((kind) => set.includes(kind))) best = level
  return best
}

/** Alternatives that reach the level, completed from the level table where they alone do not. */
export function reaching(anyOf: Alternatives, acr: number, levels: AcrLevels): Alternatives {
  const keys = Object.entries(levels).filter(([, level]) => level >= acr)
  return minimal(
    anyOf.flatMap((set) => (acrOf(set, levels) >= acr ? [set] : keys.map(([key]) => [...new Set([...set, ...key.split('+')])]))),
  )
}

/** What can be asked for: where nothing in particular is demanded but to show something again, anything in the level table. */
export function askable(sets: Alternatives, levels: AcrLevels): Alternatives {
  return sets.flatMap((set) => (set.length > 0 ? [set] : Object.keys(levels).map((key) => key.split('+'))))
}

/** The alternatives, and those that edges make of them; each member may fall back once, to something not in the set already. */
export function replaced(sets: Alternatives, edges: readonly Triple[], acr: number, levels: AcrLevels): Alternatives {
  const out: (readonly string[])[] = []
  for (const set of sets) {
    let options: (readonly string[])[] = [[]]
    for (const kind of set) {
      const targets = new Set([kind, ...edges.filter(({ from }) => from === kind).map(({ to }) => to[0])])
      options = options.flatMap((option) => [...targets].map((target) => [...option, target])).slice(0, 64)
    }
    out.push(...options.filter((option) => new Set(option).size === set.length && acrOf(option, levels) >= acr))
  }
  return minimal(out)
}

function compare(a: readonly string[], b: readonly string[]): number {
  const [x, y] = [a.join('+'), b.join('+')]
  return x < y ? -1 : 1
}
