/** One answer of one authenticator: one commit, then the next question or the code. */
import type { Ceremony } from '@postern/authenticators/authenticator'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { PosternError } from '@postern/core/errors'
import { type JsonObject, parseJson } from '@postern/core/json'
import type { FallbackCause } from '@postern/policy/document'
import type { Op, Rec } from '@postern/store'
import type { ChallengeAnswer } from '@postern/tokens/challenge'
import { deviceKey } from '../partition.js'
import { riskOfEvent } from '../risk.js'
import { begun, code, failed, open, refused } from './answers.js'
import { type Attempt, aboutOf, aroundOf, ceremonyOf, type LoginRoom } from './attempt.js'
import { judge } from './judge.js'
import type { Candidate, OpenPlan } from './plan.js'
import type { LoginSession } from './session.js'

/** One answer of one authenticator. */
export async function answerStep(room: LoginRoom, at: Attempt): Promise<ChallengeAnswer> {
  const { registry, runner } = room
  const { call, device, session, candidates } = at
  const sent = readStep(call.form.get('step')!)
  const chosen = candidates.find(({ id }) => id === call.form.get('authenticator'))
  const plan = await judge(room, at)
  if (plan.kind !== 'open') return refused(room, at, plan)
  if (chosen === undefined || !allowed(plan, session, chosen))
    throw new PosternError('login.invalid_session', { reason: 'no such choice' })
  const authenticator = registry.get(chosen.value.type)!
  if (!sent.finish) {
    const ran = await runner.begin(
      authenticator,
      { ...ceremonyOf(room, device, chosen), handle: sent.handle },
      sent.step,
      aroundOf(at, call.proofOps),
    )
    if (!ran.ok) return failed(room, session, plan, ran.refusal)
    const left = ran.value.attemptsLeft
    return open(room, session, plan, {
      step: { authenticator: chosen.id, handle: ran.value.handle, step: ran.value.body },
      ...(left === undefined ? {} : { attempts_left: left }),
    })
  }
  return finish(room, at, chosen, sent, plan)
}

/** The last answer: policy is asked again before the commit that counts it, and that commit burns the session when it was the last factor. */
async function finish(
  room: LoginRoom,
  at: Attempt,
  chosen: Candidate,
  sent: { handle: string; step: unknown },
  plan: OpenPlan,
): Promise<ChallengeAnswer> {
  const { registry, runner, data: codec, risk } = room
  const { call, device, session, host } = at
  const { clock } = room.runtime
  const authenticator = registry.get(chosen.value.type)!
  const kept = await codec.open(chosen.value.owner, chosen.value.data)
  const assessed = await risk.assess(
    { subject: session.subject, device, type: chosen.value.type, acr: plan.obligation.acr, failures: session.failures },
    kept.profile,
    host,
  )
  // Only a login that succeeds may teach the profile: the bytes go into the record by the finish's own commit.
  const data = await codec.seal(chosen.value.owner, { ...kept, profile: assessed?.profile ?? kept.profile })
  const c: Ceremony = { ...ceremonyOf(room, device, { ...chosen, value: { ...chosen.value, data } }), handle: sent.handle }
  const verdict = await authenticator.finish(c, sent.step)
  if (!verdict.ok) {
    const ran = await runner.refuse(c, verdict, aroundOf(at, call.proofOps))
    return failed(room, session, plan, ran.ok ? verdict : ran.refusal)
  }
  const done: LoginSession = {
    ...session,
    done: [...session.done, { enrolment: chosen.id, type: chosen.value.type, amr: verdict.amr, at: clock() }],
  }
  const next = await judge(room, { ...at, session: done })
  const last = next.kind === 'satisfied'
  const burn: Op = {
    op: 'put',
    key: deviceKey.challenge(session.id),
    value: new Uint8Array(0),
    rev: null,
    expiresAt: session.expiresAt,
  }
  const succeeded = {
    type: 'login.succeeded',
    outcome: 'success',
    authenticator: chosen.value.type,
    ...riskOfEvent(assessed),
  } as const
  const ran = await runner.settle(c, verdict, {
    ...aroundOf({ session: done, host }, last ? [...call.proofOps, burn] : call.proofOps),
    lost: (key) => (key === burn.key ? new PosternError('login.invalid_session', { reason: 'used' }) : null),
    events: last ? [{ ...aboutOf(at), ...succeeded }] : [],
  })
  if (!ran.ok) return failed(room, session, plan, ran.refusal)
  const updated = withRev(done, chosen.id, ran.value.ops, ran.recs)
  const then = { device, session: updated }
  if (next.kind === 'open') return open(room, updated, next, await begun(room, then, next.choices[0]!))
  if (next.kind !== 'satisfied') return refused(room, at, next)
  return code(room, then, next.level, verdict.facts.failures)
}

/** Whether an answer of this enrolment has a place in the plan: a choice, or what an allowed fallback led to. */
function allowed(plan: OpenPlan, session: LoginSession, chosen: Candidate): boolean {
  if (plan.choices.some(({ id }) => id === chosen.id)) return true
  const edge = session.fallback
  return (
    edge !== null &&
    plan.fallback.some(
      ({ from, to, on }) => from === edge.from && to.includes(chosen.value.type) && on.includes(edge.on as FallbackCause),
    )
  )
}

/** `{ handle, step, finish }`, base64url of JSON. */
function readStep(text: string): { handle: string; step: unknown; finish: boolean } {
  const bytes = text.length <= 65_536 ? decodeBase64url(text) : null
  const value = bytes === null ? null : (parseJson(bytes) as JsonObject)
  if (value === null || typeof value['handle'] !== 'string') throw new PosternError('login.invalid_session', { reason: 'step' })
  return { handle: value['handle'], step: value['step'] ?? null, finish: value['finish'] === true }
}

/** The session with the rev and bytes that a verdict's commit gave an enrolment. */
function withRev(session: LoginSession, id: string, ops: readonly Op[], recs: readonly (Rec | null)[]): LoginSession {
  const at = ops.findIndex((op) => op.op === 'put' && op.key === deviceKey.enrolment(id))
  const rec = at < 0 ? null : (recs[at] ?? null)
  if (rec === null) return session
  return {
    ...session,
    enrolments: session.enrolments.map((one) =>
      one.id === id ? { ...one, rev: rec.rev, value: encodeBase64url(rec.value) } : one,
    ),
  }
}
