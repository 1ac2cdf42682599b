/** Authenticators that the app's screens answer, in a login. */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { askUser, type Exchange } from './answering.js'
import { type Answer, type Open, stepOf } from './challenge.js'
import { drop, edge, fallBack, type Login, stepFor } from './login.js'
import { cancelled } from './operation.js'

/** A passkey, a code, a host's own authenticator: the app's screens answer. */
export async function proveByAnswer(login: Login, from: Open, chosen: { id: string; type: string }): Promise<Answer> {
  const { prompts, op } = login
  let open = from
  const exchange: Exchange<Answer> = {
    async begin(handle, step) {
      if (handle === null) {
        const begun = await stepFor(login, open, chosen.id)
        open = { ...begun.open, step: null }
        return { ok: true, handle: begun.asked.handle, step: begun.asked.step as JsonObject, attemptsLeft: null }
      }
      const said = await login.ask(open, { authenticator: chosen.id, step: stepOf(handle, step, false) })
      if (said.kind === 'done') throw new PosternError('authenticator.failed', { reason: 'a code before the end' })
      open = said
      const { attemptsLeft } = said
      if (said.step?.authenticator === chosen.id)
        return { ok: true, handle: said.step.handle, step: said.step.step as JsonObject, attemptsLeft }
      return { ok: false, code: said.code ?? 'authenticator.failed', attemptsLeft }
    },
    finish: (handle, step) => login.ask(open, { authenticator: chosen.id, step: stepOf(handle, step, true) }),
  }
  let said: Answer | null
  try {
    said = await askUser(chosen.type, { exchange, purpose: 'login', prompts, op })
  } catch (error) {
    if (isPosternError(error, 'authenticator.removed')) await drop(login, chosen.id)
    if (!isPosternError(error, 'authenticator.failed') || !edge(open, chosen.type, 'failed')) throw error
    return fallBack(login, open, chosen, 'failed')
  }
  if (said === null) {
    if (!edge(open, chosen.type, 'cancelled')) throw cancelled()
    return fallBack(login, open, chosen, 'cancelled')
  }
  if (said.kind === 'done' || said.code === null) return said
  if (said.code !== 'authenticator.failed' || !edge(said, chosen.type, 'failed')) throw new PosternError(said.code)
  return fallBack(login, said, chosen, 'failed')
}
