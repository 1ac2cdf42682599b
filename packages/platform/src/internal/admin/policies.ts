/** `policies`: what is in force, drafts and what stands against them, publication, return, and one decision explained. */
import { isPosternError, PosternError } from '@postern/core/errors'
import { anyObject, object, text } from '@postern/core/fields'
import { parseJson } from '@postern/core/json'
import { parseDocument } from '@postern/policy/document'
import { explain } from '@postern/policy/explain'
import { encode } from '@postern/policy/facts'
import { type MobileSpec, mobileSchema } from '@postern/policy/mobile'
import { check, type GateReport, type PublishContext, publish, rollback } from '@postern/policy/publish'
import type { FactInput } from '@postern/policy/schema'
import { clockIn } from '@postern/policy/time'
import type { Action } from '../decide.js'
import type { Facts } from '../facts.js'
import { readBytes, readJson } from '../http.js'
import { partition } from '../partition.js'
import type { AdminOptions } from './admin.js'
import type { Answer, Call, Room } from './call.js'
import { createDrafts } from './drafts.js'
import { expectedRev, stale } from './precondition.js'
import { invalid } from './query.js'

const ID = '([a-z0-9][a-z0-9._-]{0,63})'
const MAX_DRAFT_BYTES = 4 * 1024 * 1024
const version = text({ min: 1, max: 64 })
const publishBody = object({ version })
const rollbackBody = object({ to: version })
const decideBody = object({ facts: anyObject })

export function policyRooms(o: AdminOptions): readonly Room[] {
  const { runtime, tenant, policies, repository, decider, journal } = o
  const { clock, crypto } = runtime
  const drafts = createDrafts({ runtime, tenant })

  /** What is in force; the version is the rev. */
  async function standing(id: string): Promise<Required<Pick<Answer, 'body' | 'rev'>> | null> {
    const head = await policies.head(id)
    const bytes = head === null ? null : await repository.load(head.version)
    if (head === null || bytes === null) return null
    return { body: { id, version: head.version, document: parseDocument(bytes).document }, rev: head.version }
  }

  async function draft(call: Call): Promise<Answer> {
    const id = call.params[0]!
    const sent = await draftBytes(call.request)
    const report = await check(sent, { schema: mobileSchema, crypto })
    if (!report.ok || report.version === null) return { body: { version: null, report } }
    const { document, bytes } = parseDocument(sent)
    if (document.id !== id) throw invalid('The id of the document is not the one in the address.')
    const event = journal.event({
      type: 'admin.changed',
      outcome: 'success',
      operator: call.operator.id,
      detail: { resource: `policies/${id}/versions`, change: 'draft', version: report.version },
    })
    await drafts.save(report.version, bytes, event)
    await journal.shipped(partition.policies(tenant), [event], call.host)
    return { status: 201, body: { version: report.version, report } }
  }

  /** Moves the head, if it still is what the operator saw; the repository tells of it in the same commit. */
  async function move(call: Call, act: (id: string, context: PublishContext<MobileSpec>) => Promise<unknown>): Promise<Answer> {
    const id = call.params[0]!
    const seen = expectedRev(call.request)
    const now = await standing(id)
    if ((now?.rev ?? null) !== seen) return stale(now)
    // What was seen is what must be replaced, also when another operator is faster from here on.
    const pinned = { ...repository, head: async () => (seen === null ? null : { version: seen }) }
    try {
      await act(id, { schema: mobileSchema, crypto, clock, repository: pinned, by: call.operator.id })
    } catch (error) {
      if (isPosternError(error, 'policy.head_conflict')) {
        const moved = await standing(id)
        // The head is the one that was seen, but not the one that the draft was edited from.
        if ((moved?.rev ?? null) === seen) throw error
        return stale(moved)
      }
      if (isPosternError(error, 'policy.publish_refused')) return refused(error)
      throw error
    }
    const moved = await standing(id)
    if (moved === null) throw new PosternError('policy.version_unknown')
    return moved
  }

  async function decision(call: Call): Promise<Answer> {
    const { facts } = decideBody(await readJson(call.request))
    const policy = await decider.policy()
    // Time is fixed once, so that the decision and its explanation are about the same instant.
    const asked = { ...clockIn(policy.document.zone)(clock()), ...facts } as unknown as FactInput<MobileSpec>
    try {
      const { action, ...rest } = asked
      const explanation = explain(policy, encode(policy.schema, asked), { audience: 'operator' })
      return { body: { decision: await decider.decide(action as Action, rest as Facts), explanation } }
    } catch (error) {
      if (isPosternError(error, 'policy.fact_unknown', 'policy.action_missing')) throw invalid(error.publicMessage)
      throw error
    }
  }

  return [
    {
      method: 'GET',
      path: new RegExp(`^/v1/policies/${ID}$`),
      scope: 'policy:read',
      async answer({ params: [id] }) {
        const found = await standing(id!)
        if (found === null) throw new PosternError('admin.not_found')
        return found
      },
    },
    {
      method: 'GET',
      path: new RegExp(`^/v1/policies/${ID}/versions$`),
      scope: 'policy:read',
      // Newest first: entries are kept under ids that sort by time.
      answer: async ({ params: [id] }) => ({ body: { versions: [...(await policies.entries(id!))].reverse() } }),
    },
    { method: 'POST', path: new RegExp(`^/v1/policies/${ID}/versions$`), scope: 'policy:write', answer: draft },
    {
      method: 'POST',
      path: new RegExp(`^/v1/policies/${ID}/publish$`),
      scope: 'policy:publish',
      async answer(call) {
        const wanted = publishBody(await readJson(call.request)).version
        return move(call, async (id, context) => {
          const bytes = (await drafts.load(wanted)) ?? (await repository.load(wanted))
          if (bytes === null || parseDocument(bytes).document.id !== id) throw new PosternError('policy.version_unknown')
          return publish(bytes, context)
        })
      },
    },
    {
      method: 'POST',
      path: new RegExp(`^/v1/policies/${ID}/rollback$`),
      scope: 'policy:publish',
      async answer(call) {
        const { to } = rollbackBody(await readJson(call.request))
        return move(call, (id, context) => rollback(id, to, context))
      },
    },
    { method: 'POST', path: new RegExp(`^/v1/policies/${ID}/decide$`), scope: 'policy:read', answer: decision },
  ]
}

/** The draft as it was sent: strict JSON, in a size that a policy may have. */
async function draftBytes(request: Request): Promise<Uint8Array> {
  const type = (request.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase()
  if (type !== 'application/json') throw new PosternError('request.content_type')
  const bytes = await readBytes(request, MAX_DRAFT_BYTES)
  anyObject(parseJson(bytes, { maxBytes: MAX_DRAFT_BYTES, maxMembers: 1_000_000 }))
  return bytes
}

/** 422 with everything that stands against the version. */
function refused(error: PosternError): Answer {
  const { findings } = error.cause as GateReport
  return { status: 422, body: { error: 'invalid_request', error_description: error.publicMessage, code: error.code, findings } }
}
