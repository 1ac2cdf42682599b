/** Passkeys over the platform's own endpoints: a user's, whatever device he holds. */
import type { CreationOptionsJSON, RequestOptionsJSON } from '@postern/authenticators/webauthn/messages'
import { createWebauthn } from '@postern/authenticators/webauthn/server'
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { PlatformOptions } from '@postern/platform'
import { starterDocument } from '@postern/policy/mobile'
import { newRev } from '@postern/store'
import { places } from '@postern/tokens/places'
import { describe, expect, it } from 'vitest'
import { type Answer, type Bank, createBank, createPhone, crypto, ISSUER, type Phone } from '../support/bank.js'
import { ORIGIN, type Passkey, RP, softPasskey } from '../support/passkey.js'
import { PIN, withKey, withPin } from '../support/people.js'
import { confirmingOf, portalOf, withPortals } from '../support/portal.js'

const bankWithPasskeys = (over: Partial<PlatformOptions> = {}, login = 2) =>
  createBank({
    authenticators: (own, kit) => [...own, createWebauthn({ rp: { id: RP, name: 'Bank' }, origins: [ORIGIN], ...kit })],
    policy: (schema) =>
      starterDocument({
        id: 'main',
        schema,
        levels: { pin: 2, biometric: 2, 'device-key': 3, webauthn: 2, 'pin+webauthn': 3, 'pin+biometric': 3 },
        login,
        confirm: 2,
        acceptUnchecked: ['other'],
      }),
    ...over,
  })

/** Enrols a passkey with a token for enrolling; the id is what the platform calls it. */
async function enrolPasskey(phone: Phone, token: string, key: Passkey): Promise<Answer> {
  const begun = await phone.send('POST', '/enrolments/webauthn/begin', {}, token)
  if (begun.status !== 200) return begun
  const { publicKey } = begun.body['step'] as { publicKey: CreationOptionsJSON }
  const json = { handle: begun.body['handle'], step: key.create(publicKey) }
  return phone.send('POST', '/enrolments/webauthn/finish', json, token)
}

const idOf = (answer: Answer): string => (answer.body['enrolment'] as { id: string }).id
const stepIn = (answer: Answer) =>
  answer.body['step'] as { authenticator: string; handle: string; step: { publicKey: RequestOptionsJSON } }

/** Answers the step of a login by a passkey. */
function answer(phone: Phone, asked: Answer, key: Passkey): Promise<Answer> {
  const { authenticator, handle, step } = stepIn(asked)
  const json = JSON.stringify({ handle, step: key.get(step.publicKey), finish: true })
  const auth_session = String(asked.body['auth_session'])
  return phone.challenge({ auth_session, authenticator, step: encodeBase64url(utf8(json)) })
}

/** A login of a user whom nobody has named. */
async function discovered(phone: Phone, key: Passkey, form: Record<string, string> = {}): Promise<Answer> {
  return answer(phone, await phone.start({ authenticator: 'webauthn', ...form }), key)
}

const newKey = (bank: Bank) => softPasskey(bank.ports.random(24))

/** Somebody with a PIN and a passkey on his first phone. */
async function ada(login = 2) {
  const bank = await bankWithPasskeys(withPortals, login)
  const { key: finger, ...person } = await withPin(bank, 1, login > 2)
  const key = newKey(bank)
  const made = await enrolPasskey(person.phone, person.enrolToken, key)
  expect(made.status).toBe(201)
  return { bank, ...person, finger, key, id: idOf(made) }
}

async function newPhone(bank: Bank, seed = 2): Promise<Phone> {
  const phone = await createPhone(bank, seed)
  expect((await phone.enrolInstance()).status).toBe(201)
  return phone
}

describe('a passkey', () => {
  it('is listed beside what the device has, and logs its user in on it, with a refresh token, in two commits', async () => {
    const { bank, phone, enrolToken, key, id } = await ada()
    const listed = await phone.send('GET', '/enrolments', undefined, enrolToken)
    expect(listed.body['enrolments']).toMatchObject([
      { type: 'pin', preferred: true },
      { id, type: 'webauthn', status: 'active', preferred: false },
    ])
    const first = await phone.start()
    expect((first.body['choices'] as { type: string }[]).map(({ type }) => type)).toEqual(['pin', 'webauthn'])
    const asked = await phone.challenge({ auth_session: String(first.body['auth_session']), authenticator: id })
    expect(stepIn(asked).step.publicKey.allowCredentials).toHaveLength(1)
    const before = bank.trips.length
    const done = await answer(phone, asked, key)
    expect(done.status).toBe(200)
    const tokens = await phone.token(String(done.body['authorization_code']))
    expect(bank.trips.length - before).toBe(1) // of the device's partition: the token's. The assertion is the user's own commit.
    expect(tokens.body).toMatchObject({ token_type: 'DPoP', refresh_token: expect.any(String) })
    const claims = JSON.parse(Buffer.from(String(tokens.body['access_token']).split('.')[1]!, 'base64url').toString())
    expect(claims).toMatchObject({ sub: 'c-1001', acr: 'pin', amr: ['pop', 'user', 'swk', 'mfa'] })
    expect((await phone.refresh(String(tokens.body['refresh_token']))).status).toBe(200)
  })

  it('names its user on a phone that has never seen him: a session without a refresh token, which enrols', async () => {
    const { bank, key } = await ada()
    const phone = await newPhone(bank)
    expect((await phone.start()).body).not.toHaveProperty('step')
    const tokens = await phone.token(String((await discovered(phone, key)).body['authorization_code']))
    expect(tokens.body).toMatchObject({ token_type: 'DPoP' })
    expect(tokens.body).not.toHaveProperty('refresh_token')

    const again = await discovered(phone, key, { scope: 'enrol', resource: ISSUER })
    const own = await phone.token(String(again.body['authorization_code']))
    const enrolled = await phone.enrolKey('device-key', String(own.body['access_token']))
    expect(enrolled.status).toBe(201)
    // He is at home here now.
    const login = await discovered(phone, key)
    expect((await phone.token(String(login.body['authorization_code']))).body).toHaveProperty('refresh_token')
  })

  it('may be the first thing a user has, and he exists once it is his', async () => {
    const bank = await bankWithPasskeys()
    const phone = await newPhone(bank, 1)
    const token = String((await phone.register()).body['access_token'])
    const key = newKey(bank)
    const made = await enrolPasskey(phone, token, key)
    expect(made.status).toBe(201)
    bank.clock.advance(600_000)
    expect((await discovered(phone, key)).status).toBe(200)
    const user = await places({ keys: bank.keys, crypto, tenant: 'bank' }).user('c-1001')
    const [u] = await bank.store.read(user, ['u'], { now: bank.clock.clock() })
    expect(u).toMatchObject({ expiresAt: 0 })
  })

  it('put first is offered first, and something else again after that', async () => {
    const { phone, enrolToken, id, slot } = await ada()
    expect((await phone.send('PUT', '/enrolments/preferred', { id }, enrolToken)).status).toBe(204)
    const first = await phone.start()
    expect(first.body['choices']).toMatchObject([
      { id, type: 'webauthn', preferred: true },
      { type: 'pin', preferred: false },
    ])
    await phone.send('PUT', '/enrolments/preferred', { id: slot.enrolment }, enrolToken)
    expect((await phone.start()).body['choices']).toMatchObject([
      { type: 'pin', preferred: true },
      { id, preferred: false },
    ])
  })

  it.each(['at once', 'one after the other'])(
    'A07 after a PIN makes one code of the session, whatever else is right too (%s)',
    async (when) => {
      const { phone, slot, key, finger } = await ada(3)
      const half = await phone.loginPin(PIN, slot)
      expect(half.body).toMatchObject({ error: 'insufficient_authorization' })
      const { choices, auth_session } = half.body as { choices: { id: string; type: string }[]; auth_session: string }
      const begin = (type: string) =>
        phone.challenge({ auth_session, authenticator: choices.find((one) => one.type === type)!.id })
      const [byPasskey, byFinger] = [await begin('webauthn'), await begin('biometric')]
      const form = await phone.keyAnswer(byFinger.body, finger)
      const ways = [() => phone.challenge(form), () => answer(phone, byPasskey, key)]
      const answers: Answer[] = []
      if (when === 'at once') answers.push(...(await Promise.all(ways.map((way) => way()))))
      else for (const way of ways) answers.push(await way())
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 400])
      const done = answers.find(({ status }) => status === 200)!
      const tokens = await phone.token(String(done.body['authorization_code']))
      const claims = JSON.parse(Buffer.from(String(tokens.body['access_token']).split('.')[1]!, 'base64url').toString())
      expect(claims).toMatchObject({ acr: 'strong' })
    },
  )

  it('A12 is one credential of one user: the same again is refused by name, and another user gets no passkey of it', async () => {
    const bank = await bankWithPasskeys({
      registrars: { letter: { complete: async ({ data }) => ({ outcome: 'done', subject: String(data) }) } },
    })
    const [one, two] = [await withKey(bank, 1, 'one'), await withKey(bank, 2, 'two')]
    const key = newKey(bank)
    expect((await enrolPasskey(one.phone, one.enrolToken, key)).status).toBe(201)
    for (const { phone, enrolToken } of [one, two])
      expect(await enrolPasskey(phone, enrolToken, key)).toMatchObject({
        status: 403,
        body: { code: 'webauthn.credential_taken' },
      })
  })
})

describe('a passkey that confirms', () => {
  it('signs this answer and no other; the device signs it as well', async () => {
    const { bank, phone, key, id } = await ada()
    const portal = await portalOf(bank)
    const confirming = confirmingOf(phone, await phone.profile())
    const { id: at, number } = await portal.ask()
    const [tx] = await confirming.list()
    expect(tx!.choices.map(({ type }) => type).sort()).toEqual(['pin', 'webauthn'])
    const choice = { type: 'webauthn', enrolment: id, number }
    const yes = await confirming.answer(tx!, choice)
    const other = await confirming.answer(tx!, { ...choice, number: number === '00' ? '01' : '00' })
    const signed = async () => {
      const begun = await confirming.begin(tx!.id, yes)
      const { publicKey } = begun.body['step'] as { publicKey: RequestOptionsJSON }
      expect(publicKey.allowCredentials).toHaveLength(1)
      return { handle: begun.body['handle'], step: key.get(publicKey) }
    }
    expect((await confirming.decide(tx!.id, other, await signed())).body).toMatchObject({ code: 'authenticator.failed' })
    const proof = await signed()
    expect((await confirming.decide(tx!.id, yes, proof)).body).toMatchObject({ state: 'approved' })
    expect((await confirming.decide(tx!.id, yes, proof)).body).toMatchObject({ code: 'transaction.decided' })
    const redeemed = await portal.call('POST', `/transactions/${at}/redeem`, {})
    expect(redeemed.body).toMatchObject({ type: 'webauthn', enrolment: id, amr: ['pop', 'user', 'swk', 'mfa'] })
  })
})

describe('what a passkey does not do', () => {
  it('A07 the same answer twice, another session, another device: nothing', async () => {
    const { bank, key } = await ada()
    const [phone, other] = [await newPhone(bank), await newPhone(bank, 3)]
    const asked = await phone.start({ authenticator: 'webauthn' })
    const { handle, step } = stepIn(asked)
    const form = (session: Answer) => ({
      auth_session: String(session.body['auth_session']),
      authenticator: 'webauthn',
      step: encodeBase64url(utf8(JSON.stringify({ handle, step: sent, finish: true }))),
    })
    const sent = key.get(step.publicKey)
    const elsewhere = await other.start({ authenticator: 'webauthn' })
    expect((await other.challenge(form(elsewhere))).body).toMatchObject({ code: 'authenticator.failed' })
    const all = await Promise.all(Array.from({ length: 10 }, () => phone.challenge(form(asked))))
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1)
    const second = await phone.start({ authenticator: 'webauthn' })
    expect((await phone.challenge(form(second))).body).not.toHaveProperty('authorization_code')
  })

  it('A10 a stranger’s passkey, one of nobody, and what is no answer are refused alike', async () => {
    const { bank, key } = await ada()
    const phone = await newPhone(bank)
    const stranger = newKey(bank)
    stranger.create({
      rp: { id: RP, name: '' },
      user: { id: encodeBase64url(utf8('usr:nobody')), name: '', displayName: '' },
      challenge: '',
    } as CreationOptionsJSON)
    const asked = async () => phone.start({ authenticator: 'webauthn' })
    const [a, b] = [await asked(), await asked()]
    const bent = key.get(stepIn(b).step.publicKey)
    const wrong = { ...bent, response: { ...bent.response, signature: `AAAA${bent.response.signature.slice(4)}` } }
    const send = (session: Answer, step: unknown) =>
      phone.challenge({
        auth_session: String(session.body['auth_session']),
        authenticator: 'webauthn',
        step: encodeBase64url(utf8(JSON.stringify({ handle: stepIn(session).handle, step, finish: true }))),
      })
    const answers = [
      await answer(phone, a, stranger),
      await send(b, wrong),
      await send(await asked(), { id: 'x' }),
      await send(await asked(), null),
    ]
    expect(new Set(answers.map((one) => JSON.stringify(one)))).toHaveProperty('size', 1)
    expect(answers[0]).toMatchObject({ status: 403, body: { code: 'authenticator.failed' } })
  })

  it('I2 log in, redeem or refresh once it is removed; the last way in on a device stays', async () => {
    const { bank, phone, enrolToken, key, id, slot } = await ada()
    const unused = await discovered(phone, key)
    const login = await discovered(phone, key)
    const tokens = await phone.token(String(login.body['authorization_code']))
    const fresh = await phone.loginPin(PIN, slot, { scope: 'enrol', resource: ISSUER })
    const token = String((await phone.token(String(fresh.body['authorization_code']))).body['access_token'])
    expect((await phone.send('DELETE', `/enrolments/${slot.enrolment}`, undefined, token)).body).toMatchObject({
      code: 'pin.required',
    })
    expect((await phone.send('DELETE', `/enrolments/${id}`, undefined, token)).status).toBe(204)
    expect((await phone.token(String(unused.body['authorization_code']))).body).not.toHaveProperty('access_token')
    expect((await phone.refresh(String(tokens.body['refresh_token']))).body).not.toHaveProperty('access_token')
    expect((await discovered(phone, key)).body).toMatchObject({ code: 'authenticator.failed' })
    expect((await discovered(await newPhone(bank), key)).body).not.toHaveProperty('authorization_code')
    // Its id is free for its user again, once no late activation can come any more.
    bank.clock.advance(181_000)
    expect((await enrolPasskey(phone, enrolToken, key)).status).toBe(201)
  })

  it('I2 help a user who was blocked, on whatever phone', async () => {
    const { bank, key } = await ada()
    const phone = await newPhone(bank)
    const login = await discovered(phone, key)
    const user = await places({ keys: bank.keys, crypto, tenant: 'bank' }).user('c-1001')
    const value = utf8(`\u0001${JSON.stringify({ status: 'blocked' })}`)
    await bank.store.commit(user, [{ op: 'put', key: 'u', value }], { now: bank.clock.clock(), rev: newRev(bank.ports.random) })
    expect((await phone.token(String(login.body['authorization_code']))).body).not.toHaveProperty('access_token')
    expect((await discovered(phone, key)).body).toMatchObject({ error: 'access_denied', code: 'user.blocked' })
  })

  it('is no way in where the platform has none', async () => {
    const bank = await createBank()
    const { phone, enrolToken } = await withKey(bank)
    expect((await phone.start({ authenticator: 'webauthn', profile: 'x' })).body).toMatchObject({ code: 'profile.unknown' })
    expect((await phone.send('POST', '/enrolments/webauthn/begin', {}, enrolToken)).body).toMatchObject({
      code: 'authenticator.disabled',
    })
    const other = await newPhone(bank, 4)
    expect((await other.start({ authenticator: 'webauthn' })).body).toMatchObject({ code: 'authenticator.disabled' })
  })
})
