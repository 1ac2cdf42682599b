import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { createSealer } from '@postern/core/sealed'
import { newRev, type Store } from '@postern/store'
import { places } from '@postern/tokens/places'
import { describe, expect, it } from 'vitest'
import { createSessions, type LoginSession } from '../../src/internal/login/session.js'
import { type Bank, createBank, createPhone, crypto, ISSUER } from '../support/bank.js'
import { anyone, PIN, tokensOf, withKey, withPin } from '../support/people.js'

const lock = { maxAttempts: 3, onExhausted: 'lock' } as const

/** Writes the copy of a user's status, as the saga that changes it does. */
async function setStatus(bank: Bank, device: string, status: string, subject = 'c-1001') {
  const key = await places({ keys: bank.keys, crypto, tenant: 'bank' }).userEpoch(subject)
  const ops = [{ op: 'put', key, value: utf8(status) }] as const
  await bank.store.commit({ tenant: 'bank', id: `dev:${device}` }, ops, {
    now: bank.clock.clock(),
    rev: newRev(bank.ports.random),
  })
}

describe('guessing a PIN', () => {
  it('A01: 20 wrong logins in parallel over two nodes take exactly the three tries there are', async () => {
    let taken = 0
    const counting = (store: Store): Store => ({
      ...store,
      async commit(part, ops, o) {
        const done = await store.commit(part, ops, o)
        if (done.ok && ops.some((op) => op.op === 'add' && /^pin\/[0-9a-f]+$/.test(op.key))) taken++
        return done
      },
    })
    const bank = await createBank({ pin: lock }, { nodes: 2, wrap: counting })
    const { phone, slot } = await withPin(bank)
    const answers = await Promise.all(Array.from({ length: 20 }, () => phone.loginPin('11111', slot)))
    expect(taken).toBe(3)
    for (const { status, body } of answers) {
      expect(status).toBe(403)
      expect(body).not.toHaveProperty('authorization_code')
    }
    expect((await phone.loginPin(PIN, slot)).body).not.toHaveProperty('authorization_code')
    bank.clock.advance(86_400_000)
    expect((await phone.loginPin(PIN, slot)).body).not.toHaveProperty('authorization_code')
  })

  it('A03: guesses add up over a success elsewhere, a new session and a new registration', async () => {
    const bank = await createBank({ pin: lock })
    const { phone, slot, enrolToken } = await withPin(bank)
    await phone.loginPin('11111', slot)
    await phone.loginPin('11112', slot)
    // Another phone of the same user succeeds; this one's counter is its own.
    const other = await withPin(bank, 2)
    expect((await other.phone.loginPin(PIN, other.slot)).status).toBe(200)
    // Nor does a second PIN beside the first start a counter anew.
    await expect(phone.enrolPin('86420', enrolToken)).rejects.toThrow('already_enrolled')
    const again = await phone.register()
    await expect(phone.enrolPin('86420', String(again.body['access_token']))).rejects.toThrow('already_enrolled')
    await phone.loginPin('11113', slot)
    expect((await phone.loginPin(PIN, slot)).body).toMatchObject({ code: 'authenticator.none_usable' })
  })

  it('A04: a locked PIN ends its refresh tokens and its codes, and is no way out of a fallback', async () => {
    const bank = await createBank({ pin: lock }, { nodes: 2 })
    const { phone, slot, key } = await withPin(bank, 1, true)
    const login = await phone.loginPin(PIN, slot)
    const tokens = await phone.token(String(login.body['authorization_code']))
    const unused = await phone.loginPin(PIN, slot)
    expect(unused.status).toBe(200)
    const begun = await phone.start()
    for (let i = 0; i < 3; i++) await phone.loginPin('11111', slot)
    expect(await phone.refresh(String(tokens.body['refresh_token']))).toMatchObject({
      status: 403,
      body: { error: 'access_denied', code: 'authenticator.locked' },
    })
    expect((await phone.token(String(unused.body['authorization_code']))).body).not.toHaveProperty('access_token')
    // The lock is on the PIN: what else is enrolled still opens, and falls back to nothing.
    const first = await phone.start()
    expect(first.body['choices']).toEqual([{ id: key.id, type: 'biometric', preferred: false }])
    for (const fallback of ['unavailable', 'failed', 'user-choice', 'cancelled'])
      expect(
        (await phone.challenge({ auth_session: String(first.body['auth_session']), authenticator: key.id, fallback })).body,
      ).not.toHaveProperty('step')
    // Neither does a session from before the lock.
    const stale = await phone.answerPin(begun.body, PIN, slot)
    expect(stale.body).not.toHaveProperty('authorization_code')
    expect(
      (await phone.start({ acr_values: 'pin', max_age: '0', auth_session: String(begun.body['auth_session']) })).body,
    ).toMatchObject({
      choices: [{ id: key.id }],
    })
    expect((await phone.loginKey(key)).status).toBe(200)
  })

  it('A05: the other phone of the same user goes on', async () => {
    const bank = await createBank({ pin: lock })
    const one = await withPin(bank, 1)
    const two = await withPin(bank, 2)
    for (let i = 0; i < 4; i++) await one.phone.loginPin('11111', one.slot)
    expect((await two.phone.loginPin(PIN, two.slot)).status).toBe(200)
  })

  it('A06: an unknown enrolment, a foreign one and an ended one are answered alike', async () => {
    const bank = await createBank({ registrars: anyone })
    const { phone, key } = await withKey(bank, 1, 'one')
    const registered = await phone.register('two')
    const other = await phone.enrolKey('device-key', String(registered.body['access_token']))
    const profile = (await places({ keys: bank.keys, crypto, tenant: 'bank' }).user('one')).id.slice(4)
    const first = await phone.start({ profile })
    const form = await phone.keyAnswer(first.body, key)
    const shapes = await Promise.all(
      ['0'.repeat(32), other.key.id, 'nonsense', '../d'].map((authenticator) => phone.challenge({ ...form, authenticator })),
    )
    expect(new Set(shapes.map((shape) => JSON.stringify(shape)))).toHaveProperty('size', 1)
    expect(shapes[0]).toMatchObject({ status: 400, body: { error: 'invalid_session' } })
    const unknown = await Promise.all(['x', 'a'.repeat(26), '%00'].map((one) => phone.start({ profile: one })))
    expect(new Set(unknown.map((shape) => JSON.stringify(shape)))).toHaveProperty('size', 1)
    expect(unknown[0]!.body).not.toHaveProperty('step')
  })
})

describe('sessions and steps that are not theirs', () => {
  it('A07: an auth_session of another device, another tenant, altered or expired opens nowhere', async () => {
    const bank = await createBank({ registrars: anyone })
    const [one, two] = [await withKey(bank, 1, 'one'), await withKey(bank, 2, 'two')]
    const mine = await one.phone.start()
    const form = await one.phone.keyAnswer(mine.body, one.key)
    const refused = { status: 400, body: { error: 'invalid_session' } }
    expect(await two.phone.challenge(form)).toMatchObject(refused)
    const session = form['auth_session']!
    expect(await one.phone.challenge({ ...form, auth_session: `${session.slice(0, -4)}AAAA` })).toMatchObject(refused)
    expect(await one.phone.challenge({ ...form, auth_session: 'x' })).toMatchObject(refused)
    expect(await one.phone.challenge({ ...form, auth_session: '' })).toMatchObject({ status: 400 })
    const { clock, random } = bank.ports
    const sealer = createSealer({ ring: bank.keys.short, crypto, random, clock })
    const sessions = (tenant: string) => createSessions({ sealer, place: { tenant, issuer: ISSUER }, clock })
    const of = { device: one.phone.clientId, jkt: 'k' }
    const text = await sessions('other').seal({ ...of, expiresAt: clock() + 1000 } as LoginSession)
    await expect(sessions('bank').open(text, of)).rejects.toThrow('login.invalid_session')
    await expect(sessions('other').open(text, of)).resolves.toMatchObject(of)
    bank.clock.advance(601_000)
    expect(await one.phone.challenge(form)).toMatchObject(refused)
  })

  it('A07: a step of one enrolment proves no other, nor another session', async () => {
    const bank = await createBank()
    const { phone, key, enrolToken } = await withKey(bank)
    const { key: other } = await phone.enrolKey('biometric', enrolToken)
    const first = await phone.start()
    const form = await phone.keyAnswer(first.body, key)
    const swapped = await phone.challenge({ ...form, authenticator: other.id })
    expect(swapped.body).not.toHaveProperty('authorization_code')
    // Signed by the other key over the first one's challenge.
    const forged = await phone.keyAnswer(first.body, { id: key.id, signer: other.signer })
    expect((await phone.challenge(forged)).body).not.toHaveProperty('authorization_code')
    expect((await phone.challenge(form)).status).toBe(200)
    // The step is spent, in this session and in any.
    const second = await phone.start()
    const moved = await phone.challenge({ ...form, auth_session: String(second.body['auth_session']) })
    expect(moved.body).not.toHaveProperty('authorization_code')
  })

  it('a new login in a kept session is that of the profile it names', async () => {
    const bank = await createBank({ registrars: anyone })
    const { phone, key } = await withKey(bank, 1, 'one')
    const login = await phone.loginKey(key)
    const registered = await phone.register('two')
    const other = await phone.enrolKey('device-key', String(registered.body['access_token']))
    const profile = (await places({ keys: bank.keys, crypto, tenant: 'bank' }).user('two')).id.slice(4)
    const kept = await phone.start({ auth_session: String(login.body['auth_session']) })
    expect(kept.body['choices']).toMatchObject([{ id: key.id }])
    const next = await phone.start({ auth_session: String(login.body['auth_session']), profile })
    expect(next.body['choices']).toMatchObject([{ id: other.key.id }])
  })

  it('a PIN is not ended by a cause that only a keystore can have', async () => {
    const bank = await createBank()
    const { phone, slot } = await withPin(bank)
    const first = await phone.start()
    const id = (first.body['step'] as { authenticator: string }).authenticator
    await phone.challenge({ auth_session: String(first.body['auth_session']), authenticator: id, fallback: 'key-invalidated' })
    expect((await phone.loginPin(PIN, slot)).status).toBe(200)
  })
})

describe('I2: what was removed or blocked obtains nothing', () => {
  it('an enrolment removed by its user ends the codes and refresh tokens it proved, and no others', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const person = await withKey(bank)
    const { phone, key, enrolToken } = person
    const { key: other } = await phone.enrolKey('biometric', enrolToken)
    const tokens = await tokensOf(person)
    const others = await tokensOf({ phone, key: other })
    const unused = await phone.loginKey(key)
    const fresh = await phone.loginKey(other, { scope: 'enrol', resource: ISSUER })
    const token = String((await phone.token(String(fresh.body['authorization_code']))).body['access_token'])
    expect((await phone.send('DELETE', `/enrolments/${key.id}`, undefined, token)).status).toBe(204)
    expect((await phone.refresh(String(tokens.body['refresh_token']))).status).toBe(400)
    expect((await phone.token(String(unused.body['authorization_code']))).body).not.toHaveProperty('access_token')
    expect((await phone.loginKey(key)).body).not.toHaveProperty('authorization_code')
    expect((await phone.refresh(String(others.body['refresh_token']))).status).toBe(200)
    // The last way in is not taken away.
    expect((await phone.send('DELETE', `/enrolments/${other.id}`, undefined, token)).status).toBeGreaterThanOrEqual(400)
  })

  it('a biometric key that the system gave up is gone on the server too, and the PIN takes over', async () => {
    const bank = await createBank()
    const { phone, slot, key } = await withPin(bank, 1, true)
    const tokens = await tokensOf({ phone, key })
    const first = await phone.start()
    const fallen = await phone.challenge({
      auth_session: String(first.body['auth_session']),
      authenticator: key.id,
      fallback: 'key-invalidated',
    })
    expect((fallen.body['step'] as { authenticator: string }).authenticator).not.toBe(key.id)
    expect((await phone.answerPin(fallen.body, PIN, slot)).status).toBe(200)
    expect((await phone.refresh(String(tokens.body['refresh_token']))).status).toBe(400)
    expect((await phone.loginPin(PIN, slot)).status).toBe(200)
  })

  it('an instance that ended itself gets no code, token or challenge step more', async () => {
    const bank = await createBank()
    const phone = await createPhone(bank)
    const instance = await phone.enrolInstance()
    const enrolToken = String((await phone.register()).body['access_token'])
    const { key } = await phone.enrolKey('device-key', enrolToken)
    const tokens = await tokensOf({ phone, key })
    const login = await phone.loginKey(key)
    const registration = String(instance.body['registration_access_token'])
    expect((await phone.send('DELETE', `/register/${phone.clientId}`, undefined, registration)).status).toBe(204)
    expect((await phone.token(String(login.body['authorization_code']))).body).not.toHaveProperty('access_token')
    expect((await phone.refresh(String(tokens.body['refresh_token']))).body).not.toHaveProperty('access_token')
    expect((await phone.start()).body).not.toHaveProperty('step')
    expect((await phone.register()).body).not.toHaveProperty('access_token')
    expect((await phone.send('GET', '/enrolments', undefined, enrolToken)).status).toBeGreaterThanOrEqual(400)
  })

  it('a user blocked before, during or after a login obtains nothing, whatever session he kept', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const person = await withKey(bank)
    const { phone, key, enrolToken } = person
    const tokens = await tokensOf(person)
    const kept = await phone.loginKey(key)
    const first = await phone.start()
    await setStatus(bank, phone.clientId, 'blocked')
    const during = await phone.challenge(await phone.keyAnswer(first.body, key))
    expect((await phone.token(String(during.body['authorization_code']))).body).not.toHaveProperty('access_token')
    expect((await phone.token(String(kept.body['authorization_code']))).body).not.toHaveProperty('access_token')
    expect((await phone.refresh(String(tokens.body['refresh_token']))).status).toBe(400)
    expect((await phone.start()).body).toMatchObject({ error: 'access_denied', code: 'user.blocked' })
    expect((await phone.start({ auth_session: String(kept.body['auth_session']) })).body).toMatchObject({ code: 'user.blocked' })
    expect((await phone.enrolKey('biometric', enrolToken)).body).toMatchObject({ code: 'user.blocked' })
    await setStatus(bank, phone.clientId, 'no word that anybody knows')
    expect((await phone.start()).body).toMatchObject({ code: 'user.blocked' })
    // A bare epoch is a revocation, not a block: he logs in again.
    await setStatus(bank, phone.clientId, String(bank.clock.clock()))
    expect((await phone.loginKey(key)).status).toBe(200)
  })
})

describe('fallback', () => {
  it('A04 I5: an edge, a cause or a level that policy does not list is refused', async () => {
    const bank = await createBank()
    const { phone, key } = await withPin(bank, 1, true)
    const first = await phone.start()
    const session = String(first.body['auth_session'])
    const pin = (first.body['choices'] as { id: string; type: string }[]).find(({ type }) => type === 'pin')!
    const fall = (authenticator: string, fallback: string) => phone.challenge({ auth_session: session, authenticator, fallback })
    // pin → biometric is no edge of the policy.
    expect((await fall(pin.id, 'unavailable')).body).not.toHaveProperty('step')
    for (const cause of ['locked', 'not-enrolled', 'because']) expect((await fall(key.id, cause)).body).not.toHaveProperty('step')
    expect((await fall(key.id, 'user-choice')).body).toHaveProperty('step')
    // Level 3 is a device key's alone here: nothing stands in for it.
    expect((await phone.start({ acr_values: 'strong' })).body).toMatchObject({ error: 'access_denied' })
    expect((await phone.start({ acr_values: 'nonsense' })).body).not.toHaveProperty('step')
  })
})

it('a step is what it says it is: bytes that are none are refused', async () => {
  const bank = await createBank()
  const { phone, key } = await withKey(bank)
  const first = await phone.start()
  const form = await phone.keyAnswer(first.body, key)
  const of = (value: string) => phone.challenge({ ...form, step: encodeBase64url(utf8(value)) })
  for (const text of [
    '',
    '[]',
    'null',
    '{"handle":1}',
    '{"handle":"x","handle":"y"}',
    '{"__proto__":{}}',
    '{"handle":"x","finish":true}',
    '['.repeat(40),
  ])
    expect((await of(text)).body).not.toHaveProperty('authorization_code')
  expect((await phone.challenge({ ...form, step: 'not base64url!' })).status).toBe(400)
  expect((await of('null')).status).toBeLessThan(500)
  expect((await phone.challenge(form)).status).toBe(200)
})
