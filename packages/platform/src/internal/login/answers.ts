/** What `/authorize-challenge` answers: choices, a refusal, or a login for which a code is made. */
import type { Refusal } from '@postern/authenticators/authenticator'
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import { decodeBase64url } from '@postern/core/base64url'
import { hex } from '@postern/core/bytes'
import type { JsonObject } from '@postern/core/json'
import type { ChallengeAnswer } from '@postern/tokens/challenge'
import { ceremonyOf } from '../ceremony.js'
import { deviceKey } from '../partition.js'
import { PASSKEY } from '../passkeys.js'
import { type Attempt, aboutOf, aroundOf, askedOf, type LoginRoom } from './attempt.js'
import type { Candidate, OpenPlan, Plan } from './plan.js'
import { type LoginSession, SESSION_MS } from './session.js'

/** What is still open: the choices, the ways round them, and the session to come back with. */
export async function open(
  room: LoginRoom,
  session: LoginSession,
  plan: OpenPlan,
  members: JsonObject,
): Promise<ChallengeAnswer> {
  const { clock } = room.runtime
  return {
    kind: 'error',
    error: 'insufficient_authorization',
    members: {
      auth_session: await room.sessions.seal(session),
      expires_in: Math.max(0, Math.floor((session.expiresAt - clock()) / 1000)),
      acr: room.acr[plan.obligation.acr - 1] ?? null,
      choices: plan.choices.map(({ id, value, preferred }) => ({ id, type: value.type, preferred })),
      fallback: plan.fallback.map(({ from, to, on }) => ({ from, to: [...to], on: [...on] })),
      ...members,
    },
  }
}

/** The first step of an authenticator, as a member of an answer. */
export async function begun(room: LoginRoom, at: Pick<Attempt, 'device' | 'session'>, chosen: Candidate): Promise<JsonObject> {
  const { registry, runner } = room
  const authenticator = registry.get(chosen.value.type)!
  const ran = await runner.begin(
    authenticator,
    await ceremonyOf(room, askedOf(room, at, chosen)),
    null,
    aroundOf({ ...at, host: undefined }, []),
  )
  // Another choice may still do: the login stays open, and says what became of this one.
  if (!ran.ok) return { code: shownCode(ran.refusal.code) }
  return { step: { authenticator: chosen.id, handle: ran.value.handle, step: ran.value.body } }
}

/** The end of a login that policy denies or nothing can satisfy. */
export async function refused(room: LoginRoom, at: Pick<Attempt, 'device' | 'session'>, plan: Plan): Promise<ChallengeAnswer> {
  const code =
    plan.kind === 'denied'
      ? plan.decision.reason === 'step_up'
        ? 'policy.denied'
        : (plan.decision.reason ?? 'policy.denied')
      : plan.kind === 'unreachable'
        ? plan.code
        : 'policy.denied'
  await room.journal.refusal({ ...aboutOf(at), type: 'login.refused', outcome: 'refused', reason: code }, undefined)
  return {
    kind: 'error',
    error: 'access_denied',
    members: { code, ...(plan.kind === 'denied' ? { decision: at.session.flow } : {}) },
  }
}

/** A no to somebody whom nobody knows yet: one for every way of being wrong, and the login begins anew. */
export function unnamed(): ChallengeAnswer {
  return { kind: 'error', error: 'insufficient_authorization', members: { code: 'authenticator.failed' } }
}

/** An answer that was not accepted. */
export async function failed(room: LoginRoom, session: LoginSession, plan: OpenPlan, refusal: Refusal): Promise<ChallengeAnswer> {
  const code = shownCode(refusal.code)
  const { attemptsLeft, body } = refusal
  const members: JsonObject = {
    code,
    ...(attemptsLeft === undefined ? {} : { attempts_left: attemptsLeft }),
    // What a host's own authenticator says beside the code.
    ...(body === undefined ? {} : { detail: body }),
  }
  if (refusal.next !== 'retry') return { kind: 'error', error: 'insufficient_authorization', members }
  return open(room, session, plan, members)
}

/** The device key has proved itself in this request, so it may learn of its own lock or end, and of a message; how a proof was wrong it may not. */
function shownCode(code: Refusal['code']): string {
  return shown.includes(code) ? code : 'authenticator.failed'
}

const shown: readonly Refusal['code'][] = [
  'authenticator.removed',
  'authenticator.locked',
  'device.removed',
  'otp.too_many',
  'otp.undelivered',
]

/** A finished login, for the token server to make a code of: guarded by every record that it rests on. */
export async function code(
  room: LoginRoom,
  { device, session }: Pick<Attempt, 'device' | 'session'>,
  level: number,
  failures: number,
): Promise<ChallengeAnswer> {
  const { clock, random } = room.runtime
  const types = session.done.map(({ type }) => type)
  const passkeys = session.done.flatMap(({ type, enrolment }) => (type === PASSKEY ? [enrolment] : []))
  const own = session.enrolments.filter(({ passkey }) => passkey !== true)
  const proven = own.filter(({ id }) => session.done.some(({ enrolment }) => enrolment === id))
  return {
    kind: 'code',
    login: {
      subject: session.subject,
      authTime: clock(),
      acr: room.acr[level - 1]!,
      amr: [...new Set(session.done.flatMap(({ amr }) => amr))],
      guards: [
        { key: deviceKey.record, rev: device.rev },
        ...proven.map(({ id, rev }) => ({ key: deviceKey.enrolment(id), rev })),
        // As it was judged, not as it is when the code is made: a block in between ends the code.
        session.epoch,
      ],
      facts: {
        flow: session.flow,
        methods: types,
        enrolments: proven.map(({ id }) => id),
        ...(passkeys.length === 0 ? {} : { passkeys, owner: session.owner }),
        level,
        status: session.status,
        risk: session.risk === null ? null : { ...session.risk, reasons: [...session.risk.reasons] },
      },
      // A family may only be where a block of its user reaches: on an instance where he has confirmed something.
      ...(own.some(({ value }) => decodeEnrolment(decodeBase64url(value)!).status === 'active') ? {} : { refresh: false }),
    },
    authSession: await room.sessions.seal({
      ...session,
      id: hex(random(16)),
      done: [],
      fallback: null,
      expiresAt: clock() + SESSION_MS,
    }),
    scope: session.request.scope,
    codeChallenge: session.request.codeChallenge,
    resource: session.request.resource,
    members: { failures },
  }
}
