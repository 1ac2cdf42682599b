import { describe, expect, it } from 'vitest'
import { createWorld, got, registered, user } from '../support/world.js'

describe('the ways out', () => {
  it('a logout ends the refresh family there, and the session here', async () => {
    const world = await createWorld()
    const { client, profile } = await registered(world)
    got(await client.login(profile, user(['40718'])))
    world.arrived.length = 0
    expect(got(await client.logout())).toEqual({ server: 'told' })
    expect(world.arrived).toContain('POST /postern/revoke')
    expect(client.session).toBeNull()
    await expect(client.fetch('/accounts')).rejects.toMatchObject({ code: 'login.required' })
    got(await client.login(profile, user(['40718'])))
  })

  it('a logout without a network waits, and is told at the next start', async () => {
    const world = await createWorld()
    const phone = await registered(world)
    got(await phone.client.login(phone.profile, user(['40718'])))
    world.fate = () => 'lose-request'
    expect(got(await phone.client.logout())).toEqual({ server: 'queued' })
    world.fate = () => 'pass'
    world.arrived.length = 0
    const next = phone.again()
    got(await next.client.start())
    expect(world.arrived).toContain('POST /postern/revoke')
    world.arrived.length = 0
    got(await next.client.start())
    expect(world.arrived).toEqual([])
  })

  it('a profile that is deregistered is the one that was named', async () => {
    const world = await createWorld()
    const { client, profile } = await registered(world)
    const second = got(await client.register({ custom: 'letter', data: 'c-2' }, user(['52960']))).profile!
    expect(await client.deregister('nobody')).toMatchObject({ error: { code: 'profile.unknown' } })
    expect(got(await client.deregister(second))).toEqual({ server: 'told' })
    expect((await client.profiles()).map(({ id }) => id)).toEqual([profile])
    expect(await client.login(second, user([]))).toMatchObject({ error: { code: 'profile.unknown' } })
    got(await client.login(profile, user(['40718'])))
  })

  it('the last profile takes the installation along, with its key, even when the server hears of it later', async () => {
    const world = await createWorld()
    const phone = await registered(world)
    const { clientId } = got(await phone.client.start())
    world.fate = () => 'lose-request'
    expect(got(await phone.client.deregister(phone.profile))).toEqual({ server: 'queued' })
    expect(phone.keystore.keys.size).toBe(1)
    world.fate = () => 'pass'
    const next = phone.again()
    const started = got(await next.client.start())
    expect(started).toMatchObject({ instance: 'registered', profiles: [] })
    expect(started.clientId).not.toBe(clientId)
    expect(world.arrived).toContain(`DELETE /postern/register/${clientId}`)
    expect(phone.keystore.keys.size).toBe(1)
    got(await next.client.register({ custom: 'letter', data: 'c-1001' }, user(['40718'])))
  })

  it('a reset leaves nothing, whatever runs and whatever the server says', async () => {
    const world = await createWorld()
    const phone = await registered(world)
    got(await phone.client.enrol('biometric', user([])))
    let asked: () => void = () => undefined
    const reached = new Promise<void>((resolve) => {
      asked = resolve
    })
    const pin = (): Promise<never> => {
      asked()
      return new Promise(() => undefined)
    }
    const login = phone.client.login(phone.profile, user([], { pin }), { prefer: 'pin' })
    await reached
    world.fate = () => 'lose-request'
    await phone.client.reset()
    expect(await login).toMatchObject({ ok: false, error: { code: 'client.cancelled' } })
    expect(phone.keystore.keys.size).toBe(0)
    expect(phone.storage.values.size).toBe(0)
    world.fate = () => 'pass'
    expect(got(await phone.client.start())).toMatchObject({ instance: 'registered' })
  })

  it('a device that an operator removed is told so', async () => {
    const world = await createWorld()
    const { client, profile } = await registered(world)
    const { clientId } = got(await client.start())
    await world.remove(`/devices/${clientId}`)
    expect(await client.login(profile, user(['40718']))).toMatchObject({ ok: false, error: { code: 'device.removed' } })
  })
})
