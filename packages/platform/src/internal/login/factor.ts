/** One answer of one authenticator: one commit, then the next question or the code. */
import type { Assessment } from '@postern/anomaly/reasons'
import type { Ceremony, Refusal, Success, Verdict } from '@postern/authenticators/authenticator'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { PosternError } from '@postern/core/errors'
import { type JsonObject, parseJson } from '@postern/core/json'
import type { FallbackCause } from '@postern/policy/document'
import type { Op, Rec } from '@postern/store'
import type { ChallengeAnswer } from '@postern/tokens/challenge'
import { ceremonyOf, locatedCeremony } from '../ceremony.js'
import { deviceKey } from '../partition.js'
import { PASSKEY } from '../passkeys.js'
import { riskOfEvent } from '../risk.js'
import { begun, code, failed, open, refused, unnamed } from './answers.js'
import { type Attempt, aboutOf, aroundOf, askedOf, type LoginRoom } from './attempt.js'
import { judge } from './judge.js'
import type { Candidate, OpenPlan } from './plan.js'
import type { LoginSession } from './session.js'

/** One answer of one authenticator. */
export async function answerStep(room: LoginRoom, at: Attempt): Promise<ChallengeAnswer> {
  const { registry, runner } = room
  const { call, session, candidates } = at
  const sent = readStep(call.form.get('step')!)
  const chosen = candidates.find(({ id }) => id === call.form.get('authenticator'))
  const plan = await judge(room, at)
  if (plan.kind !== 'open') return refused(room, at, plan)
  if (chosen === undefined || !allowed(plan, session, chosen))
    throw new PosternError('login.invalid_session', { reason: 'no such choice' })
  const authenticator = registry.get(chosen.value.type)!
  const asked = { ...askedOf(room, at, chosen), handle: sent.handle }
  if (!sent.finish) {
    const ran = await runner.begin(authenticator, await ceremonyOf(room, asked), sent.step, aroundOf(at, call.proofOps))
    if (!ran.ok) return failed(room, session, plan, ran.refusal)
    const left = ran.value.attemptsLeft
    return open(room, session, plan, {
      step: { authenticator: chosen.id, handle: ran.value.handle, step: ran.value.body },
      ...(left === undefined ? {} : { attempts_left: left }),
    })
  }
  const c =
    chosen.value.type === PASSKEY ? (await locatedCeremony(room, asked, sent.step)).ceremony : await ceremonyOf(room, asked)
  const proof = await prove(room, at, c, sent.step, { subject: session.subject, acr: plan.obligation.acr })
  return proof.ok ? conclude(room, at, proof, plan) : failed(room, session, plan, proof.refusal)
}

/** A verdict, and what it takes to make something of it. */
export interface Proof {
  readonly ok: true
  readonly ceremony: Ceremony
  readonly verdict: Success
  readonly assessed: Assessment | null
  /** The verdict again, for a commit that came too late. */
  readonly again: () => Promise<Verdict>
}

/** Asks the authenticator for its verdict; a no is committed here. */
export async function prove(
  room: LoginRoom,
  at: Attempt,
  asked: Ceremony,
  answer: unknown,
  who: { readonly subject: string; readonly acr: number },
): Promise<Proof | { readonly ok: false; readonly refusal: Refusal }> {
  const { registry, runner, data: codec, risk } = room
  const { call, device, session, host } = at
  const { enrolment } = asked
  const value = enrolment?.value ?? null
  const type = value?.type ?? PASSKEY
  const authenticator = registry.get(type)!
  let c = asked
  let assessed: Assessment | null = null
  if (enrolment !== null && value !== null) {
    const kept = await codec.open(value.owner, value.data)
    const facts = { subject: who.subject, device, type, acr: who.acr, failures: session.failures }
    assessed = await risk.assess(facts, kept.profile, host)
    // Only a login that succeeds may teach the profile: the bytes go into the record by the finish's own commit.
    const data = await codec.seal(value.owner, { ...kept, profile: assessed?.profile ?? kept.profile })
    c = { ...asked, enrolment: { ...enrolment, value: { ...value, data } } }
  }
  const verdict = await authenticator.finish(c, answer)
  if (verdict.ok) return { ok: true, ceremony: c, verdict, assessed, again: () => authenticator.finish(c, answer) }
  const ran = await runner.refuse(c, verdict, aroundOf(at, call.proofOps))
  return { ok: false, refusal: ran.ok ? verdict : ran.refusal }
}

/** The commit of a verdict: policy is asked again before it, and it burns the session when this was the last factor. */
export async function conclude(
  room: LoginRoom,
  at: Attempt,
  { ceremony: c, verdict, assessed, again }: Proof,
  plan: OpenPlan | null,
): Promise<ChallengeAnswer> {
  const { runner, places } = room
  const { call, device, session, host } = at
  const { type, enrolment } = verdict.facts
  const factor = { enrolment, type, amr: verdict.amr, at: room.runtime.clock() }
  const done: LoginSession = { ...session, done: [...session.done, factor] }
  const next = await judge(room, { ...at, session: done })
  const last = next.kind === 'satisfied'
  const burn: Op = {
    op: 'put',
    key: deviceKey.challenge(session.id),
    value: new Uint8Array(0),
    rev: null,
    expiresAt: session.expiresAt,
  }
  const lost = (key: string) => (key === burn.key ? new PosternError('login.invalid_session', { reason: 'used' }) : null)
  const own = last ? [...call.proofOps, burn] : call.proofOps
  // A passkey commits with its user. Where a factor came before it, the session must be burnt where that one could be spent again.
  const apart = c.part.id !== places.device(device.id).id && session.done.length > 0
  if (apart) await runner.spend(places.device(device.id), own, lost)
  const ran = await runner.settle(c, verdict, {
    ...aroundOf({ session: done, host }, apart ? [] : own),
    lost,
    again,
    events: last
      ? [{ ...aboutOf(at), type: 'login.succeeded', outcome: 'success', authenticator: type, ...riskOfEvent(assessed) }]
      : [],
  })
  if (!ran.ok) return plan === null ? unnamed() : failed(room, session, plan, ran.refusal)
  const updated = withRev(done, enrolment, ran.value.ops, ran.recs)
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
export function readStep(text: string): { handle: string; step: unknown; finish: boolean } {
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
