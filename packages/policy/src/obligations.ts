/**
 * The algebra of step-up. A requirement is (acr, maximum age, alternatives, fallback edges); merging two demands both. Alternatives are a
 * monotone DNF over authenticators; fallback edges widen them, but never below the level demanded.
 */
import type { AcrLevels, Edge, FallbackCause, RequireSpec } from './document.js'
import { type Alternatives, acrOf, askable, both, minimal, reaching, replaced, type Triple, triplesOf } from './internal/dnf.js'

export { acrOf } from './internal/dnf.js'

/** What one or several require rules demand. Neutral: `(0, ∞, {∅}, 'all')`. */
export interface Requirement {
  readonly acr: number
  /** Seconds; `Infinity` = any age. */
  readonly maxAgeSec: number
  /** Monotone DNF: any of these sets of authenticators, each sorted, none containing another. */
  readonly anyOf: Alternatives
  /** Sorted, one target and cause each; `'all'` only in the neutral element. */
  readonly fallback: 'all' | readonly Edge[]
}

/** What is left to do: each alternative is usable now and reaches `acr`; edges are those that keep it. */
export interface Obligation {
  readonly acr: number
  /** Seconds; `Infinity` = any age. */
  readonly maxAgeSec: number
  readonly anyOf: Alternatives
  readonly fallback: readonly Edge[]
}

/** The authenticator facts of a request; `null` = missing. */
export interface AuthenticatorFacts {
  readonly methods: ReadonlySet<string> | null
  readonly enrolled: ReadonlySet<string> | null
  readonly usable: ReadonlySet<string> | null
  readonly locked: ReadonlySet<string> | null
  readonly acr: number | null
  readonly ageSec: number | null
}

/** Demands nothing, permits every edge. */
export const neutral: Requirement = { acr: 0, maxAgeSec: Number.POSITIVE_INFINITY, anyOf: [[]], fallback: 'all' }

/** The requirement of one rule; `edges` are the document's. */
export function requirementOf(spec: RequireSpec, edges: readonly Edge[]): Requirement {
  const { acr = 0, maxAgeSec = Number.POSITIVE_INFINITY, anyOf = [[]], fallback = 'all' } = spec
  const allowed = fallback === 'all' ? edges : fallback === 'none' ? [] : fallback
  return { acr, maxAgeSec, anyOf: minimal(anyOf), fallback: triplesOf(allowed) }
}

/** Both demands at once: commutative, associative, idempotent. At most 64 alternatives are kept; fewer alternatives is stricter. */
export function merge(a: Requirement, b: Requirement): Requirement {
  return {
    acr: Math.max(a.acr, b.acr),
    maxAgeSec: Math.min(a.maxAgeSec, b.maxAgeSec),
    anyOf: both(a.anyOf, b.anyOf),
    fallback:
      a.fallback === 'all'
        ? b.fallback
        : b.fallback === 'all'
          ? a.fallback
          : intersect(triplesOf(a.fallback), triplesOf(b.fallback)),
  }
}

/**
 * `satisfied` by the known facts, the obligation that would satisfy it, or `null`: not achievable.
 * An unknown fact never helps: absent `methods` satisfy nothing, absent `usable` achieves nothing, an edge needs its cause known.
 */
export function resolve(r: Requirement, have: AuthenticatorFacts, levels: AcrLevels): 'satisfied' | Obligation | null {
  const edges = r.fallback === 'all' ? [] : triplesOf(r.fallback)
  const primary = reaching(r.anyOf, r.acr, levels)
  // Edges whose cause the server knows replace; edges whose cause a client names are, for security, alternatives of their own.
  const certain = replaced(
    primary,
    edges.filter((edge) => serverKnows(edge, have)),
    r.acr,
    levels,
  )
  const widened = replaced(
    primary,
    edges.filter((edge) => serverKnows(edge, have) || clientMay(edge, have)),
    r.acr,
    levels,
  )
  const fresh =
    r.acr <= levelOf(have, levels) &&
    (r.maxAgeSec === Number.POSITIVE_INFINITY || (have.ageSec !== null && have.ageSec <= r.maxAgeSec))
  const done = (set: readonly string[]): boolean => set.every((kind) => have.methods?.has(kind))
  if (fresh && widened.some(done)) return 'satisfied'
  const usable = (set: readonly string[]): boolean => set.every((kind) => have.usable?.has(kind))
  const now = askable(certain, levels).filter(usable)
  const anyOf = minimal(now.length > 0 ? now : askable(widened, levels).filter(usable))
  if (anyOf.length === 0) return null
  return {
    acr: r.acr,
    maxAgeSec: r.maxAgeSec,
    anyOf,
    fallback: grouped(edges.filter((edge) => keeps(edge, anyOf, r.acr, have, levels))),
  }
}

/** The authenticators that may stand in for `from` on this cause, usable now; never below the demanded `acr`. */
export function fallbackFor(o: Obligation, from: string, on: FallbackCause, have: AuthenticatorFacts): readonly string[] {
  const held = triplesOf(o.fallback).filter((edge) => edge.from === from && edge.on[0] === on)
  const applies = held.filter((edge) => (isServerCause(on) ? serverKnows(edge, have) : clientMay(edge, have)))
  return [...new Set(applies.map((edge) => edge.to[0]).filter((to) => have.usable?.has(to)))]
}

function isServerCause(cause: FallbackCause): boolean {
  return cause === 'not-enrolled' || cause === 'locked'
}

function serverKnows({ from, on: [cause] }: Triple, have: AuthenticatorFacts): boolean {
  if (cause === 'locked') return have.locked?.has(from) === true
  return cause === 'not-enrolled' && have.enrolled !== null && !have.enrolled.has(from)
}

/** A lock must not be walked around: where `from` is locked, or nobody knows, only an edge on `locked` applies. */
function clientMay({ from, on: [cause] }: Triple, have: AuthenticatorFacts): boolean {
  return !isServerCause(cause) && have.locked !== null && !have.locked.has(from)
}

/** Whether an edge may be offered: its target is usable, and in every alternative with `from` the level stays. */
function keeps(edge: Triple, anyOf: Alternatives, acr: number, have: AuthenticatorFacts, levels: AcrLevels): boolean {
  const { from } = edge
  const [to] = edge.to
  const affected = anyOf.filter((set) => set.includes(from))
  if (affected.length === 0 || !have.usable?.has(to)) return false
  return affected.every((set) => !set.includes(to) && acrOf([...set.filter((kind) => kind !== from), to], levels) >= acr)
}

/** A session's level, which counts no further than the table reaches: a table that was cut cuts sessions too. */
function levelOf({ acr }: AuthenticatorFacts, levels: AcrLevels): number {
  return Math.min(Math.max(acr ?? 0, 0), Math.max(0, ...Object.values(levels)))
}

function intersect(a: readonly Triple[], b: readonly Triple[]): readonly Triple[] {
  const key = ({ from, to, on }: Triple): string => `${from} ${to[0]} ${on[0]}`
  const known = new Set(b.map(key))
  return a.filter((edge) => known.has(key(edge)))
}

/** One edge a pair, with all its causes. */
function grouped(edges: readonly Triple[]): readonly Edge[] {
  const pairs = new Map<string, Edge>()
  for (const { from, to, on } of edges) {
    const key = `${from} ${to[0]}`
    pairs.set(key, { from, to, on: [...(pairs.get(key)?.on ?? []), on[0]] })
  }
  return [...pairs.values()]
}
