/** Why, and why not: every rule, from the very rows that decided. The bit an attribute cleared *is* the explanation. */
import type { Compiled } from './compile.js'
import type { Effect, Reason } from './document.js'
import { type Cause, decide, type Outcome } from './evaluate.js'
import type { Facts } from './facts.js'
import { encoded } from './internal/encoded.js'
import { match, tablesFor } from './internal/match.js'
import { factValue, type Slots } from './internal/slots.js'
import type { Tables } from './internal/tables.js'
import { type Remedy, remedy } from './remedy.js'
import type { FactInput, FactValue, SchemaSpec } from './schema.js'

/** One condition that a request did not meet: what was seen (`null`: the fact does not apply here) and what the rule needs, as written. */
export interface Miss {
  readonly fact: string
  readonly seen: FactValue | null
  readonly needed: unknown
}
/** What became of one rule. */
export interface RuleReport {
  readonly id: string
  readonly effect: Effect
  readonly mode: 'enforce' | 'shadow'
  readonly result: 'matched' | 'unknown' | 'failed'
  /** Missing facts, for `unknown`. */
  readonly unknown: readonly string[]
  /** Every failing condition, for `failed`; a rule with `anyOf` reports the box that failed least. */
  readonly failed: readonly Miss[]
}
export interface OperatorExplanation {
  readonly audience: 'operator'
  readonly outcome: Outcome
  readonly cause: Cause
  readonly reason: Reason | null
  readonly message: string | null
  readonly policy: string
  readonly rules: readonly RuleReport[]
  readonly ignored: readonly string[]
}
/** Nothing but what the user may know: no rule ids, no thresholds, no secret facts. */
export interface UserExplanation {
  readonly audience: 'user'
  readonly outcome: Outcome
  readonly reason: Reason | null
  readonly message: string | null
  /** What the user could do about it. */
  readonly remedies: readonly Remedy[]
}

/**
 * Explains the decision on these facts. It takes the facts, not the decision: a decision carries none, so that it may be logged.
 * @param o - `operator` sees every rule; `user` nothing but outcome, reason, the key of the app's words and remedies, for which `steps` requests
 *   may be decided (default 200)
 */
export function explain<S extends SchemaSpec>(
  p: Compiled<S>,
  f: Facts<S> | FactInput<S>,
  o: { audience: 'operator' },
): OperatorExplanation
export function explain<S extends SchemaSpec>(
  p: Compiled<S>,
  f: Facts<S> | FactInput<S>,
  o: { audience: 'user'; steps?: number },
): UserExplanation
export function explain<S extends SchemaSpec>(
  p: Compiled<S>,
  f: Facts<S> | FactInput<S>,
  o: { audience: 'operator' | 'user'; steps?: number },
): OperatorExplanation | UserExplanation {
  const facts = encoded(p, f)
  const { outcome, cause, reason, message, policy } = decide(p, facts)
  if (o.audience === 'user')
    return {
      audience: 'user',
      outcome,
      reason,
      message,
      remedies: remedy(p, facts, { want: 'allow', audience: 'user', steps: o.steps ?? 200 }),
    }
  const t = p.tables as Tables
  // Where the decision was made on these tables, its rows are still there.
  if (tablesFor(t, facts) !== t) match(t, facts, t.scratch)
  const rules: RuleReport[] = []
  const seen = new Array<FactValue | null | undefined>(t.attributes.length)
  // Boxes of one rule are neighbours.
  for (let b = 0; b < t.bits.length; b++) {
    const report = reportOf(t, facts, b, seen)
    if (b === 0 || t.bits[b - 1]!.rule !== t.bits[b]!.rule) rules.push(report)
    else if (better(report, rules[rules.length - 1]!)) rules[rules.length - 1] = report
  }
  return { audience: 'operator', outcome, cause, reason, message, policy, rules, ignored: facts.ignored }
}

const none: readonly never[] = []

function reportOf(t: Tables, f: Slots, b: number, seen: (FactValue | null | undefined)[]): RuleReport {
  const { rule } = t.bits[b]!
  const { rows, scratch, attributes } = t
  const { mustAt, mayAt } = scratch
  const word = b >>> 5
  const bit = 1 << (b & 31)
  let failed: Miss[] | null = null
  let unknown: string[] | null = null
  const spoken = t.spoken[b]!
  for (let n = 0; n < spoken.length; n++) {
    const { i, fact, needed } = spoken[n]!
    if ((rows[mayAt[i]! + word]! & bit) === 0) {
      if (seen[i] === undefined) seen[i] = factValue(f, attributes[i]!.slot, attributes[i]!.spec)
      const miss = { fact, seen: seen[i]!, needed }
      // Members of one set are neighbours here, and one fact: it is told once.
      if (failed === null) failed = [miss]
      else if (failed[failed.length - 1]!.fact !== fact) failed.push(miss)
    } else if ((rows[mustAt[i]! + word]! & bit) === 0) {
      if (unknown === null) unknown = [fact]
      else if (unknown[unknown.length - 1] !== fact) unknown.push(fact)
    }
  }
  return {
    id: rule.id,
    effect: rule.effect,
    mode: rule.mode as 'enforce' | 'shadow',
    result: failed !== null ? 'failed' : unknown !== null ? 'unknown' : 'matched',
    unknown: unknown ?? none,
    failed: failed ?? none,
  }
}

const order = { matched: 0, unknown: 1, failed: 2 }

function better(a: RuleReport, b: RuleReport): boolean {
  return order[a.result] !== order[b.result] ? order[a.result] < order[b.result] : a.failed.length < b.failed.length
}
