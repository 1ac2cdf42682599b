/** Codes over the platform's own endpoints: from an app that makes them, or in a message of the host's. */

import { type CustomInput, createCustom } from '@postern/authenticators/custom'
import { readDevices } from '@postern/authenticators/devices'
import { createOtp } from '@postern/authenticators/otp/server'
import { totp } from '@postern/authenticators/otp/totp'
import { type CodeMessage, createSentCode } from '@postern/authenticators/sentCode'
import { decodeBase32 } from '@postern/core/base32'
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { AuthenticatorKit } from '@postern/platform'
import { starterDocument } from '@postern/policy/mobile'
import { newRev } from '@postern/store'
import { places } from '@postern/tokens/places'
import { describe, expect, it } from 'vitest'
import { type Answer, createBank, createPhone, crypto, ISSUER, type Phone } from '../support/bank.js'
import { withKey } from '../support/people.js'

const timer = (task: () => void, ms: number) => {
  const handle = setTimeout(task, ms)
  return () => clearTimeout(handle)
}

async function bankWithCodes(over: Parameters<typeof createBank>[0] = {}) {
  const sent: { readonly to: string; readonly code: string }[] = []
  let kit: AuthenticatorKit | undefined
  const deliver = async (message: CodeMessage) => void sent.push({ to: await kit!.subjectOf(message), code: message.code })
  const bank = await createBank({
    authenticators(own, given) {
      kit = given
      return [...own, createOtp(given), createSentCode({ deliver, timer, ...given })]
    },
    policy: (schema) =>
      starterDocument({
        id: 'main',
        schema,
        levels: { pin: 2, biometric: 2, 'device-key': 3, otp: 2, code: 2 },
        login: 2,
        confirm: 2,
        acceptUnchecked: ['other'],
      }),
    ...over,
  })
  return { bank, sent }
}

/** Both answers of an enrolment, as far as they go: the last answer. */
async function enrol(
  phone: Phone,
  token: string,
  type: string,
  codeFor: (step: Record<string, unknown>) => string,
  tried: boolean,
): Promise<Answer> {
  const post = (end: string, json: object) => phone.send('POST', `/enrolments/${type}/${end}`, json, token)
  const first = await post('begin', {})
  if (first.status !== 200) return first
  const code = codeFor(first.body['step'] as Record<string, unknown>)
  if (!tried) return post('finish', { handle: first.body['handle'], step: { code } })
  const second = await post('begin', { handle: first.body['handle'], step: { code } })
  return second.status === 200 ? post('finish', { handle: second.body['handle'] }) : second
}

interface Session {
  readonly auth_session: string
  readonly authenticator: string
  readonly handle: string
}

const sessionIn = ({ body }: Answer): Session => {
  const { authenticator, handle } = body['step'] as { authenticator: string; handle: string }
  return { auth_session: String(body['auth_session']), authenticator, handle }
}

async function asked(phone: Phone, type: string): Promise<Session> {
  const first = await phone.start()
  const id = (first.body['choices'] as { id: string; type: string }[]).find((one) => one.type === type)!.id
  return sessionIn(await phone.challenge({ auth_session: String(first.body['auth_session']), authenticator: id }))
}

function say(phone: Phone, { auth_session, authenticator, handle }: Session, step: unknown, finish: boolean): Promise<Answer> {
  return phone.challenge({ auth_session, authenticator, step: encodeBase64url(utf8(JSON.stringify({ handle, step, finish }))) })
}

/** A code, and the finish where it was right. */
async function login(phone: Phone, session: Session, code: string): Promise<Answer> {
  const tried = await say(phone, session, { code }, false)
  return (tried.body['step'] as { step?: { ask?: string } } | undefined)?.step?.ask === 'finish'
    ? say(phone, sessionIn(tried), null, true)
    : tried
}

async function withTotp() {
  const { bank } = await bankWithCodes()
  const person = await withKey(bank)
  let secret = new Uint8Array(0)
  const code = () => totp(secret, { now: bank.clock.clock() })
  const made = await enrol(
    person.phone,
    person.enrolToken,
    'otp',
    (step) => {
      secret = new Uint8Array(decodeBase32(String(step['secret']).toLowerCase())!)
      return code()
    },
    false,
  )
  expect(made.status).toBe(201)
  bank.clock.advance(30_000)
  return { bank, ...person, code }
}

describe('a code of an authenticator app', () => {
  it('logs in once; the same again is refused, and costs a try that is told', async () => {
    const { bank, phone, code } = await withTotp()
    const before = bank.trips.length
    const done = await login(phone, await asked(phone, 'otp'), code())
    expect([done.status, bank.trips.length - before]).toEqual([200, 2])
    expect((await phone.token(String(done.body['authorization_code']))).body).toMatchObject({ token_type: 'DPoP' })
    const again = await login(phone, await asked(phone, 'otp'), code())
    expect(again).toMatchObject({ status: 403, body: { code: 'authenticator.failed', attempts_left: 4 } })
  })

  it('A07 sent twice at once is one login; a wrong guess at the same moment costs nothing', async () => {
    const { bank, phone, code } = await withTotp()
    const sessions = await Promise.all([0, 1].map(() => asked(phone, 'otp')))
    const both = await Promise.all(sessions.map((session) => login(phone, session, code())))
    expect(both.filter(({ status }) => status === 200)).toHaveLength(1)
    bank.clock.advance(30_000)
    const [one, two] = await Promise.all([0, 1].map(() => asked(phone, 'otp')))
    const wrong = code() === '000000' ? '000001' : '000000'
    const [right] = await Promise.all([login(phone, one!, code()), login(phone, two!, wrong)])
    expect(right.status).toBe(200)
  })

  it('A01 is locked after five wrong ones, and its device learns it', async () => {
    const { phone, code } = await withTotp()
    const wrong = code() === '000000' ? '000001' : '000000'
    const session = await asked(phone, 'otp')
    const answers = []
    for (let i = 0; i < 6; i++) answers.push((await login(phone, session, wrong)).body['code'])
    expect(answers).toEqual([...Array(4).fill('authenticator.failed'), 'authenticator.locked', 'authenticator.locked'])
    expect((await phone.start()).body['choices']).toMatchObject([{ type: 'device-key' }])
  })
})

describe('a code that the host sends', () => {
  it('goes to whose it is, enrols by arriving, and logs in', async () => {
    const { bank, sent } = await bankWithCodes()
    const { phone, enrolToken } = await withKey(bank)
    expect((await enrol(phone, enrolToken, 'code', () => sent.at(-1)!.code, true)).status).toBe(201)
    const session = await asked(phone, 'code')
    expect(sent.map(({ to }) => to)).toEqual(['c-1001', 'c-1001'])
    const done = await login(phone, session, sent[1]!.code)
    expect(done.status).toBe(200)
    const { access_token } = (await phone.token(String(done.body['authorization_code']))).body
    expect(JSON.parse(Buffer.from(String(access_token).split('.')[1]!, 'base64url').toString())).toMatchObject({ amr: ['sms'] })
  })

  it('is sent five times an hour, and the app is told when that is over', async () => {
    const { bank, sent } = await bankWithCodes()
    const { phone, enrolToken } = await withKey(bank)
    await enrol(phone, enrolToken, 'code', () => sent.at(-1)!.code, true)
    for (let i = 0; i < 4; i++) await asked(phone, 'code')
    const first = await phone.start()
    const { id } = (first.body['choices'] as { id: string; type: string }[]).find((one) => one.type === 'code')!
    const more = await phone.challenge({ auth_session: String(first.body['auth_session']), authenticator: id })
    expect([more.status, more.body['code'], sent.length]).toEqual([403, 'otp.too_many', 5])
  })
})

describe('what a host wrote and keeps elsewhere', () => {
  it('is told of an end, by the user or with the instance, with what it kept; a throw changes nothing', async () => {
    const told: string[] = []
    const host = {
      name: 'word',
      amr: ['kba'],
      enrol: async () => ({ outcome: 'done', data: utf8('kept') }) as const,
      finish: async () => ({ outcome: 'done' }) as const,
      async remove({ data, device, purpose }: CustomInput) {
        told.push(`${purpose} ${device.id} ${new TextDecoder().decode(data ?? new Uint8Array(0))}`)
        throw new Error('the host is away')
      },
    }
    const bank = await createBank({ authenticators: (own, kit) => [...own, createCustom(host, { timer, ...kit })] })
    const people = [await withKey(bank, 1), await withKey(bank, 2)]
    for (const { phone, enrolToken } of people) {
      const begun = await phone.send('POST', '/enrolments/custom:word/begin', {}, enrolToken)
      const made = await phone.send('POST', '/enrolments/custom:word/finish', { handle: begun.body['handle'] }, enrolToken)
      expect(made.status).toBe(201)
      const { id } = made.body['enrolment'] as { id: string }
      if (phone === people[0]!.phone) {
        const fresh = await phone.loginKey(people[0]!.key, { scope: 'enrol', resource: ISSUER })
        const token = String((await phone.token(String(fresh.body['authorization_code']))).body['access_token'])
        expect((await phone.send('DELETE', `/enrolments/${id}`, undefined, token)).status).toBe(204)
      } else
        expect((await phone.send('DELETE', `/register/${phone.clientId}`, undefined, people[1]!.registration)).status).toBe(204)
    }
    expect(told).toEqual(people.map(({ phone }) => `remove ${phone.clientId} kept`))
  })
})

describe('a list of devices that is full', () => {
  it('A20 gives up places that a crash or an end has left empty, and no other', async () => {
    const bank = await createBank({ limits: { devicesPerUser: 2 } })
    const one = await withKey(bank, 1)
    const two = await withKey(bank, 2)
    const third = await createPhone(bank, 3)
    await third.enrolInstance()
    const token = String((await third.register()).body['access_token'])
    expect((await third.enrolKey('device-key', token)).body).toMatchObject({ code: 'device.limit' })
    // As if the second had stopped between the last two steps: its enrolment has lapsed, its place stands.
    const part = { tenant: 'bank', id: `dev:${two.phone.clientId}` }
    await bank.store.commit(part, [{ op: 'del', key: `enr/${two.key.id}` }], {
      now: bank.clock.clock(),
      rev: newRev(bank.ports.random),
    })
    expect((await third.enrolKey('device-key', token)).status).toBe(201)
    const user = await places({ keys: bank.keys, crypto, tenant: 'bank' }).user('c-1001')
    const [rec] = await bank.store.read(user, ['devices'], { now: bank.clock.clock() })
    const listed = readDevices(rec ?? null, bank.clock.clock()).map(({ id }) => id)
    expect(listed.sort()).toEqual([one.phone.clientId, third.clientId].sort())
  })
})
