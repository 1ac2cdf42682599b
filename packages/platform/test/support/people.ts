/** People at the bank: phones with an instance, a user, and something to log in with. */
import type { PinSlot } from '@postern/authenticators/pin/client'
import type { EventSink } from '@postern/core/events'
import { type MobileSpec, mobileSchema } from '@postern/policy/mobile'
import { type PublishContext, publish } from '@postern/policy/publish'
import { hashSchema } from '@postern/policy/schema'
import type { Runtime } from '@postern/store'
import { createJournal } from '../../src/internal/journal.js'
import { createPolicies, type Policies } from '../../src/internal/policies.js'
import type { Registrar } from '../../src/registration.js'
import { type Answer, type Bank, bankPolicy, createPhone, crypto, type Phone, type PhoneKey } from './bank.js'

export const PIN = '35791'

/** A registrar that believes whoever comes: subjects are told apart, nothing else. */
export const anyone: Readonly<Record<string, Registrar>> = {
  letter: { complete: async ({ data }) => ({ outcome: 'done', subject: String(data), amr: ['kba'] }) },
}

export interface Person {
  readonly phone: Phone
  readonly key: PhoneKey
  readonly enrolToken: string
  /** Registration access token. */
  readonly registration: string
}

/** A phone whose user can log in with a device key. */
export async function withKey(bank: Bank, seed = 1, subject: unknown = 'right code'): Promise<Person> {
  const phone = await createPhone(bank, seed)
  const instance = await sure(() => phone.enrolInstance(), 201)
  const registered = await sure(() => phone.register(subject), 200)
  const enrolToken = String(registered.body['access_token'])
  const { key } = await sure(() => phone.enrolKey('device-key', enrolToken), 201)
  return { phone, key, enrolToken, registration: String(instance.body['registration_access_token']) }
}

/** A phone whose user can log in with a PIN, and with biometrics where asked. */
export async function withPin(
  bank: Bank,
  seed = 1,
  biometric = false,
  subject: unknown = 'right code',
): Promise<Person & { slot: PinSlot }> {
  const phone = await createPhone(bank, seed)
  const instance = await phone.enrolInstance()
  const enrolToken = String((await phone.register(subject)).body['access_token'])
  const slot = await phone.enrolPin(PIN, enrolToken)
  const key = biometric ? (await sure(() => phone.enrolKey('biometric', enrolToken), 201)).key : null
  return { phone, slot, key: key!, enrolToken, registration: String(instance.body['registration_access_token']) }
}

/** Tokens of a login that must succeed. */
export async function tokensOf(person: { phone: Phone; key: PhoneKey }): Promise<Answer> {
  const login = await person.phone.loginKey(person.key)
  return person.phone.token(String(login.body['authorization_code']))
}

async function sure<T extends { status: number; body: unknown }>(call: () => Promise<T>, status: number): Promise<T> {
  const answer = await call()
  if (answer.status !== status) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`)
  return answer
}

/** The bank's policies, and what an operator publishes them with. */
export function policyDesk(
  ports: Omit<Runtime, 'crypto'>,
  sink: EventSink,
): { policies: Policies; ctx: PublishContext<MobileSpec> } {
  const runtime = { ...ports, crypto }
  const journal = createJournal({ runtime, tenant: 'bank', sink })
  const policies = createPolicies({ runtime, tenant: 'bank', id: 'main', schema: mobileSchema, journal })
  const repository = policies.repository(async () => undefined)
  return { policies, ctx: { schema: mobileSchema, crypto, repository, clock: runtime.clock, by: 'op-1' } }
}

/** Publishes the bank's policy with another level for logins and tokens, as an operator does. */
export async function setLevel(bank: Bank, level: number): Promise<void> {
  const { policies, ctx } = policyDesk({ ...bank.ports, store: bank.store }, bank.ports.events)
  const start = bankPolicy(await hashSchema(mobileSchema, crypto))
  const rules = start.rules.map((rule) => (rule.id === 'login-level' ? { ...rule, require: { acr: level } } : rule))
  const parent = (await policies.head('main'))!.version
  await publish({ ...start, parent, rules }, ctx)
  // A node's copy is a second old at most.
  bank.clock.advance(1_000)
}
