import { describe, expect, it } from 'vitest'
import { configKey, createConfigStore } from '../../src/internal/config.js'
import { type Bank, createBank, createPhone } from '../support/bank.js'

async function enrolled(bank: Bank, seed = 1) {
  const phone = await createPhone(bank, seed)
  await phone.enrolInstance()
  const registered = await phone.register()
  const slot = await phone.enrolPin('35791', String(registered.body['access_token']))
  return { phone, slot }
}

async function loggedIn(bank: Bank) {
  const { phone, slot } = await enrolled(bank)
  const login = await phone.loginPin('35791', slot)
  const tokens = await phone.token(String(login.body['authorization_code']))
  return { phone, slot, login, tokens }
}

describe('a user on a phone', () => {
  it('enrols the instance, registers, sets a PIN, logs in and refreshes', async () => {
    const bank = await createBank()
    const phone = await createPhone(bank)
    const instance = await phone.enrolInstance()
    expect(instance.body).toMatchObject({ token_endpoint_auth_method: 'none' })
    const registered = await phone.register()
    expect(registered.body).toMatchObject({ token_type: 'DPoP' })
    expect(registered.body).not.toHaveProperty('refresh_token')
    const slot = await phone.enrolPin('35791', String(registered.body['access_token']))
    const login = await phone.loginPin('35791', slot)
    const tokens = await phone.token(String(login.body['authorization_code']))
    expect(tokens.body).toMatchObject({ token_type: 'DPoP' })
    const refreshed = await phone.refresh(String(tokens.body['refresh_token']))
    expect(refreshed.status).toBe(200)
  })

  it('costs 3 commits to log in by PIN and 1 to refresh', async () => {
    const bank = await createBank()
    const { phone, slot } = await enrolled(bank)
    await bank.platform.sweep(bank.clock.clock(), 10)
    bank.trips.length = 0
    const login = await phone.loginPin('35791', slot)
    expect(bank.trips).toHaveLength(2)
    const tokens = await phone.token(String(login.body['authorization_code']))
    expect(bank.trips).toHaveLength(3)
    await phone.refresh(String(tokens.body['refresh_token']))
    expect(bank.trips).toHaveLength(4)
  })

  it('learns that a PIN was wrong by one word, and is locked after the third (A01)', async () => {
    const bank = await createBank({ pin: { maxAttempts: 3, onExhausted: 'lock' } })
    const { phone, slot } = await enrolled(bank)
    for (let i = 0; i < 2; i++) expect((await phone.loginPin('11111', slot)).body['code']).toBe('authenticator.failed')
    await phone.loginPin('11111', slot)
    const right = await phone.loginPin('35791', slot)
    expect(right.body).toMatchObject({ code: 'authenticator.none_usable' })
  })

  it('gets nothing with another challenge, another key or another registration code', async () => {
    const bank = await createBank()
    const phone = await createPhone(bank)
    await phone.enrolInstance()
    const refused = await phone.register('wrong code')
    expect(refused).toMatchObject({ status: 403, body: { code: 'registration.rejected' } })
    expect(await phone.enrolInstance({ challenge: 'AAAA' })).toMatchObject({ body: { code: 'challenge.invalid' } })
    const other = await createPhone(bank, 2)
    expect(await other.enrolInstance({ app_version: '1.0.0' })).toMatchObject({ status: 403, body: { code: 'app.disabled' } })
  })

  it('is refused as what it is: rooted, outdated system, switched-off version (A22)', async () => {
    const bank = await createBank()
    const { clock, random } = bank.ports
    const config = createConfigStore({ store: bank.store, tenant: 'bank', clock, random })
    await config.write(configKey.os('other'), { min: '12', blocked: [] }, null, [])
    const signal = (name: string) => ({
      evidence: [
        { format: 'app-signature', certificates: ['ab'.repeat(32)] },
        {
          format: 'signals',
          v: 1,
          at: clock(),
          source: 'test',
          signals: { privilegedAccess: false, debug: false, simulator: false, hooks: false, appIntegrity: false, [name]: true },
        },
      ],
    })
    bank.clock.advance(2_000)
    const phone = await createPhone(bank)
    expect(await phone.enrolInstance(signal('privilegedAccess'))).toMatchObject({
      status: 403,
      body: { code: 'device.integrity' },
    })
    expect(await phone.enrolInstance({ evidence: [] })).toMatchObject({ status: 403 })
    expect(await phone.enrolInstance({ os_version: '11.4' })).toMatchObject({ status: 403, body: { code: 'os.outdated' } })
    expect(await phone.enrolInstance({ os_version: undefined })).toMatchObject({ status: 403, body: { code: 'os.outdated' } })
    expect((await phone.enrolInstance()).status).toBe(201)
  })

  it('gets no token when the version was switched off between login and redemption (T50)', async () => {
    const bank = await createBank()
    const { phone, slot } = await enrolled(bank)
    const login = await phone.loginPin('35791', slot)
    const config = createConfigStore({ store: bank.store, tenant: 'bank', clock: bank.ports.clock, random: bank.ports.random })
    const key = configKey.version('retail', 'other', '5.2.0')
    const { revs } = await config.current()
    const written = await config.write(
      key,
      { status: 'disabled', signatures: ['ab'.repeat(32)], sealed: true },
      revs.get(key)!,
      [],
    )
    expect(written.ok).toBe(true)
    bank.clock.advance(2_000)
    const tokens = await phone.token(String(login.body['authorization_code']))
    expect(tokens.status).toBeGreaterThanOrEqual(400)
    expect(tokens.body).not.toHaveProperty('access_token')
  })

  it('gets the same successor for a refresh whose reply was lost, and loses the family to a late thief', async () => {
    const bank = await createBank()
    const { phone, tokens } = await loggedIn(bank)
    const old = String(tokens.body['refresh_token'])
    const first = await phone.refresh(old)
    const retried = await phone.refresh(old)
    expect(retried.body['refresh_token']).toBe(first.body['refresh_token'])
    const second = await phone.refresh(String(first.body['refresh_token']))
    expect(second.status).toBe(200)
    expect((await phone.refresh(old)).status).toBe(400)
    expect((await phone.refresh(String(second.body['refresh_token']))).status).toBe(400)
  })

  it('cannot make two codes of one proven session', async () => {
    const bank = await createBank()
    const { phone, slot } = await enrolled(bank)
    const first = await phone.start()
    const login = await phone.answerPin(first.body, '35791', slot)
    expect(login.status).toBe(200)
    const again = await phone.answerPin(first.body, '35791', slot)
    expect(again.status).not.toBe(200)
  })

  it('whose registration token came without an enrolment cannot call for one that is not his', async () => {
    const bank = await createBank()
    const { tokens, phone } = await loggedIn(bank)
    const list = await phone.send('GET', '/enrolments', undefined, String(tokens.body['access_token']))
    expect(list.status).toBe(401)
  })
})
