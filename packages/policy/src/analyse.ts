/**
 * What a policy says without meaning to: rules that no request can match or that change nothing, demands that nobody can meet, devices that
 * are locked out, broken invariants, facts by which an app could switch a rule off. Exact within a budget of steps, with a request that shows it.
 *
 * Requests are complete: every fact that applies is there. What is missing can only make a decision stricter. Facts of the session that no rule
 * speaks of are taken as well as they can be. Derived facts, and the time's own (`time.at`, `time.weekday`), are taken as independent of the
 * others unless the schema's constraints relate them.
 */
import type { JsonValue } from '@postern/core/json'
import type { Compiled } from './compile.js'
import type { Box } from './document.js'
import { fallbacks } from './internal/findings/fallbacks.js'
import { gaps } from './internal/findings/gaps.js'
import { lockOuts } from './internal/findings/lockOuts.js'
import { type Found, roomOf } from './internal/findings/room.js'
import { conflicts, invariants, overridden, redundant, unsatisfiable } from './internal/findings/rules.js'
import { switches } from './internal/findings/switches.js'

/**
 * `unsatisfiable`: no request can match the rule · `overridden`: every request that matches is denied by others · `redundant`: other rules of
 * the same effect, at least as strict, match whatever it matches · `conflict`: a demand that no authenticators can meet, or equal boxes of
 * opposite effect · `gap`: a request that no rule matches · `lock-out`: devices that can log in by no means · `invariant`: a request that must
 * never be allowed is · `declared-switch`: another value of a fact that nobody vouches for turns the rule off, and the request is let through ·
 * `fallback`: an edge that can never be used, or that in effect is one more alternative · `alternatives`: demands that together have more
 * than 64 alternatives.
 */
export type FindingKind =
  | 'unsatisfiable'
  | 'overridden'
  | 'redundant'
  | 'conflict'
  | 'gap'
  | 'lock-out'
  | 'invariant'
  | 'declared-switch'
  | 'fallback'
  | 'alternatives'

/** One thing that a policy says; `undecided` when the steps ran out before it was certain. */
export interface Finding {
  readonly kind: FindingKind
  readonly severity: 'error' | 'warning' | 'note'
  readonly undecided: boolean
  /** JSON pointer into the document. */
  readonly at: string
  readonly text: string
  /** The rules it is about first, then those that cause it. */
  readonly rules: readonly string[]
  /** A request that shows it; for `declared-switch` the one that the rule catches. `null` where there is nothing to show. */
  readonly witness: Readonly<Record<string, JsonValue>> | null
  /** For `declared-switch`: the same device, told otherwise, let through. */
  readonly counterpart: Readonly<Record<string, JsonValue>> | null
  /** For `gap` and `lock-out`: everything that is concerned; for `unsatisfiable`: the conditions that exclude each other. */
  readonly box: Box | null
  /** For `lock-out` with an installed base: how many devices. */
  readonly devices: number | null
  /** Whether facts are involved that the host computes, and that were taken as independent. */
  readonly derived: boolean
  /** The same for the same finding in a later version: what a waiver names. */
  readonly fingerprint: string
}

/** How many devices there are of one kind, by the facts that tell kinds apart. */
export interface InstalledClass {
  readonly facts: Readonly<Record<string, JsonValue>>
  readonly devices: number
}

/** Everything found, errors first. */
export interface Report {
  readonly findings: readonly Finding[]
  /** Whether every question was answered. */
  readonly complete: boolean
}

/**
 * Analyses the enforced rules of a policy; `unsatisfiable` looks at every rule.
 * @param o - `steps`: bound of each search, in nodes; 100,000 decide anything that people write. `installed`: for lock-outs
 */
export function analyse(p: Compiled, o: { steps: number; installed?: readonly InstalledClass[] }): Report {
  const room = roomOf(p, o.steps)
  const found: Found[] = [
    ...unsatisfiable(room),
    ...invariants(room),
    ...overridden(room),
    ...redundant(room),
    ...conflicts(room),
    ...lockOuts(room, o.installed ?? null),
    ...switches(room),
    ...fallbacks(room),
    ...gaps(room),
  ]
  const findings = found.map((one): Finding => {
    const { kind, severity, rules, at } = one
    const box = one.box ?? null
    return {
      kind,
      severity,
      undecided: one.undecided ?? false,
      at,
      text: one.text,
      rules,
      witness: one.witness ?? null,
      counterpart: one.counterpart ?? null,
      box,
      devices: one.devices ?? null,
      derived: one.derived ?? rules.some((id) => room.derived.has(id)),
      fingerprint: JSON.stringify([kind, one.undecided ?? false, rules, one.about ?? '', box]),
    }
  })
  const order = { error: 0, warning: 1, note: 2 }
  return {
    findings: findings.sort((a, b) => order[a.severity] - order[b.severity]),
    complete: findings.every(({ undecided }) => !undecided),
  }
}
