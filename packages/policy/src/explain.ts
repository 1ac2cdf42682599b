/** Why, and why not: every rule, from the very rows that decided. The bit an attribute cleared *is* the explanation. */
import type { Compiled, Tables } from './compile.js'
import type { Effect, Reason } from './document.js'
import { type Cause, decide, encoded, type Match, match, type Outcome } from './evaluate.js'
import type { Facts } from './facts.js'
import { NOT_APPLICABLE, type Slots } from './internal/slots.js'
import type { FactInput, FactValue, SchemaSpec } from './schema.js'
import { formatVersion } from './version.js'

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
}

/**
 * Explains the decision on these facts. It takes the facts, not the decision: a decision carries none, so that it may be logged.
 * @param o - `operator` sees every rule; `user` nothing but outcome, reason and the key of the app's words
 */
export function explain<S extends SchemaSpec>(
  p: Compiled<S>,
  f: Facts<S> | FactInput<S>,
  o: { audience: 'operator' },
): OperatorExplanation
export function explain<S extends SchemaSpec>(
  p: Compiled<S>,
  f: Facts<S> | FactInput<S>,
  o: { audience: 'user' },
): UserExplanation
export function explain<S extends SchemaSpec>(
  p: Compiled<S>,
  f: Facts<S> | FactInput<S>,
  o: { audience: 'operator' | 'user' },
): OperatorExplanation | UserExplanation {
  const facts = encoded(p, f)
  const { outcome, cause, reason, message, policy } = decide(p, facts)
  if (o.audience === 'user') return { audience: 'user', outcome, reason, message }
  const t = p.tables as Tables
  const m = match(t, facts)
  const reports = new Map<string, RuleReport>()
  t.bits.forEach((_, b) => {
    const report = reportOf(t, m, facts, b)
    const known = reports.get(report.id)
    if (!known || better(report, known)) reports.set(report.id, report)
  })
  return { audience: 'operator', outcome, cause, reason, message, policy, rules: [...reports.values()], ignored: facts.ignored }
}

function reportOf(t: Tables, m: Match, f: Slots, b: number): RuleReport {
  const { rule, box } = t.bits[b]!
  const [word, bit] = [b >>> 5, 1 << (b & 31)]
  const failed = new Map<string, Miss>()
  const unknown = new Set<string>()
  t.attributes.forEach(({ fact, slot }, i) => {
    if ((t.rows[m.mayAt[i]! + word]! & bit) === 0)
      failed.set(fact, { fact, seen: seenOf(f, slot), needed: neededOf(box.source.get(fact)) })
    else if ((t.rows[m.mustAt[i]! + word]! & bit) === 0) unknown.add(fact)
  })
  const result = failed.size > 0 ? 'failed' : unknown.size > 0 ? 'unknown' : 'matched'
  return {
    id: rule.id,
    effect: rule.effect,
    mode: rule.mode as 'enforce' | 'shadow',
    result,
    unknown: [...unknown],
    failed: [...failed.values()],
  }
}

const order = { matched: 0, unknown: 1, failed: 2 }

function better(a: RuleReport, b: RuleReport): boolean {
  return order[a.result] !== order[b.result] ? order[a.result] < order[b.result] : a.failed.length < b.failed.length
}

function neededOf(conditions: readonly unknown[] = []): unknown {
  return conditions.length === 1 ? conditions[0] : conditions
}

function seenOf(f: Slots, slot: number): FactValue | null {
  if (f.state[slot] === NOT_APPLICABLE) return null
  const spec = f.schema.spec.facts[f.schema.names[slot]!]!
  const n = f.num[slot]!
  switch (spec.type) {
    case 'enum':
      return spec.values[n]!
    case 'ordered': {
      const rank = spec.ranks[n]!
      return typeof rank === 'string' ? rank : rank.join('|')
    }
    case 'bool':
      return n === 1
    case 'int':
      return n
    case 'version':
      return formatVersion({ hi: n, lo: f.low[slot]!, pre: f.ref[slot] as string | null })
    case 'set':
      return [...(f.ref[slot] as ReadonlySet<string>)]
    case 'open':
      return f.ref[slot] as string
  }
}
