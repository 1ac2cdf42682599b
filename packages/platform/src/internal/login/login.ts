/**
 * Native login: the port behind `/authorize-challenge` (OAuth for First-Party Apps). Policy says which authenticators satisfy the request and which
 * may stand in for which; each answer is one authenticator's step and one commit; policy is asked again before a code is made.
 */
import { hex } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import { ulid } from '@postern/core/ids'
import type { ChallengeAnswer, ChallengePort, ChallengeRequest } from '@postern/tokens/challenge'
import type { HostContext } from '../../node.js'
import type { Device } from '../deviceRecord.js'
import { PASSKEY } from '../passkeys.js'
import { begun, open, refused } from './answers.js'
import type { Attempt, LoginOptions, LoginRoom } from './attempt.js'
import { discover, nobody } from './discover.js'
import { answerStep } from './factor.js'
import { fallBack } from './fallBack.js'
import { judge } from './judge.js'
import { candidatesOf, readLogin } from './read.js'
import { createRunner } from './run.js'
import { type LoginSession, SESSION_MS } from './session.js'

export function createLogin(options: LoginOptions): ChallengePort {
  const room: LoginRoom = { ...options, runner: createRunner(options) }
  return {
    proof: 'joined',
    async challenge(call, { host }) {
      const device = room.instances.deviceOf(call.client)
      if (device.value.status !== 'active') throw new PosternError('device.removed')
      try {
        const session = await sessionOf(room, call, device, host)
        const at: Attempt = { call, device, session, candidates: await candidatesOf(room, session), host }
        if (session.owner === '') return await discover(room, at)
        if (call.form.has('fallback')) return await fallBack(room, at)
        if (call.form.has('step')) return await answerStep(room, at)
        return await offer(room, at, call.form.get('authenticator') ?? null)
      } catch (error) {
        if (!isPosternError(error, 'login.invalid_session')) throw error
        return { kind: 'error', error: 'invalid_session', members: { code: error.code } }
      }
    },
  }
}

/** Shows the choices, and begins one of them so that the common case needs no extra trip. */
async function offer(room: LoginRoom, at: Attempt, wanted: string | null): Promise<ChallengeAnswer> {
  const plan = await judge(room, at)
  if (plan.kind !== 'open') return refused(room, at, plan)
  const chosen = wanted === null ? plan.choices[0] : plan.choices.find(({ id }) => id === wanted)
  if (chosen === undefined) return open(room, at.session, plan, { code: 'authenticator.not_enrolled' })
  // A message goes out when the user asks for it, not because a login is looked at.
  const first = wanted === null && chosen.value.type === 'code' ? {} : await begun(room, at, chosen)
  return open(room, at.session, plan, first)
}

/** The session that was sent, or a new one; a new request in an old session starts over with what it remembers. */
async function sessionOf(
  room: LoginRoom,
  call: ChallengeRequest,
  device: Device,
  host: HostContext | undefined,
): Promise<LoginSession> {
  const { sessions, acr } = room
  const { clock, random } = room.runtime
  const follows = call.form.has('step') || call.form.has('authenticator') || call.form.has('fallback')
  const sent =
    call.authSession === null ? null : await sessions.open(call.authSession, { device: device.id, jkt: device.value.jkt })
  if (sent !== null && follows) return sent
  if (call.codeChallenge === null) throw new PosternError('login.invalid_session', { reason: 'no session and no request' })
  const request = {
    scope: call.scope,
    resource: call.resource,
    acr: demanded(acr, call.acrValues),
    maxAge: call.maxAge,
    codeChallenge: call.codeChallenge,
  }
  const fresh = {
    id: hex(random(16)),
    done: [],
    fallback: null,
    request,
    flow: ulid(clock, random),
    expiresAt: clock() + SESSION_MS,
  }
  // A session that is kept over a code remembers whose it is and nothing that decides: a lock, a status or a risk of an hour ago is none.
  const profile = call.form.get('profile') ?? (sent?.owner ? sent.owner.slice(4) : null)
  if (profile === null && call.form.get('authenticator') === PASSKEY) return { ...nobody(device.id, device.value.jkt), ...fresh }
  return { ...(await readLogin(room, device, { profile }, host)), ...fresh }
}

/** The least of the levels that would do; a login needs none of them in particular. */
function demanded(acr: readonly string[], values: readonly string[]): number {
  if (values.length === 0) return 0
  const levels = values.map((value) => acr.indexOf(value) + 1).filter((level) => level > 0)
  if (levels.length === 0) throw new PosternError('acr.unreachable')
  return Math.min(...levels)
}
