/**
 * One decision: the class of each attribute, an AND of rows, and a combination that no order can change.
 * Deny and require fire on what *may* match, allow only on what *must*: a missing fact never opens anything.
 */
import type { Compiled } from './compile.js'
import type { Advice, Effect, Reason } from './document.js'
import type { Facts } from './facts.js'
import { bitsIn, firstOf, hasBit } from './internal/bits.js'
import { encoded } from './internal/encoded.js'
import { and, match, tablesFor } from './internal/match.js'
import { placeOf, remember } from './internal/memo.js'
import { authenticatorsOf } from './internal/session.js'
import type { Slots } from './internal/slots.js'
import type { Bit, Tables } from './internal/tables.js'
import { merge, neutral, type Obligation, type Requirement, resolve } from './obligations.js'
import type { FactInput, SchemaSpec } from './schema.js'

export type Outcome = Effect
/** Why an outcome came about; `unknown-fact`: the rule that decides fired only because a fact is missing. */
export type Cause = 'rule' | 'default' | 'unknown-fact' | 'no-usable-authenticator' | 'futile-step-up'

/** The answer to one request. Immutable and free of facts: it may be logged. */
export interface Decision {
  readonly outcome: Outcome
  readonly cause: Cause
  /** `null` exactly when allowed. */
  readonly reason: Reason | null
  readonly message: string | null
  /** Exactly when `outcome` is `require`. */
  readonly obligation: Obligation | null
  readonly attached: readonly Advice[]
  /** Ids of the enforced rules that speak for the outcome, in the order of reasons, then of ids. */
  readonly matched: readonly string[]
  /** Facts whose absence left a rule undecided, and values that could not be used. */
  readonly unknown: readonly { readonly fact: string; readonly why: 'absent' | 'invalid' }[]
  /** The outcome had shadow rules been enforced. */
  readonly shadow: Outcome
  /** The version that decided. */
  readonly policy: string
}

/** Decides one request: deny overrides, missing is worst, only allow grants. Synchronous and total on encoded facts. */
export function decide<S extends SchemaSpec>(p: Compiled<S>, f: Facts<S> | FactInput<S>): Decision {
  const facts = encoded(p, f)
  const t = tablesFor(p.tables as Tables, facts)
  const forked = match(t, facts, t.scratch)
  const place = placeOf(t, facts, forked)
  if (place?.value !== undefined) return place.value as Decision
  if (!forked) t.scratch.may.set(t.scratch.must)
  const real = combine(p, t, facts, t.enforced)
  return remember<Decision>(place, {
    outcome: real.outcome,
    cause: real.cause,
    reason: real.reason,
    message: real.message,
    obligation: real.obligation,
    attached: attachedOf(real.rules),
    matched: idsOf(real.rules),
    unknown: unknownOf(t, facts),
    shadow: t.shadows ? combine(p, t, facts, null).outcome : real.outcome,
    policy: p.version,
  })
}

interface Answer {
  readonly outcome: Outcome
  readonly cause: Cause
  readonly reason: Reason | null
  readonly message: string | null
  readonly obligation: Obligation | null
  readonly rules: readonly Bit[]
}

/** Deny overrides require overrides allow; `only` = the bits that take part, `null` = all. */
function combine(p: Compiled, t: Tables, f: Slots, only: Uint32Array | null): Answer {
  const { must, may } = t.scratch
  const rulesIn = (bits: Uint32Array, mask: Uint32Array): readonly Bit[] => bitsIn(bits, mask, only).map((b) => t.bits[b]!)
  const denied = firstOf(may, t.deny, only)
  if (denied >= 0) return refusal(t.bits[denied]!, sureOf(t, denied) ? 'rule' : 'unknown-fact', rulesIn(may, t.deny))
  const due = rulesIn(may, t.require)
  if (due.length > 0) {
    const answer = resolve(mergedOf(due), authenticatorsOf(t.session, f), p.levels)
    if (answer === null) return { ...refusal(due[0]!, 'no-usable-authenticator', due), reason: 'authenticator.none_usable' }
    if (answer !== 'satisfied') {
      if (!couldAllow(t, only)) return refusal(due[0]!, 'futile-step-up', due)
      const cause = firstOf(must, t.require, only) >= 0 ? 'rule' : 'unknown-fact'
      return { ...refusal(due[0]!, cause, due), outcome: 'require', obligation: answer }
    }
  }
  const rules = rulesIn(must, t.allow)
  if (rules.length > 0)
    return { outcome: 'allow', cause: 'rule', reason: null, message: rules[0]!.rule.message ?? null, obligation: null, rules }
  return { outcome: 'deny', cause: 'default', reason: 'policy.denied', message: null, obligation: null, rules }
}

function refusal({ rule }: Bit, cause: Cause, rules: readonly Bit[]): Answer {
  const reason = rule.effect === 'allow' ? null : rule.reason
  const message = (cause === 'unknown-fact' ? (rule.messageUnknown ?? rule.message) : rule.message) ?? null
  return { outcome: 'deny', cause, reason, message, obligation: null, rules }
}

/** Whether the rule of this bit certainly matched, by this box or another. */
function sureOf({ bits, scratch }: Tables, bit: number): boolean {
  return bits.some(({ rule }, b) => rule === bits[bit]!.rule && hasBit(scratch.must, b))
}

/** Whether some allow rule would grant once the session's authenticators are as good as they can be. */
function couldAllow(t: Tables, only: Uint32Array | null): boolean {
  const unmasked = new Uint32Array(t.words)
  and(t, t.scratch.mustAt, t.maskable, unmasked)
  return firstOf(unmasked, t.allow, only) >= 0
}

function mergedOf(due: readonly Bit[]): Requirement {
  return [...new Set(due.map(({ requirement }) => requirement))].reduce(merge, neutral)
}

/** Boxes of one rule are neighbours: an id is told once. */
function idsOf(bits: readonly Bit[]): string[] {
  return bits.filter(({ rule }, i) => rule !== bits[i - 1]?.rule).map(({ rule }) => rule.id)
}

function attachedOf(bits: readonly Bit[]): Advice[] {
  return bits
    .filter(({ rule }, i) => rule !== bits[i - 1]?.rule)
    .flatMap(({ rule }) => (rule.attach ?? []).map((advice) => ({ ...advice })))
}

/** Values that could not be used, and absent facts that leave some rule undecided, by name. */
function unknownOf(t: Tables, f: Slots): Decision['unknown'][number][] {
  const out: Decision['unknown'][number][] = f.invalid.map((fact) => ({ fact, why: 'invalid' }))
  const { may, mustAt } = t.scratch
  t.attributes.forEach(({ fact }, i) => {
    if (out.some((one) => one.fact === fact)) return
    if (may.some((word, w) => (word & ~t.rows[mustAt[i]! + w]!) !== 0)) out.push({ fact, why: 'absent' })
  })
  return out.sort((a, b) => (a.fact < b.fact ? -1 : 1))
}
