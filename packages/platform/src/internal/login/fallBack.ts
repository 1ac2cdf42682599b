/** Fallback between authenticators: only by an edge that policy lists, for the cause that it lists, and never to less than is demanded. */
import { planRemove } from '@postern/authenticators/enrolment'
import { PosternError } from '@postern/core/errors'
import type { FallbackCause } from '@postern/policy/document'
import { fallbackFor } from '@postern/policy/obligations'
import { newRev } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { ChallengeAnswer } from '@postern/tokens/challenge'
import { begun, open, refused } from './answers.js'
import { type Attempt, aboutOf, type LoginRoom } from './attempt.js'
import { judge } from './judge.js'
import { authenticatorFacts, type Candidate } from './plan.js'
import type { LoginSession } from './session.js'

/** What a client may name; `not-enrolled` and `locked` the server sees for itself. */
const causes: readonly FallbackCause[] = ['unavailable', 'cancelled', 'failed', 'os-lockout', 'key-invalidated', 'user-choice']

/** Another authenticator in place of one that cannot be used, by an edge that policy lists for that cause. */
export async function fallBack(room: LoginRoom, at: Attempt): Promise<ChallengeAnswer> {
  const { decider, journal } = room
  const { call, device, session, candidates, host } = at
  const cause = call.form.get('fallback') as FallbackCause
  const from = candidates.find(({ id }) => id === call.form.get('authenticator'))
  const plan = await judge(room, at)
  if (plan.kind !== 'open') return refused(room, at, plan)
  if (from === undefined || !causes.includes(cause)) throw new PosternError('login.invalid_session', { reason: 'unknown cause' })
  const have = authenticatorFacts(await decider.policy(room.ceiling(device)), candidates, session.done)
  const types = fallbackFor(plan.obligation, from.value.type, cause, have)
  const to = candidates.find((one) => types.includes(one.value.type) && one.value.status === 'active' && !one.locked)
  const gone = (cause === 'os-lockout' || cause === 'key-invalidated') && from.value.key !== null
  // The key behind it is useless now, whether or not there is a way round it.
  if (gone && from.value.status === 'active') await removeEnrolment(room, at, from, cause)
  const left = gone ? session.enrolments.filter(({ id }) => id !== from.id) : session.enrolments
  const next: LoginSession = { ...session, enrolments: left, fallback: { from: from.value.type, on: cause } }
  if (to === undefined) return open(room, next, plan, { code: 'authenticator.none_usable' })
  await journal.refusal(
    {
      ...aboutOf(at),
      type: 'login.fallback',
      outcome: 'success',
      authenticator: to.value.type,
      reason: cause,
      detail: { from: from.value.type },
    },
    host,
  )
  return open(room, next, { ...plan, choices: [to] }, await begun(room, { device, session: next }, to))
}

async function removeEnrolment(
  room: LoginRoom,
  at: Attempt,
  from: Candidate,
  cause: 'os-lockout' | 'key-invalidated',
): Promise<void> {
  const { places, registry, journal } = room
  const { store, clock, random } = room.runtime
  const part = places.device(at.device.id)
  const event = journal.event({
    ...aboutOf(at),
    type: 'authenticator.removed',
    outcome: 'success',
    authenticator: from.value.type,
    reason: cause,
  })
  const ops = [...planRemove(from, cause, registry.get(from.value.type)?.remove(from.id) ?? []), eventOp(event)]
  const done = await store.commit(part, ops, { now: clock(), rev: newRev(random) })
  if (done.ok) await journal.shipped(part, [event], at.host)
}
