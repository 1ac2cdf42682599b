/**
 * Decisions, kept and asked again: a record holds what its facts' schema lets it hold, and a new version is asked the same questions. What a record no
 * longer tells is counted as undetermined, never guessed. A shadow version is a second decision on the same facts.
 */
import type { Compiled } from './compile.js'
import { type Decision, decide, type Outcome } from './evaluate.js'
import type { Facts } from './facts.js'
import { type Cuts, cutsOf, keptOf } from './internal/cuts.js'
import { readRecord } from './internal/replay/readRecord.js'
import { rebuilt } from './internal/replay/rebuilt.js'
import { newTally } from './internal/replay/tally.js'
import { ABSENT, factValue, isUnsure, type Slots } from './internal/slots.js'
import type { FactSpec, FactValue, SchemaSpec } from './schema.js'

/**
 * One fact of a record, by its schema's `record`: the value; the class that the deciding policy's rules told apart (of a set, the members they spoke of); why
 * there is none; or that it is not kept. `doubt`: whether it exists there was unknown.
 */
export type RecordedFact = (
  | { readonly value: FactValue }
  | { readonly class: number }
  | { readonly members: Readonly<Record<string, boolean>> }
  | { readonly none: 'absent' | 'invalid' | 'outside' | 'hidden' }
) & { readonly doubt?: true }
/** One decision, as a host keeps it: JSON. Facts that were absent are left out. */
export interface DecisionRecord {
  readonly format: 1
  /** Version that decided, and the schema of its facts. */
  readonly policy: string
  readonly schema: string
  /** Milliseconds. */
  readonly at: number
  readonly outcome: Outcome
  readonly matched: readonly string[]
  readonly facts: Readonly<Record<string, RecordedFact>>
}
/** What a version would have said to decisions that were made. */
export interface Impact {
  readonly total: number
  readonly same: number
  /** By pair of outcomes, most frequent first; `rules` are those that speak for the new outcome, with how often. */
  readonly changed: readonly {
    readonly from: Outcome
    readonly to: Outcome
    readonly count: number
    readonly rules: Readonly<Record<string, number>>
  }[]
  readonly undetermined: {
    readonly count: number
    /** By fact that was not kept finely enough. */
    readonly facts: Readonly<Record<string, number>>
    /** Records of another schema, or of a version that could not be had. */
    readonly unreadable: number
  }
}
export interface ReplayOptions {
  /** The version that a record's classes belong to, compiled; `null` when it cannot be had. Asked once a version. */
  readonly version: (id: string) => Compiled | null | Promise<Compiled | null>
}

/**
 * Prepares the recording of a policy's decisions.
 * @returns a function of the facts, their decision and the instant in milliseconds
 */
export function recorder<S extends SchemaSpec>(p: Compiled<S>): (f: Facts<S>, d: Decision, at: number) => DecisionRecord {
  const cuts = cutsOf(p)
  return (f, d, at) => {
    const facts: Record<string, RecordedFact> = {}
    p.schema.names.forEach((name, slot) => {
      const kept = keep(cuts, f as Slots<S> as unknown as Slots, name, slot)
      if (kept !== null) facts[name] = kept
    })
    return { format: 1, policy: d.policy, schema: p.document.schema, at, outcome: d.outcome, matched: d.matched, facts }
  }
}

/**
 * Asks a version what was asked before.
 * @throws PosternError `policy.record_invalid` for a record that is none (its number and the member in the reason)
 */
export async function replay<S extends SchemaSpec>(
  p: Compiled<S>,
  records: AsyncIterable<DecisionRecord> | Iterable<DecisionRecord>,
  o: ReplayOptions,
): Promise<Impact> {
  const cuts = cutsOf(p)
  const versions = new Map<string, Cuts | null>()
  const tally = newTally()
  let at = 0
  for await (const sent of records) {
    const record = readRecord(sent, at)
    if (!versions.has(record.policy)) {
      const found = await o.version(record.policy)
      versions.set(record.policy, found && cutsOf(found))
    }
    const old = versions.get(record.policy)!
    if (old === null || record.schema !== p.document.schema) tally.unreadable()
    else {
      const { facts, lacking } = rebuilt(p, cuts, old, record, at)
      if (lacking.length > 0) tally.undetermined(lacking)
      else tally.decided(record.outcome, decide(p, facts))
    }
    at++
  }
  return tally.impact()
}

/** A version that is asked beside the one in force and decides nothing. Its counts live as long as it does. */
export interface Shadow<S extends SchemaSpec = SchemaSpec> {
  /** The candidate's answer to what was decided with `d`. */
  readonly observe: (f: Facts<S>, d: Decision) => Decision
  readonly impact: () => Impact
}

/** Asks a candidate version beside the one in force: shadow rules ride in a decision, a shadow version is a second one. */
export function shadow<S extends SchemaSpec>(candidate: Compiled<S>): Shadow<S> {
  const tally = newTally()
  return {
    observe(f, d) {
      const other = decide(candidate, f)
      tally.decided(d.outcome, other)
      return other
    },
    impact: tally.impact,
  }
}

function keep(cuts: Cuts, f: Slots, name: string, slot: number): RecordedFact | null {
  const { record, secret, type } = f.schema.spec.facts[name]! as FactSpec
  const how = record ?? (secret ? 'class' : 'value')
  if (how === 'none') return { none: 'hidden' }
  const found = f.values[slot]!
  if (found === ABSENT) return null
  const { lack, doubt, value } = isUnsure(found) ? found : { lack: null, doubt: false, value: found }
  const mark = doubt ? ({ doubt: true } as const) : {}
  if (lack !== null) return { none: lack, ...mark }
  return { ...(how === 'value' ? { value: factValue(f, slot)! } : keptOf(cuts, name, type === 'set', value!)), ...mark }
}
