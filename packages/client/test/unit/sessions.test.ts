/** Sealed sessions as the client opens them: with the nonce that its proof needs, so that the server knows whose they are. */
import { describe, expect, it } from 'vitest'
import { createWorld, got, registered, user, type World } from '../support/world.js'

async function signedIn(sessions: 'bound' | 'anonymous') {
  const world = await createWorld({}, { sessions })
  const { client, profile } = await registered(world)
  got(await client.login(profile, user(['40718'])))
  const call = async (method = 'GET') => {
    const before = world.arrived.length
    const init = method === 'GET' ? {} : { method, body: 'x' }
    const reply = await client.fetch('/accounts', init)
    const { level, bound } = (await reply.json()) as { level: string; bound: boolean }
    return { status: reply.status, level, bound, sent: sealedOf(world, before) }
  }
  return { world, client, profile, call }
}

const sealedOf = ({ arrived }: World, from: number) => arrived.slice(from).filter((one) => one === 'POST /ohttp').length

describe('a session of the client', () => {
  it.each(['GET', 'POST'])('is its own from the first answered %s on, and stays so', async (method) => {
    const { call } = await signedIn('bound')
    expect(await call(method)).toMatchObject({ status: 200, level: 'session', bound: true })
    for (let i = 0; i < 3; i++) expect(await call(method)).toEqual({ status: 200, level: 'session', bound: true, sent: 1 })
  })

  it('is its own again after a pause in which the nonce grew old, and after the token was refreshed', async () => {
    const { world, call } = await signedIn('bound')
    await call()
    world.clock.advance(90_000)
    expect(await call()).toEqual({ status: 200, level: 'session', bound: true, sent: 2 })
    for (const ms of [240_000, 400_000, 4_000_000]) {
      world.clock.advance(ms)
      await call()
      expect(await call()).toEqual({ status: 200, level: 'session', bound: true, sent: 1 })
    }
  })

  it('of two users on one device is each one’s own', async () => {
    const { client, profile, call } = await signedIn('bound')
    await call()
    const second = got(await client.register({ custom: 'letter', data: 'c-2002' }, user(['81539'])))
    for (const [who, pin] of [
      [second.profile!, '81539'],
      [profile, '40718'],
    ] as const) {
      got(await client.login(who, user([pin])))
      // The first call of a channel opens its session.
      expect(await call()).toMatchObject({ status: 200, level: 'single' })
      expect(await call()).toEqual({ status: 200, level: 'session', bound: true, sent: 1 })
    }
  })

  it('is nobody’s where the server binds none, and calls go on in it', async () => {
    const { world, call } = await signedIn('anonymous')
    await call()
    for (let i = 0; i < 3; i++) {
      world.clock.advance(90_000)
      expect(await call()).toEqual({ status: 200, level: 'session', bound: false, sent: 2 })
    }
  })

  it('is one, however many calls begin at once', async () => {
    const { call } = await signedIn('bound')
    const all = await Promise.all(Array.from({ length: 6 }, () => call()))
    expect(all.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200])
    expect(await call()).toEqual({ status: 200, level: 'session', bound: true, sent: 1 })
  })
})
