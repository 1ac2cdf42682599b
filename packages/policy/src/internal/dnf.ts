/** Monotone DNFs over names: sorted sets, none containing another. */
import type { Edge, FallbackCause } from '../document.js'

export type Alternatives = readonly (readonly string[])[]

/** An edge with one target and one cause. */
export interface Triple extends Edge {
  readonly to: readonly [string]
  readonly on: readonly [FallbackCause]
}

const maxAlternatives = 64

/** Sorted, without duplicates and supersets, at most 64: the same set of sets however it was written. */
export function minimal(sets: Alternatives): Alternatives {
  const sorted = sets.map((set) => [...new Set(set)].sort()).sort((a, b) => a.length - b.length || compare(a, b))
  const out: (readonly string[])[] = []
  for (const set of sorted) if (!out.some((kept) => kept.every((kind) => set.includes(kind)))) out.push(set)
  return out.slice(0, maxAlternatives)
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

function compare(a: readonly string[], b: readonly string[]): number {
  const [x, y] = [a.join('+'), b.join('+')]
  return x < y ? -1 : x > y ? 1 : 0
}
