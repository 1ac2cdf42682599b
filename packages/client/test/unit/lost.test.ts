import { describe, expect, it } from 'vitest'
import { createPhone, createWorld, type Fate, got, registered, stored, user, type World } from '../support/world.js'

/** Answers of this path are lost so many times, after the server has handled the request. */
function lose(world: World, ending: string, times: number, fate: Fate = 'lose-reply'): void {
  let left = times
  world.fate = ({ url }) => (new URL(url).pathname.endsWith(ending) && left-- > 0 ? fate : 'pass')
}

describe('an answer that is lost', () => {
  it('of a registration is asked for again, with the same challenge and key: one client, now or at the next start', async () => {
    const world = await createWorld()
    const phone = createPhone(world)
    lose(world, '/register', 1)
    const first = got(await phone.client.start())
    expect(phone.keystore.keys.size).toBe(1)
    const other = createPhone(world)
    lose(world, '/register', 2)
    expect(await other.client.start()).toMatchObject({ ok: false, error: { code: 'net.unreachable' } })
    const again = other.again()
    const { clientId } = got(await again.client.start())
    expect(other.keystore.keys.size).toBe(1)
    expect(clientId).not.toBe(first.clientId)
    expect(world.arrived.filter((line) => line === 'POST /postern/challenge')).toHaveLength(2)
  })

  it('of a registration whose challenge has lapsed since: another challenge, another key', async () => {
    const world = await createWorld()
    const phone = createPhone(world)
    lose(world, '/register', 2)
    await phone.client.start()
    world.clock.advance(600_000)
    got(await phone.again().client.start())
    expect(phone.keystore.keys.size).toBe(1)
  })

  it('of an update is asked for again', async () => {
    const world = await createWorld()
    const phone = await registered(world)
    lose(world, '/register', 0)
    let left = 3
    world.fate = ({ method }) => (method === 'PUT' && left-- > 0 ? 'lose-reply' : 'pass')
    const updated = phone.again({ version: '5.3.0' })
    expect(await updated.client.start()).toMatchObject({ ok: false, error: { code: 'net.unreachable' } })
    expect(got(await updated.client.start())).toMatchObject({ instance: 'updated', profiles: [{ id: phone.profile }] })
    expect(got(await updated.client.start())).toMatchObject({ instance: 'known' })
    got(await updated.client.login(phone.profile, user(['40718'])))
  })

  it('of a code is no reason to send the code twice: it would look stolen', async () => {
    const world = await createWorld()
    const phone = await registered(world)
    world.arrived.length = 0
    lose(world, '/token', 1)
    expect(await phone.client.login(phone.profile, user(['40718']))).toMatchObject({
      ok: false,
      error: { code: 'net.unreachable' },
    })
    expect(world.arrived.filter((line) => line.endsWith('/token'))).toHaveLength(1)
    expect(got(await phone.client.login(phone.profile, user(['40718'])))).toMatchObject({ acr: 'pin' })
  })

  it('of a new PIN is looked up: the profile is there at once', async () => {
    const world = await createWorld()
    const { client } = createPhone(world)
    got(await client.start())
    lose(world, '/pin/finish', 1)
    const { profile } = got(await client.register({ custom: 'letter', data: 'c-1' }, user(['40718'])))
    got(await client.login(profile!, user(['40718'])))
  })

  it('of a new PIN, and of the look-up: unseen until the next registration of this user finds it', async () => {
    const world = await createWorld()
    const { client } = createPhone(world)
    got(await client.start())
    let finished = false
    world.fate = ({ url }) => {
      finished ||= url.endsWith('/pin/finish')
      return finished ? 'lose-reply' : 'pass'
    }
    expect(await client.register({ custom: 'letter', data: 'c-1' }, user(['40718']))).toMatchObject({
      error: { code: 'net.unreachable' },
    })
    expect(await client.profiles()).toEqual([])
    world.fate = () => 'pass'
    const { profile } = got(await client.register({ custom: 'letter', data: 'c-1' }, user([])))
    got(await client.login(profile!, user(['40718'])))
  })

  it('of a changed PIN: both are kept, and the one that the server took is the one that works', async () => {
    const world = await createWorld()
    const { client, profile, storage } = await registered(world)
    lose(world, '/change/finish', 1)
    expect(await client.changePin(user(['40718', '40718', '52960']))).toMatchObject({ error: { code: 'net.unreachable' } })
    expect(stored(storage).profiles[0]?.slots.map(({ generation }) => generation)).toEqual([1, 2])
    got(await client.login(profile, user(['52960'])))
    expect(stored(storage).profiles[0]?.slots.map(({ generation }) => generation)).toEqual([2])
    got(await client.login(profile, user(['52960'])))
    lose(world, '/change/finish', 1, 'lose-request')
    expect(await client.changePin(user(['52960', '63174', '52960', '52960', '63174']))).toMatchObject({ ok: false })
    got(await client.login(profile, user(['52960'])))
  })

  it('of a biometric enrolment is looked up', async () => {
    const world = await createWorld()
    const { client, profile } = await registered(world)
    lose(world, '/biometric/finish', 1)
    got(await client.enrol('biometric', user([])))
    got(await client.login(profile, user([]), { prefer: 'biometric' }))
  })

  it('is offline where the device says so, and busy where the server says so', async () => {
    const world = await createWorld()
    const phone = createPhone(world)
    const runtime = { clock: world.clock.clock, random: world.random, crypto: (await import('../support/world.js')).crypto }
    const lost = async (): Promise<never> => Promise.reject(new TypeError('fetch failed'))
    const off = phone.again({}, { runtime: { ...runtime, fetch: lost, online: () => false } })
    expect(await off.client.start()).toMatchObject({ error: { code: 'net.offline' } })
    const busy = phone.again({}, { runtime: { ...runtime, fetch: async () => new Response(null, { status: 503 }) } })
    expect(await busy.client.start()).toMatchObject({ error: { code: 'net.limited' } })
    const broken = phone.again({}, { runtime: { ...runtime, fetch: async () => new Response('{"a":1,"a":2}') } })
    expect(await broken.client.start()).toMatchObject({ error: { code: 'net.unreachable' } })
  })
})
