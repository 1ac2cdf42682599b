/**
 * What a change means: one concrete request for each outcome that becomes another, changed obligations included. Two documents that decide
 * alike differ in nothing, whatever their text.
 *
 * Requests are complete: what is missing can only make a decision stricter. Unless rules speak of them, the session's facts are those of someone
 * who has shown nothing yet and can use every authenticator that either version names.
 */
import type { JsonValue } from '@postern/core/json'
import type { Compiled } from './compile.js'
import { type Decision, decide } from './evaluate.js'
import type { Facts } from './facts.js'
import { searchChanges, type Verdict } from './internal/changes.js'
import { encodeFacts } from './internal/encode.js'
import type { Obligation } from './obligations.js'
import { type Remedy, remedy } from './remedy.js'

/**
 * `deny`: by a rule · `default`: nothing grants it, or would after a step-up · `unachievable`: what is demanded cannot be met · `require` ·
 * `allow`.
 */
export type { Verdict } from './internal/changes.js'

/** One outcome that becomes another, with a request that shows it. */
export interface Change {
  readonly from: Verdict
  readonly to: Verdict
  readonly witness: Readonly<Record<string, JsonValue>>
  /** The rules that decide, before and after. */
  readonly rules: { readonly before: readonly string[]; readonly after: readonly string[] }
  /** What is demanded, before and after, where a step-up is on either side. */
  readonly obligations: { readonly before: Obligation | null; readonly after: Obligation | null } | null
  /** For what is denied now and was not: what would let it through. */
  readonly remedies: readonly Remedy[]
}

export interface DiffReport {
  readonly changes: readonly Change[]
  /** Pairs that the steps did not suffice for: not known to be unchanged. */
  readonly undecided: readonly { readonly from: Verdict; readonly to: Verdict }[]
}

/**
 * Compares two versions of one schema.
 * @param o - `steps`: bound of each search, in nodes, and of all ways in which demands can fall due together
 */
export function diff(a: Compiled, b: Compiled, o: { steps: number }): DiffReport {
  const { witnesses, undecided } = searchChanges(a, b, o.steps)
  const changes = witnesses.map(({ request, from, to }): Change => {
    const facts = encodeFacts(a.schema, request, true)
    const [before, after] = [decide(a, facts), decide(b, facts as Facts)] as [Decision, Decision]
    const stepUp = before.obligation !== null || after.obligation !== null
    return {
      from,
      to,
      witness: request,
      rules: { before: before.matched, after: after.matched },
      obligations: stepUp ? { before: before.obligation, after: after.obligation } : null,
      remedies:
        after.outcome === 'deny' && before.outcome !== 'deny'
          ? remedy(b, facts, { want: 'require', audience: 'operator', steps: 200 })
          : [],
    }
  })
  return { changes, undecided }
}
