/**
 * The outward API: OpenID AuthZEN Authorization API 1.0 as one web handler. Evaluation, evaluations with their three semantics, the three searches,
 * metadata, and the obligations profile (draft 1). Who may ask is the host's question: authenticate callers before this is reached.
 */
import type { JsonObject } from '@postern/core/json'
import type { Compiled } from './compile.js'
import type { Advice } from './document.js'
import { type Answer, type Asking, answerOf } from './internal/authzen/answer.js'
import {
  action,
  context,
  entity,
  entityType,
  Malformed,
  object,
  page,
  question,
  readObject,
  reply,
} from './internal/authzen/wire.js'
import type { FactInput, SchemaSpec } from './schema.js'

/** A subject or a resource. */
export interface AuthZenEntity {
  readonly type: string
  readonly id: string
  readonly properties?: JsonObject
}
export interface AuthZenAction {
  readonly name: string
  readonly properties?: JsonObject
}
/** One question; in a search the host gets it once a candidate, complete. */
export interface AuthZenQuestion {
  readonly subject: AuthZenEntity
  readonly action: AuthZenAction
  readonly resource: AuthZenEntity
  readonly context?: JsonObject
}
/** An obligation without its id. */
export interface AuthZenObligation {
  readonly type: string
  readonly properties: JsonObject
}
/** Candidates of a search, in an order that stays; those after the id that is given, all where it is `null`. */
export type Candidates<Q> = (search: Q, after: string | null) => AsyncIterable<AuthZenEntity>
export type SubjectSearch = Omit<AuthZenQuestion, 'subject'> & { readonly subject: { readonly type: string } }
export type ResourceSearch = Omit<AuthZenQuestion, 'resource'> & { readonly resource: { readonly type: string } }
export type ActionSearch = Omit<AuthZenQuestion, 'action'>

/** Emit `true` with a `step-up` obligation where the caller has said that it enforces one. A caller that lies about it then lets people through. */
export const permitBeforeStepUp: unique symbol = /* @__PURE__ */ Symbol('postern.permitBeforeStepUp')

export interface AuthZenOptions<S extends SchemaSpec = SchemaSpec> {
  /** Identifier of this decision point: an `https` URL without query. */
  readonly pdp: string
  /** The policy in force, asked once a request. */
  readonly policy: () => Compiled<S> | Promise<Compiled<S>>
  /** What is known of a question, relations such as the owner included; `null` where nothing is: denied. */
  readonly facts: (question: AuthZenQuestion, request: Request) => FactInput<S> | null | Promise<FactInput<S> | null>
  /**
   * What is known of a subject or resource search before its candidates, the action included; {@link facts} says the same of each. Rules that this
   * settles are then asked once, and not for every candidate.
   */
  readonly known?: (
    search: SubjectSearch | ResourceSearch,
    request: Request,
  ) => FactInput<S> | null | Promise<FactInput<S> | null>
  /** A new id for every decision. */
  readonly decisionId: () => string
  /** Actions to search among; default the values of the schema's `action`. */
  readonly actions?: (search: ActionSearch) => Iterable<string>
  readonly subjects?: Candidates<SubjectSearch>
  readonly resources?: Candidates<ResourceSearch>
  /** Seals where a page ended into its token and opens it again, `null` for one that is not its own. Without it a search has one page. */
  readonly pages?: { seal(text: string): Promise<string>; open(token: string): Promise<string | null> }
  /** Results of a page, default and most: 100. Candidates looked at for one, most: 10,000. */
  readonly limits?: { readonly results?: number; readonly candidates?: number }
  /** Callers that get explanations. */
  readonly trusted?: (request: Request) => boolean
  /** Names of levels and of authenticators as `acr_value` and `amr_values`; default the number and the kind. */
  readonly names?: { readonly acr?: (level: number) => string; readonly amr?: (kind: string) => string }
  /** What a rule's advice obliges the caller to, by the types listed. */
  readonly obligations?: {
    readonly types: readonly string[]
    readonly of: (advice: Advice, question: AuthZenQuestion) => AuthZenObligation | null
  }
  /** Told of what ends in a 500. */
  readonly failed?: (error: unknown) => void
  readonly [permitBeforeStepUp]?: true
}

const maxEvaluations = 256
const semantics = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const

/**
 * The handler. An unmet step-up is `decision: false`, with a `step-up` obligation for a caller that lists it in `context.supported_obligations`, else with
 * the reason `step_up_required`: a caller that ignores `context` must not let it through. Malformed requests get 400, failures 500, with fixed bodies.
 */
export function authzen<S extends SchemaSpec>(o: AuthZenOptions<S>): (request: Request) => Promise<Response> {
  const url = new URL(o.pdp)
  const at = url.pathname.replace(/\/$/, '')
  const base = url.origin + at
  const most = o.limits?.results ?? 100
  const maxCandidates = o.limits?.candidates ?? 10_000

  const routes: Readonly<Record<string, (body: JsonObject, ask: Asking) => Promise<unknown>>> = {
    evaluation: async (body, ask) => (await ask(question(body))).body,
    evaluations,
    'search/action': searchAction,
    ...(o.subjects ? { 'search/subject': searchSubject } : {}),
    ...(o.resources ? { 'search/resource': searchResource } : {}),
  }
  const metadata = {
    policy_decision_point: o.pdp,
    access_evaluation_endpoint: `${base}/access/v1/evaluation`,
    access_evaluations_endpoint: `${base}/access/v1/evaluations`,
    search_action_endpoint: `${base}/access/v1/search/action`,
    ...(o.subjects ? { search_subject_endpoint: `${base}/access/v1/search/subject` } : {}),
    ...(o.resources ? { search_resource_endpoint: `${base}/access/v1/search/resource` } : {}),
    supported_obligations: ['step-up', ...(o.obligations?.types ?? [])],
  }

  return async (request) => {
    const { pathname } = new URL(request.url)
    if (pathname === `/.well-known/authzen-configuration${at}`)
      return request.method === 'GET' ? reply(request, 200, metadata) : reply(request, 405, 'Only GET is answered here.')
    const name = pathname.startsWith(`${at}/access/v1/`) ? pathname.slice(at.length + '/access/v1/'.length) : ''
    const route = Object.hasOwn(routes, name) ? routes[name]! : null
    if (route === null) return reply(request, 404, 'There is no such endpoint.')
    if (request.method !== 'POST') return reply(request, 405, 'Only POST is answered here.')
    try {
      const body = await readObject(request)
      const policy = await o.policy()
      return reply(request, 200, await route(body, answerOf(o, policy, request, o[permitBeforeStepUp] === true)))
    } catch (error) {
      if (error instanceof Malformed) return reply(request, 400, 'The request is malformed.')
      o.failed?.(error)
      return reply(request, 500, 'The request could not be answered.')
    }
  }

  /** AuthZEN 1.0 §7: defaults from the top, member by member; without evaluations, one question. */
  async function evaluations(body: JsonObject, ask: Asking): Promise<unknown> {
    const { evaluations: members, options, ...defaults } = body
    if (members === undefined || (Array.isArray(members) && members.length === 0)) return (await ask(question(body))).body
    if (!Array.isArray(members) || members.length > maxEvaluations) throw new Malformed()
    if (defaults['subject'] !== undefined) entity(defaults['subject'])
    if (defaults['resource'] !== undefined) entity(defaults['resource'])
    if (defaults['action'] !== undefined) action(defaults['action'])
    context(defaults)
    const semantic = (options === undefined ? undefined : object(options)['evaluations_semantic']) ?? 'execute_all'
    if (!(semantics as readonly unknown[]).includes(semantic)) throw new Malformed()
    const out: unknown[] = []
    for (const member of members) {
      const { allowed, body: answer } = await one(() => ask(question({ ...defaults, ...object(member) })))
      out.push(answer)
      if (allowed ? semantic === 'permit_on_first_permit' : semantic === 'deny_on_first_deny') break
    }
    return { evaluations: out }
  }

  async function searchAction(body: JsonObject, ask: Asking): Promise<unknown> {
    const search = { subject: entity(body['subject']), resource: entity(body['resource']), ...context(body) }
    const results: unknown[] = []
    for (const name of o.actions?.(search) ?? ask.actions) {
      const { allowed, obligations } = await ask({ ...search, action: { name } })
      if (allowed) results.push({ name, ...obligations })
    }
    return { results }
  }

  async function searchSubject(body: JsonObject, ask: Asking): Promise<unknown> {
    const type = entityType(body['subject'])
    const search = { subject: { type }, action: action(body['action']), resource: entity(body['resource']), ...context(body) }
    return paged(
      { kind: 'subject', type, search, candidates: o.subjects!, whole: (subject) => ({ ...search, subject }) },
      body,
      ask,
    )
  }

  async function searchResource(body: JsonObject, ask: Asking): Promise<unknown> {
    const type = entityType(body['resource'])
    const search = { subject: entity(body['subject']), action: action(body['action']), resource: { type }, ...context(body) }
    return paged(
      { kind: 'resource', type, search, candidates: o.resources!, whole: (resource) => ({ ...search, resource }) },
      body,
      ask,
    )
  }

  /** One page of the candidates that are allowed. A token says where the last page ended, not what was asked: that is judged anew. */
  async function paged<Q extends SubjectSearch | ResourceSearch>(
    { kind, type, search, candidates, whole }: Searched<Q>,
    body: JsonObject,
    ask: Asking,
  ): Promise<unknown> {
    const { token, limit } = page(body)
    const start = token === null ? null : placeOf(await o.pages?.open(token), kind, type)
    const narrow = await ask.given(search)
    const results: unknown[] = []
    let seen = 0
    let last: string | null = null
    for await (const candidate of candidates(search, start)) {
      if (last !== null && (results.length >= Math.min(limit ?? most, most) || seen >= maxCandidates))
        return {
          results,
          page: {
            next_token: (await o.pages?.seal(`${kind}\n${type}\n${encodeURIComponent(last)}`)) ?? '',
            count: results.length,
          },
        }
      seen++
      last = candidate.id
      if (candidate.type !== type) continue
      const { allowed, obligations } = await narrow(whole(candidate))
      if (allowed) results.push({ type, id: candidate.id, ...obligations })
    }
    return { results, page: { next_token: '', count: results.length } }
  }
}

interface Searched<Q> {
  readonly kind: 'subject' | 'resource'
  readonly type: string
  readonly search: Q
  readonly candidates: Candidates<Q>
  readonly whole: (candidate: AuthZenEntity) => AuthZenQuestion
}

/** A malformed member of a batch is denied for itself. */
async function one(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    const message = 'The evaluation is malformed.'
    return { allowed: false, body: { decision: false, context: { error: { status: 400, message } } }, obligations: {} }
  }
}

function placeOf(opened: string | null | undefined, kind: string, type: string): string {
  const [after, ...scope] = typeof opened === 'string' ? opened.split('\n').reverse() : []
  if (after === undefined || scope.reverse().join('\n') !== `${kind}\n${type}`) throw new Malformed()
  return decodeURIComponent(after)
}
