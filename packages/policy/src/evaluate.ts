/**
 * One decision: the class of each attribute, an AND of rows, and a combination that no order can change.
 * Deny and require fire on what *may* match, allow only on what *must*: a missing fact never opens anything.
 */
import { type Bit, type Compiled, MAY_ROW, MUST_ROW, NA_ROW, type Tables } from './compile.js'
import type { Advice, Effect, Reason } from './document.js'
import { encode, type Facts } from './facts.js'
import { ABSENT, classOf, DOUBT, INVALID, NOT_APPLICABLE, PRESENT, type Slots } from './internal/slots.js'
import { type AuthenticatorFacts, merge, neutral, type Obligation, type Requirement, resolve } from './obligations.js'
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

/** The rows that a request selects, and what they leave. Shared with explain: the printed reason cannot drift from the decision. */
export interface Match {
  readonly must: Uint32Array
  readonly may: Uint32Array
  /** Row offsets per attribute. */
  readonly mustAt: Int32Array
  readonly mayAt: Int32Array
  readonly forked: boolean
}

/** Decides one request: deny overrides, missing is worst, only allow grants. Synchronous and total on encoded facts. */
export function decide<S extends SchemaSpec>(p: Compiled<S>, f: Facts<S> | FactInput<S>): Decision {
  const facts = encoded(p, f)
  const t = p.tables as Tables
  const pattern = t.words === 1 && facts.invalid.length === 0 ? wholeMatch(t, facts) : NO_PATTERN
  const known = t.decided.get(pattern) as Decision | undefined
  if (known !== undefined) return known
  const m = match(t, facts)
  const real = combine(p, t, m, facts, t.enforced)
  const shadow = t.shadows ? combine(p, t, m, facts, null).outcome : real.outcome
  const decision: Decision = {
    outcome: real.outcome,
    cause: real.cause,
    reason: real.reason,
    message: real.message,
    obligation: real.obligation,
    attached: attachedOf(real.rules),
    matched: idsOf(real.rules),
    unknown: m.forked || facts.invalid.length > 0 ? unknownOf(t, m, facts) : none,
    shadow,
    policy: p.version,
  }
  if (pattern !== NO_PATTERN && t.decided.size < maxDecided) t.decided.set(pattern, decision)
  return decision
}

/** No pattern of 32 bits. */
const NO_PATTERN = -1 - 2 ** 32
const maxDecided = 1024

/**
 * The bits of a request that lacks nothing and steps up nowhere, where one word holds them all: then they alone are the decision, and it is
 * remembered (bounded, because requests choose the pattern). Anything else is decided the long way.
 */
function wholeMatch(t: Tables, f: Slots): number {
  const { attributes, base, rows } = t
  let word = t.bits.length === 32 ? -1 : (1 << t.bits.length) - 1
  for (let i = 0; i < attributes.length && word !== 0; i++) {
    const a = attributes[i]!
    const state = f.state[a.slot]!
    if (state === PRESENT) word &= rows[base[i]! + classOf(a, f)]!
    else if (state === NOT_APPLICABLE) word &= rows[base[i]! + a.classes + NA_ROW]!
    else return NO_PATTERN
  }
  return (word & t.require[0]!) === 0 ? word : NO_PATTERN
}

const none: readonly never[] = []

/** @internal Facts of any form as slots. */
export function encoded<S extends SchemaSpec>(p: Compiled<S>, f: Facts<S> | FactInput<S>): Slots<S> {
  const ready = (f as Facts<S>).schema === p.schema && (f as Slots<S>).state instanceof Uint8Array
  return (ready ? f : encode(p.schema, f as FactInput<S>)) as Slots<S>
}

/** @internal Selects rows and ANDs them. */
export function match(t: Tables, f: Slots): Match {
  const { attributes, base, rows, words } = t
  const count = attributes.length
  const mustAt = new Int32Array(count)
  let mayAt = mustAt
  for (let i = 0; i < count; i++) {
    const a = attributes[i]!
    const state = f.state[a.slot]!
    if (state === PRESENT) {
      mustAt[i] = base[i]! + classOf(a, f) * words
      if (mayAt !== mustAt) mayAt[i] = mustAt[i]!
      continue
    }
    const extra = base[i]! + a.classes * words
    if (state === NOT_APPLICABLE) {
      mustAt[i] = extra + NA_ROW * words
      if (mayAt !== mustAt) mayAt[i] = mustAt[i]!
      continue
    }
    if (mayAt === mustAt) mayAt = mustAt.slice()
    // In doubt whether the fact exists at all, a rule must match only if it does not speak of it.
    mustAt[i] = extra + (state >= DOUBT ? NA_ROW : MUST_ROW) * words
    mayAt[i] = state === DOUBT + PRESENT ? base[i]! + classOf(a, f) * words : extra + MAY_ROW * words
  }
  const forked = mayAt !== mustAt
  const must = and(rows, mustAt, count, words, t.bits.length)
  return { must, may: forked ? and(rows, mayAt, count, words, t.bits.length) : must, mustAt, mayAt, forked }
}

function and(rows: Uint32Array, at: Int32Array, count: number, words: number, bits: number): Uint32Array {
  const out = new Uint32Array(words)
  for (let w = 0; w < words; w++) {
    const left = bits - w * 32
    let word = left >= 32 ? -1 : (1 << left) - 1
    for (let i = 0; i < count && word !== 0; i++) word &= rows[at[i]! + w]!
    out[w] = word
  }
  return out
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
function combine(p: Compiled, t: Tables, m: Match, f: Slots, only: Uint32Array | null): Answer {
  const denied = first(m.may, t.deny, only)
  if (denied >= 0) {
    const sure = has(m.must, denied) || sameRule(t, m, denied)
    return refusal(t.bits[denied]!, sure ? 'rule' : 'unknown-fact', select(t, m.may, t.deny, only))
  }
  if (first(m.may, t.require, only) >= 0) {
    const due = select(t, m.may, t.require, only)
    const answer = resolve(mergedOf(t, m.may, only, due), authenticatorsOf(f), p.levels)
    if (answer === null) return { ...refusal(due[0]!, 'no-usable-authenticator', due), reason: 'authenticator.none_usable' }
    if (answer !== 'satisfied') {
      if (!couldAllow(t, m, only)) return refusal(due[0]!, 'futile-step-up', due)
      const sure = sharesBit(m.must, m.may, t.require, only)
      return { ...refusal(due[0]!, sure ? 'rule' : 'unknown-fact', due), outcome: 'require', obligation: answer }
    }
  }
  const allowed = first(m.must, t.allow, only)
  if (allowed >= 0) {
    const rules = select(t, m.must, t.allow, only)
    return { outcome: 'allow', cause: 'rule', reason: null, message: rules[0]!.rule.message ?? null, obligation: null, rules }
  }
  return { outcome: 'deny', cause: 'default', reason: 'policy.denied', message: null, obligation: null, rules: none }
}

function refusal({ rule }: Bit, cause: Cause, rules: readonly Bit[]): Answer {
  const reason = rule.effect === 'allow' ? null : rule.reason
  const message = (cause === 'unknown-fact' ? (rule.messageUnknown ?? rule.message) : rule.message) ?? null
  return { outcome: 'deny', cause, reason, message, obligation: null, rules }
}

/** Whether another box of the same rule certainly matched. */
function sameRule(t: Tables, m: Match, bit: number): boolean {
  const { rule } = t.bits[bit]!
  for (let b = bit + 1; b < t.bits.length && t.bits[b]!.rule === rule; b++) if (has(m.must, b)) return true
  return false
}

/** Whether some allow rule would grant once the session's authenticators are as good as they can be. */
function couldAllow(t: Tables, m: Match, only: Uint32Array | null): boolean {
  return first(and(t.rows, m.mustAt, t.maskable, t.words, t.bits.length), t.allow, only) >= 0
}

/** Merged demands, remembered by the pattern of require bits; bounded, because requests choose the pattern. */
function mergedOf(t: Tables, may: Uint32Array, only: Uint32Array | null, due: readonly Bit[]): Requirement {
  let key = ''
  for (let w = 0; w < t.words; w++) key += `${(may[w]! & t.require[w]! & (only === null ? -1 : only[w]!)) >>> 0},`
  const known = t.merged.get(key)
  if (known) return known
  const merged = due.reduce((all, { requirement }) => merge(all, requirement), neutral)
  if (t.merged.size < 1024) t.merged.set(key, merged)
  return merged
}

/** The session's authenticators, `null` where a fact is missing. */
export function authenticatorsOf(f: Slots): AuthenticatorFacts {
  const present = (name: string, type: string): number => {
    const slot = f.schema.index.get(name)
    return slot !== undefined && f.schema.spec.facts[name]!.type === type && f.state[slot] === PRESENT ? slot : -1
  }
  const set = (name: string): ReadonlySet<string> | null => {
    const slot = present(name, 'set')
    return slot < 0 ? null : (f.ref[slot] as ReadonlySet<string>)
  }
  const int = (name: string): number | null => {
    const slot = present(name, 'int')
    return slot < 0 ? null : f.num[slot]!
  }
  return {
    methods: set('authenticator.methods'),
    enrolled: set('authenticator.enrolled'),
    usable: set('authenticator.usable'),
    locked: set('authenticator.locked'),
    acr: int('authenticator.acr'),
    ageSec: int('authenticator.ageSec'),
  }
}

function first(bits: Uint32Array, mask: Uint32Array, only: Uint32Array | null): number {
  for (let w = 0; w < bits.length; w++) {
    const word = bits[w]! & mask[w]! & (only === null ? -1 : only[w]!)
    if (word !== 0) return w * 32 + 31 - Math.clz32(word & -word)
  }
  return -1
}

function has(bits: Uint32Array, b: number): boolean {
  return (bits[b >>> 5]! & (1 << (b & 31))) !== 0
}

/** Whether some demand that may be due certainly is. */
function sharesBit(must: Uint32Array, may: Uint32Array, mask: Uint32Array, only: Uint32Array | null): boolean {
  return must.some((word, w) => (word & may[w]! & mask[w]! & (only === null ? -1 : only[w]!)) !== 0)
}

function select(t: Tables, bits: Uint32Array, mask: Uint32Array, only: Uint32Array | null): readonly Bit[] {
  const out: Bit[] = []
  for (let w = 0; w < bits.length; w++) {
    let word = bits[w]! & mask[w]! & (only === null ? -1 : only[w]!)
    for (; word !== 0; word &= word - 1) out.push(t.bits[w * 32 + 31 - Math.clz32(word & -word)]!)
  }
  return out
}

/** Boxes of one rule are neighbours: an id is told once. */
function idsOf(bits: readonly Bit[]): readonly string[] {
  const ids: string[] = []
  for (const { rule } of bits) if (ids[ids.length - 1] !== rule.id) ids.push(rule.id)
  return ids
}

function attachedOf(bits: readonly Bit[]): readonly Advice[] {
  let out: Advice[] | null = null
  let last: unknown = null
  for (const { rule } of bits) {
    if (rule.attach && rule !== last) out = [...(out ?? []), ...rule.attach]
    last = rule
  }
  return out ?? none
}

/** Absent facts that leave some rule undecided, and every invalid one. */
function unknownOf(t: Tables, m: Match, f: Slots): Decision['unknown'] {
  const out = f.invalid.map((fact) => ({ fact, why: 'invalid' as 'absent' | 'invalid' }))
  const seen = new Set(f.invalid)
  for (let i = 0; m.forked && i < t.attributes.length; i++) {
    const { fact, slot } = t.attributes[i]!
    const known = f.state[slot]! & ~DOUBT
    if (m.mustAt[i] === m.mayAt[i] || seen.has(fact) || known === INVALID || (known !== ABSENT && known !== PRESENT)) continue
    for (let w = 0; w < t.words; w++) {
      if ((m.may[w]! & ~t.rows[m.mustAt[i]! + w]!) === 0) continue
      seen.add(fact)
      out.push({ fact, why: 'absent' })
      break
    }
  }
  return out
}
