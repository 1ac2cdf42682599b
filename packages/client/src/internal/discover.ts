/** A user whom this device does not know yet, named by a passkey of his: a token for enrolling comes of it. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Prompts } from '../prompts.js'
import { askChallenge, stepOf } from './challenge.js'
import { type Kit, pkce } from './kit.js'
import { cancelled, type Operation } from './operation.js'
import type { Tokens } from './session.js'
import type { InstanceState } from './state.js'

/** @throws PosternError `authenticator.*` | `client.cancelled` | … */
export async function discover(kit: Kit, instance: InstanceState, prompts: Prompts, op: Operation): Promise<Tokens> {
  if (prompts.passkey === undefined) throw new PosternError('authenticator.unsupported', { reason: 'no screen' })
  const { verifier, challenge } = await pkce(kit)
  const asked = await askChallenge(
    kit.net,
    instance,
    {
      response_type: 'code',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      scope: 'enrol',
      resource: kit.issuer,
      authenticator: 'webauthn',
    },
    op,
  )
  if (asked.kind === 'done' || asked.step === null)
    throw new PosternError('authenticator.failed', { reason: 'nothing was asked' })
  const { handle, step, authenticator } = asked.step
  const publicKey = (step as JsonObject)['publicKey'] ?? null
  const given = await op.wait(prompts.passkey({ purpose: 'login', publicKey }, op.signal))
  if (given === null) throw cancelled()
  const form = { auth_session: asked.authSession, authenticator, step: stepOf(handle, given, true) }
  const done = await askChallenge(kit.net, instance, form, op)
  // It may be no more than one factor of what is asked of an enrolment here.
  if (done.kind === 'open') throw new PosternError(done.code ?? 'authenticator.failed')
  return kit.sessions.redeem(
    { instance, form: { grant_type: 'authorization_code', code: done.code, code_verifier: verifier } },
    op,
  )
}
