import { describe, expect, it } from 'vitest'
import { createPhone, createWorld, got, registered, user } from '../support/world.js'

describe('one user on one phone', () => {
  it('starts once, registers by letter, logs in by PIN and calls the API', async () => {
    const world = await createWorld()
    const { client } = createPhone(world)
    const started = got(await client.start())
    expect(started).toMatchObject({ instance: 'registered', profiles: [] })
    expect(got(await client.start())).toMatchObject({ instance: 'known', clientId: started.clientId })
    const session = got(await client.register({ custom: 'letter', data: 'c-1001' }, user(['40718'])))
    expect(session).toMatchObject({ acr: null, scope: ['enrol'] })
    expect(await client.profiles()).toEqual([{ id: session.profile, authenticators: ['pin'] }])
    const login = got(await client.login(session.profile!, user(['40718'])))
    expect(login).toMatchObject({ acr: 'pin', scope: ['accounts'], failures: 0 })
    const answer = await client.fetch('/accounts', { method: 'POST', body: 'x' })
    expect(await answer.json()).toMatchObject({ subject: 'c-1001', acr: 'pin', method: 'POST', body: 'x' })
  })

  it('registers in the browser', async () => {
    const world = await createWorld()
    const { client } = createPhone(world)
    got(await client.start())
    const session = got(await client.register('browser', user(['40718'])))
    got(await client.login(session.profile!, user(['40718'])))
    expect(await (await client.fetch('/accounts')).json()).toMatchObject({ subject: 'c-browser' })
  })

  it('counts wrong PINs, and says how many tries are left', async () => {
    const world = await createWorld({ pin: { maxAttempts: 3, onExhausted: 'remove' } })
    const { client, profile } = await registered(world)
    const twice = user(['11111', '22222', '40718'])
    expect(got(await client.login(profile, twice)).failures).toBe(2)
    expect(twice.asked).toEqual([
      { purpose: 'login' },
      { purpose: 'login', reason: 'wrong', attemptsLeft: 2 },
      { purpose: 'login', reason: 'wrong', attemptsLeft: 1 },
    ])
    expect(await client.login(profile, user(['11111', '22222', '33333', '40718']))).toMatchObject({
      ok: false,
      error: { code: 'authenticator.removed' },
    })
    expect(await client.profiles()).toEqual([])
  })
})
