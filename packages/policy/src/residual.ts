/**
 * Partial evaluation: what is left of a policy once some facts are known. Smaller, decides the same once the rest is known, in whatever order
 * facts become known; small enough to preview on a phone what the server will decide.
 */
import type { Compiled } from './compile.js'
import { decide, type Outcome } from './evaluate.js'
import type { Facts } from './facts.js'
import { type Attribute, RANGES, sample } from './internal/attributes.js'
import { hasBit } from './internal/bits.js'
import { encoded } from './internal/encoded.js'
import { match } from './internal/match.js'
import { isUnsure, NOT_APPLICABLE, type Slots, sentOf } from './internal/slots.js'
import { masked, newScratch, type Tables, tablesOf, without } from './internal/tables.js'
import type { Obligation } from './obligations.js'
import type { FactInput, SchemaSpec } from './schema.js'

/**
 * The policy that is left once these facts are known: rules that they rule out are gone, and conditions that they meet. It holds the facts, so
 * that `decide` on it needs only those that were not known. What counts as known is what is present and usable; what is absent may still come.
 * Conditions about the session's own authenticators stay, since a step-up changes them.
 */
export function residual<S extends SchemaSpec>(p: Compiled<S>, known: Facts<S> | FactInput<S>): Compiled<S> {
  const facts = encoded(p, known)
  const t = p.tables as Tables
  const rows = newScratch(t)
  match(t, facts, rows)
  const settled = t.attributes.flatMap((a, i) => (isSettled(a, facts) ? [i] : []))
  const alive = (b: number): boolean =>
    settled.every((i) => hasBit(t.rows.subarray(rows.mustAt[i], rows.mustAt[i]! + t.words), b))
  const keys = settled.map((i) => t.attributes[i]!.key)
  const bits = t.bits.filter((_, b) => alive(b)).map((bit) => ({ ...bit, box: without(bit.box, keys) }))
  return { ...p, tables: tablesOf(p.schema, bits, { levels: p.levels, known: { ...t.known, ...sentOf(facts) } }) }
}

function isSettled(a: Attribute, f: Slots): boolean {
  const value = f.values[a.slot]!
  return !masked.has(a.fact) && (value === NOT_APPLICABLE || !isUnsure(value))
}

/** A value from which on the decision is another. */
export interface Threshold {
  readonly below: Outcome
  /** The least value for which `above` holds, as a host would send it. */
  readonly at: string | number
  readonly above: Outcome
  /** What is demanded from there on, where a step-up is. */
  readonly obligation: Obligation | null
}

/**
 * The cuts of one number or version at which the decision changes, everything else as the residual knows it: "from 1,000.01 a passkey is needed".
 * Facts that nobody knows count as missing.
 * @param fact - an `int` or `version`
 */
export function thresholds(r: Compiled, fact: string): readonly Threshold[] {
  const a = (r.tables as Tables).attributes.find((one) => one.fact === fact)
  if (a?.kind !== RANGES) return []
  const known = (r.tables as Tables).known ?? {}
  const at = (c: number) => decide(r, { ...known, [fact]: sample(a, r.schema, c) } as FactInput<SchemaSpec>)
  const out: Threshold[] = []
  for (let c = 1; c < a.classes; c++) {
    const [before, after] = [at(c - 1), at(c)]
    if (before.outcome === after.outcome && JSON.stringify(before.obligation) === JSON.stringify(after.obligation)) continue
    out.push({
      below: before.outcome,
      at: sample(a, r.schema, c) as string | number,
      above: after.outcome,
      obligation: after.obligation,
    })
  }
  return out
}
