/** One question to one answer: facts, decision, and what of it the caller may know. */
import { isPosternError } from '@postern/core/errors'
import type { AuthZenOptions, AuthZenQuestion, ResourceSearch, SubjectSearch } from '../../authzen.js'
import type { Compiled } from '../../compile.js'
import { type Decision, decide } from '../../evaluate.js'
import { explain } from '../../explain.js'
import { encode, type Facts } from '../../facts.js'
import { residual } from '../../residual.js'
import type { FactInput, SchemaSpec } from '../../schema.js'

export interface Answer {
  readonly allowed: boolean
  /** The evaluation response. */
  readonly body: { readonly decision: boolean; readonly context: Readonly<Record<string, unknown>> }
  /** What a search result carries. */
  readonly obligations: { readonly obligations?: readonly unknown[] }
}
export interface Asking {
  (question: AuthZenQuestion): Promise<Answer>
  /** The closed list of actions. */
  readonly actions: readonly string[]
  /** The same for questions that begin with what is known of a search. */
  readonly given: (search: SubjectSearch | ResourceSearch) => Promise<Asking>
}

export function answerOf<S extends SchemaSpec>(
  o: AuthZenOptions<S>,
  policy: Compiled<S>,
  request: Request,
  promising: boolean,
): Asking {
  const spec = policy.schema.spec.facts['action']
  const actions = spec?.type === 'enum' ? spec.values : []
  const trusted = o.trusted?.(request) === true

  async function ask(question: AuthZenQuestion): Promise<Answer> {
    const decision_id = o.decisionId()
    const known = { policy_version: policy.version, decision_id }
    const nothing: Answer = {
      allowed: false,
      body: { decision: false, context: { ...known, reason: 'unknown' } },
      obligations: {},
    }
    const input = await o.facts(question, request)
    if (input === null) return nothing
    const facts = encodedOrNull(policy, input)
    if (facts === null) return nothing
    const decision = decide(policy, facts)
    const due = obligationsOf(o, decision, question)
    const stepUp = decision.outcome === 'require'
    const promised = stepUp && promising && due.some(({ type }) => type === 'step-up')
    const allowed = decision.outcome === 'allow' || promised
    const obligations = due.length > 0 ? { obligations: due } : {}
    const reason = stepUp ? 'step_up_required' : decision.reason
    const context = {
      ...known,
      ...(reason === null ? {} : { reason }),
      ...obligations,
      ...(trusted ? { explanation: explain(policy, facts, { audience: 'operator' }) } : {}),
    }
    return { allowed, body: { decision: allowed, context }, obligations }
  }
  const answer: Asking = Object.assign(ask, {
    actions,
    async given(search: SubjectSearch | ResourceSearch): Promise<Asking> {
      const known = (await o.known?.(search, request)) ?? null
      const facts = known === null ? null : encodedOrNull(policy, known)
      return facts === null ? answer : answerOf(o, residual(policy, facts), request, promising)
    },
  })
  return answer
}

/** `null` for an action that the schema does not have, which is the caller's word; a fact that it does not have is the host's mistake. */
function encodedOrNull<S extends SchemaSpec>({ schema }: Compiled<S>, input: FactInput<S>): Facts<S> | null {
  try {
    return encode(schema, input)
  } catch (error) {
    if (isPosternError(error, 'policy.action_missing')) return null
    throw error
  }
}

interface Obligation {
  readonly type: string
  readonly id: string
  readonly properties: Readonly<Record<string, unknown>>
}

/** Obligations that the caller has said it can fulfil; those alone (obligations profile, negotiation). */
function obligationsOf<S extends SchemaSpec>(
  { names, obligations }: AuthZenOptions<S>,
  { obligation, attached }: Decision,
  question: AuthZenQuestion,
): readonly Obligation[] {
  const listed = question.context?.['supported_obligations']
  const supported = new Set(Array.isArray(listed) ? listed : [])
  const out: { readonly type: string; readonly properties: Readonly<Record<string, unknown>> }[] = []
  if (obligation !== null) {
    const acr_value = names?.acr?.(obligation.acr) ?? String(obligation.acr)
    // All methods of the list must be used, so that there is one only where there is one way.
    const [only, ...more] = obligation.anyOf
    const amr = only !== undefined && more.length === 0 ? { amr_values: only.map((kind) => names?.amr?.(kind) ?? kind) } : {}
    out.push({ type: 'step-up', properties: { acr_value, ...amr } })
  }
  for (const advice of attached) {
    const found = obligations?.of(advice, question) ?? null
    if (found !== null && obligations!.types.includes(found.type)) out.push(found)
  }
  return out
    .filter(({ type }) => supported.has(type))
    .map(({ type, properties }, i) => ({ type, id: `obl-${i + 1}`, properties }))
}
