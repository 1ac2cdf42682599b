/**
 * What would make it so: the nearest requests that are let through, changing nothing but what a user can change. Each is decided again before
 * it is returned; nothing is promised that another rule would refuse.
 */
import type { JsonValue } from '@postern/core/json'
import type { Compiled } from './compile.js'
import { type Decision, decide, type Outcome } from './evaluate.js'
import type { Facts } from './facts.js'
import { encodeFacts } from './internal/encode.js'
import { encoded } from './internal/encoded.js'
import { match, tablesFor } from './internal/match.js'
import { type Move, movesOf, type RemedyStep } from './internal/moves.js'
import { sentOf } from './internal/slots.js'
import type { Tables } from './internal/tables.js'
import type { FactInput, SchemaSpec } from './schema.js'

export type { RemedyStep } from './internal/moves.js'

/** Changes that together lead to the outcome; `cost` is the sum of the facts' weights. */
export interface Remedy {
  readonly steps: readonly RemedyStep[]
  readonly outcome: Outcome
  readonly cost: number
}

export interface RemedyOptions {
  /** `require`: a step-up that can be met is enough. */
  readonly want: 'allow' | 'require'
  /** For a `user` secret facts are fixed: what would change them must not be told. */
  readonly audience: 'operator' | 'user'
  /** How many requests may be decided; 200 find what is one or two changes away. */
  readonly steps: number
}

const maxChanges = 3

/**
 * The nearest remedies, cheapest first, none containing another; empty when it is let through already, or when at most three changes within the
 * steps lead nowhere. A step-up counts as one change.
 */
export function remedy<S extends SchemaSpec>(p: Compiled<S>, f: Facts<S> | FactInput<S>, o: RemedyOptions): readonly Remedy[] {
  const facts = encoded(p, f)
  const now = decide(p, facts)
  if (enough(now, o)) return []
  const sent = sentOf(facts)
  const t = tablesFor(p.tables as Tables, facts)
  match(t, facts, t.scratch)
  const moves = movesOf(t, facts, o.audience === 'user')
  const out: Remedy[] = []
  let left = o.steps
  const tried = (chosen: readonly Move[], done: Decision | null): void => {
    const input: Record<string, unknown> = { ...sent }
    for (const move of chosen) move.apply(input)
    const decision = done ?? decide(p, encodeFacts(p.schema, input, false))
    const cost = chosen.reduce((sum, move) => sum + move.cost, 0)
    const steps = chosen.map(({ step }) => step)
    if (enough(decision, o)) out.push({ steps, outcome: decision.outcome, cost })
    else if (decision.obligation !== null && chosen.length < maxChanges)
      for (const set of decision.obligation.anyOf) {
        if (left-- <= 0) return
        const shown = { ...input }
        const stepUp = stepUpOf(p, decision.obligation, set, shown)
        if (decide(p, encodeFacts(p.schema, shown, false)).outcome === 'allow')
          out.push({ steps: [...steps, ...stepUp], outcome: 'allow', cost: cost + 1 })
      }
  }
  tried([], now)
  let level: readonly (readonly Move[])[] = [[]]
  for (let size = 1; size <= maxChanges && left > 0; size++) {
    level = level
      .flatMap((chosen) => moves.filter((move) => move.after(chosen)).map((move) => [...chosen, move]))
      .filter((chosen) => !out.some(({ steps }) => steps.every((step) => chosen.some((move) => move.step === step))))
      .sort((a, b) => costOf(a) - costOf(b))
      .slice(0, left)
    for (const chosen of level) if (left-- > 0) tried(chosen, null)
  }
  return out.sort((a, b) => a.cost - b.cost || a.steps.length - b.steps.length)
}

function enough({ outcome }: Decision, { want }: RemedyOptions): boolean {
  return outcome === 'allow' || (want === 'require' && outcome === 'require')
}

function costOf(moves: readonly Move[]): number {
  return moves.reduce((sum, { cost }) => sum + cost, 0)
}

/** Shows these authenticators in the request, and says so in steps. */
function stepUpOf(
  { schema }: Compiled,
  { acr, maxAgeSec }: NonNullable<Decision['obligation']>,
  set: readonly string[],
  input: Record<string, unknown>,
): readonly RemedyStep[] {
  const steps: RemedyStep[] = []
  const add = (step: RemedyStep, value: JsonValue): void => {
    if (!schema.index.has(step.fact)) return
    input[step.fact] = value
    steps.push(step)
  }
  const methods = (input['authenticator.methods'] ?? []) as readonly string[]
  add({ fact: 'authenticator.methods', op: 'hasAll', value: set }, [...new Set([...methods, ...set])])
  const level = (input['authenticator.acr'] ?? 0) as number
  if (level < acr) add({ fact: 'authenticator.acr', op: 'gte', value: acr }, acr)
  const age = input['authenticator.ageSec'] as number | undefined
  if (maxAgeSec !== Number.POSITIVE_INFINITY && !(age !== undefined && age <= maxAgeSec))
    add({ fact: 'authenticator.ageSec', op: 'lte', value: maxAgeSec }, 0)
  return steps
}
