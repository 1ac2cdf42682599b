/** The proof of a confirmation: a signature alone, or an authenticator's own ceremony, bound to the answer. */
import { answerLostKey, type KeyLoss } from '@postern/authenticators/deviceKey/client'
import { loginPin } from '@postern/authenticators/pin/client'
import type { TransactionAnswer } from '@postern/authenticators/transaction/client'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { PinQuestion } from '../prompts.js'
import { saidOf } from './answerEnrol.js'
import { askUser } from './answering.js'
import type { Decider } from './confirm.js'
import { drop } from './login.js'
import { type Reply, refusal } from './net.js'
import { cancelled } from './operation.js'
import { pinBytes, pinPorts, readSlot } from './pin.js'

export interface ProofWire {
  /** SHA-256 of what is decided. */
  readonly bind: Uint8Array
  /** The answer, signed where a signature belongs to it. */
  answered(): Promise<TransactionAnswer>
  post(
    end: '' | '/begin',
    json: { readonly answer: TransactionAnswer; readonly handle?: string; readonly step?: unknown },
  ): Promise<Reply>
}

/** Sends an approval with what the chosen authenticator proves. @returns what the server said of the decision */
export async function proveDecision(who: Decider, chosen: { id: string; type: string }, wire: ProofWire): Promise<Reply> {
  const answer = await wire.answered()
  if (['device', 'device-key', 'biometric'].includes(chosen.type)) return wire.post('', { answer })
  if (chosen.type === 'pin') return provePin(who, chosen.id, answer, wire)
  const { prompts, op } = who
  const said = await askUser(chosen.type, {
    purpose: 'confirm',
    prompts,
    op,
    exchange: {
      begin: async (handle, step) => saidOf(await wire.post('/begin', { answer, ...(handle === null ? {} : { handle, step }) })),
      finish: (handle, step) => wire.post('', { answer, handle, step }),
    },
  })
  if (said === null) throw cancelled()
  return said
}

/**
 * Tells the server of a key that the keystore has given up, in the ceremony that it should have signed, and forgets it here; another authenticator may
 * decide then.
 * @throws PosternError `authenticator.removed`, or what the server says instead
 */
export async function tellLost(
  who: Decider,
  { id }: { id: string },
  cause: KeyLoss,
  { bind, answered, post }: ProofWire,
): Promise<never> {
  const { kit, instance, profile, op } = who
  const answer = await answered()
  const said = saidOf(await post('/begin', { answer }))
  if (!said.ok) throw new PosternError(said.code)
  const { handle, step } = said
  const lost = await answerLostKey(step, {
    issuer: kit.issuer,
    tenant: kit.options.app.tenant,
    app: kit.options.app.id,
    device: instance.clientId,
    crypto: kit.options.runtime.crypto,
    purpose: 'confirm',
    bind,
    cause,
    deviceSign: kit.net.sign(instance.keyId, op),
  })
  const error = refusal(await post('', { answer, handle, step: lost }))
  if (error.code === 'authenticator.removed') await drop({ kit, profile: profile.id }, id)
  throw error
}

/** The PIN, asked again while it is wrong and tries are left. */
async function provePin(who: Decider, id: string, answer: TransactionAnswer, { bind, post }: ProofWire): Promise<Reply> {
  const { kit, instance, profile, prompts, op } = who
  let question: PinQuestion = { purpose: 'confirm' }
  let attemptsLeft: number | null = null
  for (;;) {
    const pin = await pinBytes(op.wait(prompts.pin(question, op.signal)))
    try {
      const { result } = await loginPin({
        ...pinPorts(kit, instance, op),
        pin,
        slots: profile.slots.map(readSlot),
        purpose: 'confirm',
        bind,
        exchange: {
          async begin(handle, step) {
            const said = saidOf(await post('/begin', { answer, ...(handle === null ? {} : { handle, step }) }))
            if (!said.ok) throw new PosternError(said.code)
            attemptsLeft = said.attemptsLeft ?? attemptsLeft
            return said
          },
          async finish(handle, step) {
            const reply = await post('', { answer, handle, step })
            // Of a wrong PIN the server is told; what it says then stands in the error's cause.
            if (reply.status >= 300 && !shown(reply)) throw refusal(reply)
            return reply
          },
        },
      })
      return result as Reply
    } catch (error) {
      const code = isPosternError(error, 'pin.wrong') ? error.cause : error
      if (isPosternError(code, 'authenticator.removed')) await drop({ kit, profile: profile.id }, id)
      if (!isPosternError(error, 'pin.wrong')) throw error
      if (isPosternError(code) && code.code !== 'authenticator.failed') throw code
      question = { purpose: 'confirm', reason: 'wrong', ...(attemptsLeft === null ? {} : { attemptsLeft }) }
    } finally {
      pin.fill(0)
    }
  }
}

/** What became of the decision, after the PIN itself was right. */
function shown({ body }: Reply): boolean {
  return typeof body['code'] === 'string' && body['code'].startsWith('transaction.')
}
