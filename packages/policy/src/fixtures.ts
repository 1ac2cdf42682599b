/** A document's own examples, decided; and what they leave untested: rules that none matches, boundaries that none stands on both sides of. */
import { isPosternError } from '@postern/core/errors'
import type { Compiled } from './compile.js'
import type { Fixture, Reason } from './document.js'
import { type Cause, decide, type Outcome } from './evaluate.js'
import { explain } from './explain.js'
import { encode, type Facts } from './facts.js'
import { RANGES, sample } from './internal/attributes.js'
import { cutsOf } from './internal/cuts.js'
import { classOf, knownOf, type Slots } from './internal/slots.js'
import type { FactInput, SchemaSpec } from './schema.js'

export interface FixtureResult {
  readonly name: string
  readonly ok: boolean
  /** `null` where the example could not be asked: a fact that the schema does not have, or no action. */
  readonly got: Outcome | null
  readonly cause: Cause | null
  readonly reason: Reason | null
}
/** A value where rules begin to say something else, and whether examples stand right below and right at it. */
export interface Boundary {
  readonly fact: string
  /** The least value at or above the boundary. */
  readonly at: string | number
  readonly below: boolean
  readonly above: boolean
}
export interface FixtureReport {
  readonly ok: boolean
  readonly results: readonly FixtureResult[]
  /** Rules in force or in shadow that no example matches. */
  readonly unmatched: readonly string[]
  readonly boundaries: readonly Boundary[]
}

/** Decides the examples of a policy's document, or others. Total: an example that cannot be asked has failed. */
export function runFixtures<S extends SchemaSpec>(
  p: Compiled<S>,
  fixtures: readonly Fixture[] = p.document.fixtures,
): FixtureReport {
  const asked: Facts<S>[] = []
  const results = fixtures.map(({ name, facts: sent, expect }): FixtureResult => {
    const facts = encodedOrNull(p, sent as FactInput<S>)
    if (facts === null) return { name, ok: false, got: null, cause: null, reason: null }
    asked.push(facts)
    const { outcome, cause, reason } = decide(p, facts)
    const ok =
      outcome === expect.outcome &&
      (expect.cause === undefined || cause === expect.cause) &&
      (expect.reason === undefined || reason === expect.reason)
    return { name, ok, got: outcome, cause, reason }
  })
  return { ok: results.every(({ ok }) => ok), results, unmatched: unmatched(p, asked), boundaries: boundaries(p, asked) }
}

function encodedOrNull<S extends SchemaSpec>(p: Compiled<S>, sent: FactInput<S>): Facts<S> | null {
  try {
    return encode(p.schema, sent)
  } catch (error) {
    if (isPosternError(error, 'policy.fact_unknown', 'policy.action_missing')) return null
    throw error
  }
}

function unmatched<S extends SchemaSpec>(p: Compiled<S>, asked: readonly Facts<S>[]): readonly string[] {
  const left = new Set(p.document.rules.filter(({ mode }) => mode !== 'off').map(({ id }) => id))
  for (const facts of asked)
    for (const { id, result } of explain(p, facts, { audience: 'operator' }).rules) if (result === 'matched') left.delete(id)
  return [...left]
}

function boundaries(p: Compiled, asked: readonly Facts[]): readonly Boundary[] {
  return [...cutsOf(p).values()].flat().flatMap((a) => {
    if (a.kind !== RANGES) return []
    const told = asked.map((f) => knownOf((f as Slots).values[a.slot]!)).filter((value) => value !== null)
    const stood = new Set(told.map((value) => classOf(a, value)))
    return a.cuts.map((_, i) => ({
      fact: a.fact,
      at: sample(a, p.schema, i + 1) as string | number,
      below: stood.has(i),
      above: stood.has(i + 1),
    }))
  })
}
