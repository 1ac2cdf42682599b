/** Native login (OAuth for First-Party Apps): the server says what would do, the user or a key answers, and what cannot be used falls back. */
import { answerKey } from '@postern/authenticators/deviceKey/client'
import { PosternError } from '@postern/core/errors'
import type { AcrRequest } from '../client.js'
import type { SignCause } from '../ports.js'
import type { Prompts } from '../prompts.js'
import { answerable } from './answering.js'
import { proveByAnswer } from './answerLogin.js'
import { type Answer, type Asked, askChallenge, type Done, type Open, stepOf } from './challenge.js'
import { instanceOf, type Kit, pkce, profileOf, withoutEnrolment, withProfile } from './kit.js'
import { cancelled, type Operation } from './operation.js'
import { provePin } from './pinLogin.js'
import type { Tokens } from './session.js'
import { type EnrolmentState, guarded, type InstanceState, type ProfileState } from './state.js'

export interface LoginRequest extends AcrRequest {
  readonly profile: string
  readonly scope: readonly string[]
  readonly resource: string
  readonly prefer?: string | undefined
}

/** A login under way. */
export interface Login {
  readonly kit: Kit
  readonly instance: InstanceState
  readonly profile: string
  readonly prompts: Prompts
  readonly op: Operation
  /** The next request of the same session. */
  ask(open: Open, form: Readonly<Record<string, string>>): Promise<Answer>
}

/** More rounds than any policy has factors: an answer that never ends is no login. */
const MAX_ROUNDS = 16

/** A login up to its tokens. Nothing of it is stored; a failed one leaves the session that was. */
export async function authenticate(
  kit: Kit,
  request: LoginRequest,
  prompts: Prompts,
  op: Operation,
): Promise<{ tokens: Tokens; failures: number; instance: InstanceState; acr: string | null }> {
  const state = await op.wait(kit.state.read())
  const instance = instanceOf(state)
  const { ref, id } = profileOf(state, request.profile)
  const { verifier, challenge } = await pkce(kit)
  const { acr, maxAge, scope, resource } = request
  const first = {
    response_type: 'code',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    profile: ref,
    scope: scope.join(' '),
    resource,
    ...(acr === undefined ? {} : { acr_values: acr }),
    ...(maxAge === undefined ? {} : { max_age: String(maxAge) }),
  }
  const login: Login = {
    kit,
    instance,
    profile: id,
    prompts,
    op,
    ask: (open, form) => askChallenge(kit.net, instance, { auth_session: open.authSession, ...form }, op),
  }
  const done = await walk(login, await askChallenge(kit.net, instance, first, op), request.prefer)
  const form = { grant_type: 'authorization_code', code: done.code, code_verifier: verifier }
  const { body, ...tokens } = await kit.sessions.redeem({ instance, form }, op)
  return { tokens, failures: done.failures, instance, acr: acrOf(tokens.access) }
}

async function walk(login: Login, first: Answer, prefer: string | undefined): Promise<Done> {
  const { prompts } = login
  let answer = first
  let wanted: string | undefined
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if (answer.kind === 'done') return answer
    const profile = await known(login)
    const here = (id: string) => profile.enrolments.find((one) => one.id === id)
    // A passkey is no device's; of the rest only what lives here can answer, and only what the app has a screen for.
    const usable = answer.choices.filter(({ id, type }) =>
      type === 'webauthn' ? answerable(type, prompts) : here(id) !== undefined && (byDevice(type) || answerable(type, prompts)),
    )
    const chosen =
      usable.find(({ id }) => id === wanted) ??
      usable.find(({ type }) => type === prefer) ??
      (round === 0 && usable.length > 1 ? await choose(login, usable) : usable[0])
    if (chosen === undefined) {
      // Nothing that the server offers is on this device any more: the first of it is as good as broken.
      const [broken] = answer.choices
      if (broken === undefined || wanted === broken.id) throw new PosternError('authenticator.none_usable')
      wanted = broken.id
      answer = await fallBack(login, answer, broken, 'unavailable')
      continue
    }
    const reason = answer.fallen ? ('fallback' as const) : null
    const enrolment = here(chosen.id)
    const next =
      chosen.type === 'pin'
        ? await provePin(login, answer, chosen.id, reason)
        : enrolment !== undefined && enrolment.keyId !== null
          ? await proveKey(login, answer, enrolment)
          : await proveByAnswer(login, answer, chosen)
    wanted = next.kind === 'open' ? next.choices[0]?.id : undefined
    answer = next
  }
  throw new PosternError('authenticator.failed', { reason: 'too many rounds' })
}

/** What the device itself proves, or a PIN typed on it. */
function byDevice(type: string): boolean {
  return type === 'pin' || type === 'device-key' || type === 'biometric'
}

/** Whether policy lets something stand in for this type for this cause. */
export function edge({ fallback }: Open, type: string, cause: string): boolean {
  return fallback.some(({ from, on }) => from === type && on.includes(cause))
}

async function known({ kit, profile }: Login): Promise<ProfileState> {
  return profileOf(await kit.state.read(), profile)
}

async function choose({ prompts, op }: Login, usable: Open['choices']): Promise<Open['choices'][number] | undefined> {
  if (prompts.choose === undefined) return usable[0]
  const id = await op.wait(prompts.choose(usable, op.signal))
  if (id === null) throw cancelled()
  return usable.find((one) => one.id === id) ?? usable[0]
}

/** The step of an enrolment: the one that came along, or begun now. */
export async function stepFor(login: Login, open: Open, id: string): Promise<{ asked: Asked; open: Open }> {
  if (open.step?.authenticator === id) return { asked: open.step, open }
  const answer = await login.ask(open, { authenticator: id })
  if (answer.kind === 'done' || answer.step?.authenticator !== id)
    throw new PosternError(answer.kind === 'open' ? (answer.code ?? 'authenticator.failed') : 'authenticator.failed')
  return { asked: answer.step, open: answer }
}

/** A key of the keystore, with or without the user's finger in front of it. */
async function proveKey(login: Login, from: Open, enrolment: EnrolmentState): Promise<Answer> {
  const { kit, instance, op, prompts } = login
  const { runtime, app, keystore } = kit.options
  const { asked, open } = await stepFor(login, from, enrolment.id)
  let cause: SignCause | null = null
  const prompt = prompts.biometric === undefined ? {} : { prompt: prompts.biometric }
  const sign = async (data: Uint8Array): Promise<Uint8Array> => {
    const outcome = await op.wait(guarded(() => keystore.sign(enrolment.keyId!, data, { ...prompt, signal: op.signal })))
    if (outcome.ok) return outcome.signature
    cause = outcome.cause
    throw new PosternError('authenticator.failed', { reason: outcome.cause })
  }
  const names = { issuer: kit.issuer, tenant: app.tenant, app: app.id, device: instance.clientId }
  const step = await answerKey(asked.step, { ...names, crypto: runtime.crypto, purpose: 'login', sign }).catch(
    (error: unknown) => {
      if (cause === null) throw error
      return null
    },
  )
  if (step === null) return fallBack(login, open, { id: enrolment.id, type: enrolment.type }, causes[cause!])
  const answer = await login.ask(open, { authenticator: enrolment.id, step: stepOf(asked.handle, step, true) })
  if (answer.kind === 'done' || answer.code === null) return answer
  if (answer.code === 'authenticator.removed') await drop(login, enrolment.id)
  if (answer.code !== 'authenticator.failed' || !edge(answer, enrolment.type, 'failed')) throw new PosternError(answer.code)
  return fallBack(login, answer, enrolment, 'failed')
}

/** What the server is told of a keystore's refusal. */
const causes: Readonly<Record<SignCause, string>> = {
  cancelled: 'cancelled',
  'locked-out': 'unavailable',
  'locked-out-permanently': 'os-lockout',
  'key-invalidated': 'key-invalidated',
  unavailable: 'unavailable',
}

/** What may stand in for an authenticator that cannot be used. */
export async function fallBack(login: Login, open: Open, from: { id: string; type: string }, cause: string): Promise<Open> {
  const gone = cause === 'os-lockout' || cause === 'key-invalidated'
  const answer = await login.ask(open, { authenticator: from.id, fallback: cause })
  // The server has removed it in this very call; here it goes the same way.
  if (gone) await drop(login, from.id)
  if (answer.kind === 'done') throw new PosternError('authenticator.failed', { reason: 'a code without a factor' })
  if (answer.code === null) return { ...answer, fallen: true }
  throw cause === 'cancelled' ? cancelled() : new PosternError(answer.code)
}

/** Forgets an enrolment that is none any more; with its last one the profile goes. */
export async function drop({ kit, profile }: Pick<Login, 'kit' | 'profile'>, id: string): Promise<void> {
  const state = await kit.state.read()
  const keyId = state.profiles.find((one) => one.id === profile)?.enrolments.find((one) => one.id === id)?.keyId ?? null
  await kit.state.update((now) => withProfile(now, profile, (one) => withoutEnrolment(one, id)))
  if (keyId !== null) await kit.options.keystore.remove(keyId).catch(() => undefined)
}

/** The level inside a token: for the app's eyes, not for a decision. */
function acrOf(token: string): string | null {
  try {
    const { acr } = JSON.parse(atob(token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/'))) as { acr?: unknown }
    return typeof acr === 'string' ? acr : null
  } catch {
    return null
  }
}
