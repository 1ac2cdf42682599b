/** A new user on this device: who he is, by a page or by the host's own registrar, and then his PIN. */
import { enrolPin } from '@postern/authenticators/pin/client'
import { encodeBase64url } from '@postern/core/base64url'
import { isPosternError, PosternError } from '@postern/core/errors'
import { checkPin } from '@postern/policy/pin/policy'
import type { RegisterHow, Session } from '../client.js'
import type { NewPinQuestion, Prompts } from '../prompts.js'
import { registerInBrowser } from './browser.js'
import { fetchBundle } from './bundle.js'
import { discover } from './discover.js'
import { exchangeOf, type Listed, listEnrolments } from './enrolments.js'
import { instanceOf, type Kit, pkce, withProfile } from './kit.js'
import { textOf } from './net.js'
import type { Operation } from './operation.js'
import { pinBytes, pinPorts, writeSlot } from './pin.js'
import type { Tokens } from './session.js'
import type { ClientState, InstanceState, ProfileState } from './state.js'

const MAX_PROFILES = 16

export async function register(
  kit: Kit,
  how: RegisterHow,
  prompts: Prompts,
  userData: readonly string[],
  op: Operation,
): Promise<Session> {
  const state = await op.wait(kit.state.read())
  const instance = instanceOf(state)
  if (state.profiles.filter(({ confirmed }) => confirmed).length >= MAX_PROFILES) throw new PosternError('profile.too_many')
  const tokens =
    how === 'browser'
      ? await registerInBrowser(kit, instance, op)
      : how === 'passkey'
        ? await discover(kit, instance, prompts, op)
        : await registerCustom(kit, instance, how, op)
  const listed = await listEnrolments(kit, instance, tokens.access, op)
  const profile = (await adopt(kit, listed)) ?? (await createPin(kit, instance, tokens, listed, prompts, userData, op))
  const session: Session = { profile, acr: null, scope: tokens.scope, expiresAt: tokens.expiresAt, failures: 0 }
  kit.sessions.set({ session, instance, api: null })
  kit.sessions.setOwn({ profile, tokens })
  return session
}

/** The host's own way in one step: its registrar says who it is. */
async function registerCustom(
  kit: Kit,
  instance: InstanceState,
  how: Exclude<RegisterHow, string>,
  op: Operation,
): Promise<Tokens> {
  if (!/^[a-z0-9-]{1,64}$/.test(how.custom)) throw new PosternError('registration.unknown')
  const { verifier, challenge } = await pkce(kit)
  const json = {
    client_id: instance.clientId,
    ...(how.data === undefined ? {} : { data: how.data }),
    code_challenge: challenge,
    code_challenge_method: 'S256',
  }
  const call = { method: 'POST', path: `/registrations/${how.custom}/complete`, key: instance, json } as const
  const { body } = await kit.net.demand(call, op)
  const form = { grant_type: 'authorization_code', code: textOf(body, 'authorization_code'), code_verifier: verifier }
  return kit.sessions.redeem({ instance, form }, op)
}

/** The profile that is this user's already: one that is used, or one whose last answer was lost. */
async function adopt(kit: Kit, { ref, enrolments }: Listed): Promise<string | null> {
  const { profiles } = await kit.state.read()
  const mine = profiles.find((profile) => profile.ref === ref)
  const alive = mine?.enrolments.filter(({ id }) => enrolments.some((one) => one.id === id && one.status === 'active')) ?? []
  if (mine !== undefined && alive.length > 0) {
    await kit.state.update((state) => withProfile(state, mine.id, (one) => ({ ...one, confirmed: true })))
    return mine.id
  }
  // A PIN that lives there and not here cannot be used, nor another made beside it.
  if (enrolments.some(({ type, status }) => type === 'pin' && status === 'active'))
    throw new PosternError('registration.rejected', { reason: 'enrolled on this device, and the device has forgotten' })
  return null
}

/** A PIN that the policy takes. The slot is stored before the server is told, so that a lost answer loses no PIN. */
async function createPin(
  kit: Kit,
  instance: InstanceState,
  { access }: Tokens,
  { ref }: Listed,
  prompts: Prompts,
  userData: readonly string[],
  op: Operation,
): Promise<string> {
  const { pin, policyHash } = await newPin(kit, prompts, userData, op)
  const id = encodeBase64url(kit.options.runtime.random(9))
  let sent = false
  const exchange = exchangeOf(kit, instance, access, '/enrolments/pin', op)
  try {
    await enrolPin({
      ...pinPorts(kit, instance, op),
      exchange: {
        begin: exchange.begin,
        finish(handle, answer) {
          sent = true
          return exchange.finish(handle, answer)
        },
      },
      pin,
      policyHash,
      keep: async (slot) => {
        const enrolments = [{ id: slot.enrolment, type: 'pin', keyId: null }]
        const profile: ProfileState = { id, ref, confirmed: false, enrolments, slots: [writeSlot(slot)] }
        await op.wait(
          kit.state.update((state) => ({ ...without(state, ref), profiles: [...without(state, ref).profiles, profile] })),
        )
      },
    })
  } catch (error) {
    if (sent && isPosternError(error, 'net.unreachable', 'net.offline') && (await lives(kit, instance, access, id, op)))
      return confirm(kit, id)
    // Sent and unanswered: kept unseen, for the next registration of this user to find.
    if (!sent || !isPosternError(error, 'net.unreachable', 'net.offline', 'net.limited', 'client.cancelled'))
      await kit.state.update((state) => withProfile(state, id, () => null))
    throw error
  } finally {
    pin.fill(0)
  }
  return confirm(kit, id)
}

async function confirm(kit: Kit, id: string): Promise<string> {
  await kit.state.update((state) => withProfile(state, id, (one) => ({ ...one, confirmed: true })))
  return id
}

/** Whether the server has what its lost answer was about. */
async function lives(kit: Kit, instance: InstanceState, token: string, id: string, op: Operation): Promise<boolean> {
  const { enrolments } = await listEnrolments(kit, instance, token, op)
  const { profiles } = await kit.state.read()
  const slot = profiles.find((profile) => profile.id === id)?.slots[0]
  return enrolments.some((one) => one.id === slot?.enrolment && one.status === 'active')
}

/** Asks until the policy passes; the server never sees a PIN, so nobody else can judge it. @throws PosternError `pin.rejected` for what is no digits */
export async function newPin(
  kit: Kit,
  prompts: Prompts,
  userData: readonly string[],
  op: Operation,
): Promise<{ pin: Uint8Array; policyHash: Uint8Array }> {
  const { pinPolicy: policy, policyHash } = await fetchBundle(kit, op)
  const { policy: rules, blocklists } = await kit.blockLists.load(policy, op)
  let question: NewPinQuestion = { policy }
  for (;;) {
    const pin = await pinBytes(op.wait(prompts.newPin(question, op.signal)))
    const { ok, violations } = checkPin(rules, pin, { userData, blocklists })
    if (ok) return { pin, policyHash }
    pin.fill(0)
    question = { policy, violations }
  }
}

function without(state: ClientState, ref: string): ClientState {
  return { ...state, profiles: state.profiles.filter((profile) => profile.ref !== ref) }
}
