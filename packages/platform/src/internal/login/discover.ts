/**
 * A login whose user is not known: a passkey of his names him. Nothing is said of him before its signature is good, and nothing of how an answer
 * was wrong.
 */

import { PosternError } from '@postern/core/errors'
import type { ChallengeAnswer } from '@postern/tokens/challenge'
import { type Asked, ceremonyOf, locatedCeremony } from '../ceremony.js'
import { PASSKEY } from '../passkeys.js'
import { unnamed } from './answers.js'
import { type Attempt, aroundOf, type LoginRoom } from './attempt.js'
import { conclude, prove, readStep } from './factor.js'
import { candidatesOf, readLogin } from './read.js'
import type { LoginSession } from './session.js'

/** What a session begins with before anybody is named. */
export function nobody(
  device: string,
  jkt: string,
): Omit<LoginSession, 'id' | 'request' | 'done' | 'fallback' | 'flow' | 'expiresAt'> {
  return {
    device,
    jkt,
    owner: '',
    subject: '',
    status: 'active',
    epoch: { key: '', rev: null },
    failures: 0,
    enrolments: [],
    risk: null,
  }
}

/** Asks for any passkey that this app's users have, or takes the answer of one. */
export async function discover(room: LoginRoom, at: Attempt): Promise<ChallengeAnswer> {
  const { registry, runner, sessions, runtime } = room
  const { call, device, session, host } = at
  const authenticator = registry.get(PASSKEY)
  if (authenticator === null) throw new PosternError('authenticator.disabled')
  const asked: Asked = { type: PASSKEY, purpose: 'login', device, user: null, enrolment: null }
  const text = call.form.get('step')
  if (text === undefined) {
    const ran = await runner.begin(authenticator, await ceremonyOf(room, asked), null, aroundOf({ session, host }, []))
    if (!ran.ok) throw new PosternError('authenticator.failed', { reason: ran.refusal.reason })
    const { handle, body } = ran.value
    return {
      kind: 'error',
      error: 'insufficient_authorization',
      members: {
        auth_session: await sessions.seal(session),
        expires_in: Math.max(0, Math.floor((session.expiresAt - runtime.clock()) / 1000)),
        acr: null,
        choices: [{ id: PASSKEY, type: PASSKEY, preferred: false }],
        fallback: [],
        step: { authenticator: PASSKEY, handle, step: body },
      },
    }
  }
  const sent = readStep(text)
  const { ceremony, user } = await locatedCeremony(room, { ...asked, handle: sent.handle }, sent.step)
  const value = ceremony.enrolment?.value ?? null
  const subject = value === null ? '' : (await room.data.open(value.owner, value.data)).subject
  const proof = await prove(room, at, ceremony, sent.step, { subject, acr: session.request.acr })
  if (!proof.ok || value === null || user === null) return unnamed()
  const start = await readLogin(room, device, { profile: null, named: { owner: value.owner, subject } }, host)
  // His own record is the word on him: its copy here may not exist yet.
  const named: LoginSession = { ...session, ...start, status: user.status === 'active' ? start.status : user.status }
  return conclude(room, { ...at, session: named, candidates: await candidatesOf(room, named) }, proof, null)
}
