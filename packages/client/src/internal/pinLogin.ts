/** The PIN in a login: asked, proved, and asked again while it is wrong and tries are left. */
import { loginPin, type PinClientOptions } from '@postern/authenticators/pin/client'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { PinQuestion } from '../prompts.js'
import { type Answer, type Open, stepOf } from './challenge.js'
import { withProfile } from './kit.js'
import { drop, type Login, stepFor } from './login.js'
import { pinBytes, pinPorts, readSlot } from './pin.js'

/** The answer that followed the right PIN. @throws PosternError `authenticator.*` | `client.cancelled` | … */
export async function provePin(login: Login, from: Open, id: string, reason: 'fallback' | null): Promise<Answer> {
  const { kit, prompts, op, profile } = login
  let open = from
  let question: PinQuestion = reason === null ? { purpose: 'login' } : { purpose: 'login', reason }
  for (;;) {
    const pin = await pinBytes(op.wait(prompts.pin(question, op.signal)))
    const run = await attempt(login, open, id, pin)
    if (run.right) {
      // A change that was interrupted left two; the one that just worked is the one that lives.
      await kit.state.update((state) => {
        const slots = state.profiles.find((one) => one.id === profile)?.slots ?? []
        if (slots.length < 2) return state
        return withProfile(state, profile, (one) => ({
          ...one,
          slots: slots.filter(({ generation }) => generation === run.generation),
        }))
      })
      return run.answer
    }
    open = run.open
    question = { purpose: 'login', reason: 'wrong', ...(run.attemptsLeft === null ? {} : { attemptsLeft: run.attemptsLeft }) }
  }
}

type Attempt =
  | { readonly right: true; readonly answer: Answer; readonly generation: number }
  | { readonly right: false; readonly open: Open; readonly attemptsLeft: number | null }

/** One PIN. A handle that lapsed while the user typed is begun once more, with the same digits: nothing was counted for it. */
async function attempt(login: Login, from: Open, id: string, pin: Uint8Array): Promise<Attempt> {
  const { kit, instance, op, profile } = login
  const spare = pin.slice()
  let open = from
  let attemptsLeft: number | null = null
  let lapsed = false
  let last: Answer | null = null
  const send = async (handle: string, answer: unknown, finish: boolean): Promise<Answer> => {
    const said = await login.ask(open, { authenticator: id, step: stepOf(handle, answer, finish) })
    if (said.kind === 'open') open = said
    return said
  }
  const exchange: PinClientOptions['exchange'] = {
    async begin(handle, answer) {
      if (handle === null) {
        const begun = await stepFor(login, open, id)
        open = { ...begun.open, step: null }
        return begun.asked
      }
      const said = await send(handle, answer, false)
      if (said.kind === 'done' || said.step?.authenticator !== id) {
        lapsed = said.kind === 'open' && said.code === 'authenticator.failed'
        throw new PosternError((said.kind === 'open' ? said.code : null) ?? 'authenticator.failed')
      }
      attemptsLeft = said.attemptsLeft
      return said.step
    },
    async finish(handle, answer) {
      last = await send(handle, answer, true)
      return last
    },
  }
  const slots = (await kit.state.read()).profiles.find((one) => one.id === profile)?.slots ?? []
  const options = { ...pinPorts(kit, instance, op), exchange, slots: slots.map(readSlot), purpose: 'login' } as const
  try {
    const { slot, result } = await loginPin({ ...options, pin }).catch((error: unknown) => {
      if (!lapsed) throw error
      lapsed = false
      return loginPin({ ...options, pin: spare })
    })
    const answer = result as Answer
    if (answer.kind === 'open' && answer.code !== null) throw new PosternError(answer.code)
    return { right: true, answer, generation: slot.generation }
  } catch (error) {
    if (isPosternError(error, 'authenticator.removed')) await drop(login, id)
    if (!isPosternError(error, 'pin.wrong')) throw error
    // What the server said when it was told: go on, or that was the last try.
    if (isPosternError(error.cause, 'authenticator.removed')) await drop(login, id)
    if (isPosternError(error.cause)) throw error.cause
    return { right: false, open: last ?? open, attemptsLeft } as Attempt
  } finally {
    spare.fill(0)
    pin.fill(0)
  }
}
