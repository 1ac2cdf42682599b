import { describe, expect, it } from 'vitest'
import { createBank, createPhone } from '../support/bank.js'

describe('a user on a phone', () => {
  it('enrols the instance, registers, sets a PIN, logs in and refreshes', async () => {
    const bank = await createBank()
    const phone = await createPhone(bank)
    const instance = await phone.enrolInstance()
    expect(instance.body).toMatchObject({ token_endpoint_auth_method: 'none' })
    const registered = await phone.register()
    expect(registered.status).toBe(200)
    expect(registered.body).not.toHaveProperty('refresh_token')
    const slot = await phone.enrolPin('35791', String(registered.body['access_token']))
    const login = await phone.loginPin('35791', slot)
    expect(login.status).toBe(200)
    const tokens = await phone.token(String(login.body['authorization_code']))
    expect(tokens.body).toMatchObject({ token_type: 'DPoP' })
    const refreshed = await phone.refresh(String(tokens.body['refresh_token']))
    expect(refreshed.status).toBe(200)
  })
})
