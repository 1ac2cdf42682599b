import { describe, expect, it } from 'vitest'
import { createBank } from '../support/bank.js'
import { PIN, setLevel, withKey, withPin } from '../support/people.js'

describe('what a login costs', () => {
  it('PIN 3 commits, device key 2, refresh 1, whatever session it starts from', async () => {
    const bank = await createBank()
    const { phone, slot, enrolToken } = await withPin(bank)
    const { key } = await phone.enrolKey('device-key', enrolToken)
    const cost = async <T>(work: () => Promise<T>): Promise<readonly [number, T]> => {
      const before = bank.trips.length
      const value = await work()
      return [bank.trips.length - before, value]
    }
    const byPin = async () => phone.token(String((await phone.loginPin(PIN, slot)).body['authorization_code']))
    const byKey = async () => phone.token(String((await phone.loginKey(key)).body['authorization_code']))
    expect((await cost(byPin))[0]).toBe(3)
    const [trips, tokens] = await cost(byKey)
    expect(tokens.status).toBe(200)
    expect(trips).toBe(2)
    const [one, refreshed] = await cost(() => phone.refresh(String(tokens.body['refresh_token'])))
    expect(one).toBe(1)
    expect((await cost(() => phone.refresh(String(refreshed.body['refresh_token']))))[0]).toBe(1)
    const kept = await phone.loginKey(key)
    const again = async () => phone.loginKey(key, { auth_session: String(kept.body['auth_session']) })
    expect((await cost(again))[0]).toBe(1)
  })
})

describe('T50: a policy raised meanwhile', () => {
  it('ends a code that it would not have allowed, and sends the next login to what is enough', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const { phone, slot, enrolToken } = await withPin(bank)
    const login = await phone.loginPin(PIN, slot)
    expect(login.status).toBe(200)
    await setLevel(bank, 3)
    const tokens = await phone.token(String(login.body['authorization_code']))
    expect(tokens).toMatchObject({ status: 403, body: { error: 'access_denied' } })
    expect((await phone.start()).body).toMatchObject({ error: 'access_denied' })
    const { key } = await phone.enrolKey('device-key', enrolToken)
    const strong = await phone.loginKey(key)
    expect((await phone.token(String(strong.body['authorization_code']))).status).toBe(200)
  })

  it('is asked in the finish of a login that began under the old one', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const { phone, key, enrolToken } = await withKey(bank)
    const { key: finger } = await phone.enrolKey('biometric', enrolToken)
    const first = await phone.start()
    const asked = await phone.challenge({ auth_session: String(first.body['auth_session']), authenticator: finger.id })
    const form = await phone.keyAnswer(asked.body, finger)
    await setLevel(bank, 3)
    expect((await phone.challenge(form)).body).not.toHaveProperty('authorization_code')
    expect((await phone.loginKey(key)).status).toBe(200)
  })
})
