/** Ways to log in, added, changed and put first: each needs a token for the platform's own endpoints, and so a fresh login. */
import { answerKeyEnrolment } from '@postern/authenticators/deviceKey/client'
import { changePin as changePinOf } from '@postern/authenticators/pin/client'
import { encodeBase64url } from '@postern/core/base64url'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Enrolment } from '../client.js'
import type { PinQuestion, Prompts } from '../prompts.js'
import { enrolByAnswer } from './answerEnrol.js'
import { answerable } from './answering.js'
import { exchangeOf, listEnrolments } from './enrolments.js'
import { instanceOf, type Kit, profileOf, withProfile } from './kit.js'
import { authenticate, drop } from './login.js'
import { cancelled, type Operation } from './operation.js'
import { pinBytes, pinPorts, readSlot, writeSlot } from './pin.js'
import { newPin } from './register.js'
import { guarded, type InstanceState } from './state.js'

/** Who enrols: a profile of this device, with a token to do it. */
interface Enroller {
  readonly kit: Kit
  readonly instance: InstanceState
  readonly profile: string
  readonly token: string
  readonly prompts: Prompts
  readonly op: Operation
}

/** What an app may enrol beside the PIN, which `register` makes. */
export type EnrolType = 'device-key' | 'biometric' | 'webauthn' | 'otp' | 'code' | `custom:${string}`

/** Another way to log in. */
export function enrol(kit: Kit, type: EnrolType, prompts: Prompts, op: Operation): Promise<Enrolment> {
  if (type === 'device-key' || type === 'biometric') return enrolKey(kit, type, prompts, op)
  if (!(type === 'otp' ? prompts.newSecret !== undefined : answerable(type, prompts)))
    throw new PosternError('authenticator.unsupported', { reason: 'no screen' })
  return withToken(kit, prompts, op, async (who) => {
    const { instance, profile, token } = who
    const made = await enrolByAnswer(kit, instance, token, type, prompts, op)
    // A passkey is the user's, wherever he is; what else there is lives on this device.
    if (type !== 'webauthn')
      await kit.state.update((state) =>
        withProfile(state, profile, (one) => ({ ...one, enrolments: [...one.enrolments, { ...made, keyId: null }] })),
      )
    return made
  })
}

/** A second key of the device, with or without biometrics in front of it. */
async function enrolKey(kit: Kit, type: 'device-key' | 'biometric', prompts: Prompts, op: Operation): Promise<Enrolment> {
  return withToken(kit, prompts, op, async (who) => {
    const { instance, profile, token } = who
    const { app, runtime, keystore } = kit.options
    const there = profileOf(await kit.state.read(), profile).enrolments.some((one) => one.type === type)
    if (there) throw new PosternError('authenticator.already_enrolled')
    const exchange = exchangeOf(kit, instance, token, `/enrolments/${type}`, op)
    const { handle, step } = await exchange.begin(null, null)
    const keyId = `${type}.${encodeBase64url(runtime.random(9))}`
    let kept = false
    try {
      const presence = type === 'biometric' ? 'biometric' : 'none'
      const { publicKey } = await op.wait(guarded(() => keystore.create(keyId, { presence })))
      const answer = await answerKeyEnrolment(step, {
        issuer: kit.issuer,
        tenant: app.tenant,
        app: app.id,
        device: instance.clientId,
        crypto: runtime.crypto,
        key: { publicJwk: publicKey, sign: (data) => signWith(who, keyId, data) },
        deviceSign: kit.net.sign(instance.keyId, op),
      })
      const { id } = await finished(who, () => exchange.finish(handle, answer as never), {
        type,
        id: (step as { enrolment: string }).enrolment,
      })
      await kit.state.update((state) =>
        withProfile(state, profile, (one) => ({ ...one, enrolments: [...one.enrolments, { id, type, keyId }] })),
      )
      kept = true
      return { id, type }
    } finally {
      if (!kept) await keystore.remove(keyId).catch(() => undefined)
    }
  })
}

async function signWith({ kit, prompts, op }: Enroller, keyId: string, data: Uint8Array): Promise<Uint8Array> {
  const prompt = prompts.biometric === undefined ? {} : { prompt: prompts.biometric }
  const outcome = await op.wait(guarded(() => kit.options.keystore.sign(keyId, data, { ...prompt, signal: op.signal })))
  if (outcome.ok) return outcome.signature
  throw outcome.cause === 'cancelled' ? cancelled() : new PosternError('authenticator.unsupported', { reason: outcome.cause })
}

/** What a finish said; when its answer was lost, what the server has. */
async function finished(
  { kit, instance, token, op }: Enroller,
  finish: () => Promise<unknown>,
  made: Enrolment,
): Promise<Enrolment> {
  try {
    await finish()
  } catch (error) {
    if (!isPosternError(error, 'net.unreachable')) throw error
    const { enrolments } = await listEnrolments(kit, instance, token, op)
    if (!enrolments.some(({ id, status }) => id === made.id && status === 'active')) throw error
  }
  return made
}

/** The old PIN proves itself, the new one is registered and proves itself. Both slots are kept until the server has swapped. */
export async function changePin(kit: Kit, prompts: Prompts, userData: readonly string[], op: Operation): Promise<Enrolment> {
  return withToken(kit, prompts, op, async (who) => {
    const { instance, profile, token } = who
    const enrolment = profileOf(await kit.state.read(), profile).enrolments.find(({ type }) => type === 'pin')
    if (enrolment === undefined) throw new PosternError('authenticator.not_enrolled')
    const { id } = enrolment
    const exchange = exchangeOf(kit, instance, token, `/enrolments/${id}/change`, op)
    // Begun before anybody types: where a fresher login is due, it comes first.
    let first: Awaited<ReturnType<typeof exchange.begin>> | null = await exchange.begin(null, null)
    let attemptsLeft: number | undefined
    const counting = {
      ...exchange,
      async begin(handle: string | null, answer: Parameters<typeof exchange.begin>[1]) {
        const sent = handle === null && first !== null ? first : await exchange.begin(handle, answer)
        first = null
        attemptsLeft = (sent as { attemptsLeft?: number }).attemptsLeft ?? attemptsLeft
        return sent
      },
    }
    let question: PinQuestion = { purpose: 'change' }
    let next: Uint8Array | null = null
    let policyHash = new Uint8Array(0)
    try {
      for (;;) {
        const pin = await pinBytes(op.wait(prompts.pin(question, op.signal)))
        if (next === null) {
          const chosen = await newPin(kit, prompts, userData, op)
          next = chosen.pin
          policyHash = new Uint8Array(chosen.policyHash)
        }
        const { slots } = profileOf(await kit.state.read(), profile)
        const options = { ...pinPorts(kit, instance, op), exchange: counting, slots: slots.map(readSlot), policyHash }
        try {
          const { slot } = await changePinOf({
            ...options,
            pin,
            newPin: next.slice(),
            keep: async (made) => {
              await op.wait(
                kit.state.update((state) =>
                  withProfile(state, profile, (one) => ({ ...one, slots: [...slots, writeSlot(made)] })),
                ),
              )
            },
          })
          await kit.state.update((state) => withProfile(state, profile, (one) => ({ ...one, slots: [writeSlot(slot)] })))
          return { id, type: 'pin' }
        } catch (error) {
          if (isPosternError(error, 'authenticator.removed')) await drop({ kit, profile }, id)
          if (!isPosternError(error, 'pin.wrong')) throw error
          if (isPosternError(error.cause, 'authenticator.removed')) await drop({ kit, profile }, id)
          if (isPosternError(error.cause) && error.cause.code !== 'authenticator.failed') throw error.cause
          question = { purpose: 'change', reason: 'wrong', ...(attemptsLeft === undefined ? {} : { attemptsLeft }) }
        }
      }
    } finally {
      next?.fill(0)
    }
  })
}

/** Puts a way to log in first. */
export async function prefer(kit: Kit, type: string, prompts: Prompts, op: Operation): Promise<Enrolment> {
  return withToken(kit, prompts, op, async ({ instance, profile, token }) => {
    const found = profileOf(await kit.state.read(), profile).enrolments.find((one) => one.type === type)
    if (found === undefined) throw new PosternError('authenticator.not_enrolled')
    const call = { method: 'PUT', path: '/enrolments/preferred', key: instance, token, json: { id: found.id } } as const
    await kit.net.demand(call, op)
    return { id: found.id, type }
  })
}

/** Runs with the token at hand, or after a login for one; once more where the server wants a fresher. */
async function withToken<T>(kit: Kit, prompts: Prompts, op: Operation, body: (who: Enroller) => Promise<T>): Promise<T> {
  const state = await op.wait(kit.state.read())
  const instance = instanceOf(state)
  const confirmed = state.profiles.filter((one) => one.confirmed)
  const profile = kit.sessions.live?.session.profile ?? (confirmed.length === 1 ? confirmed[0]!.id : null)
  if (profile === null) throw new PosternError('login.required')
  const own = kit.sessions.own
  if (own?.profile === profile) {
    try {
      return await body({ kit, instance, profile, token: own.tokens.access, prompts, op })
    } catch (error) {
      if (!isPosternError(error, 'login.required', 'token.invalid')) throw error
      kit.sessions.setOwn(null)
    }
  }
  const { tokens } = await authenticate(kit, { profile, scope: ['enrol'], resource: kit.issuer }, prompts, op)
  kit.sessions.setOwn({ profile, tokens })
  return body({ kit, instance, profile, token: tokens.access, prompts, op })
}
