import type { ClientOptions } from '@postern/client'
import type { Prompts } from '@postern/client/prompts'
import { describe, expect, it } from 'vitest'
import {
  createPhone,
  createWorld,
  got,
  memoryKeystore,
  memoryStorage,
  type Phone,
  registered,
  stored,
  user,
  type World,
} from '../support/world.js'

/** Ports that abort at their nth use: as it begins, or when it is done and nobody has heard of it yet. */
function counting(phone: Phone, world: World) {
  let left = Number.POSITIVE_INFINITY
  let used = 0
  let aborted = ''
  let when: 'before' | 'after' = 'before'
  let controller = new AbortController()
  async function counted<T>(work: () => Promise<T>, what = ''): Promise<T> {
    used++
    const mine = --left === 0
    if (mine) aborted = what
    if (mine && when === 'before') controller.abort()
    const value = await work()
    if (mine && when === 'after') controller.abort()
    return value
  }
  const options: Partial<ClientOptions> = {
    keystore: {
      level: 'software',
      create: (id, o) => counted(() => phone.keystore.create(id, o)),
      sign: (id, data, o) => counted(() => phone.keystore.sign(id, data, o)),
      remove: (id) => phone.keystore.remove(id),
    },
    storage: {
      get: (key) => counted(() => phone.storage.get(key)),
      set: (key, value) => counted(() => phone.storage.set(key, value), 'write'),
      remove: (key) => counted(() => phone.storage.remove(key)),
    },
  }
  const fetch = world.fetch
  return {
    options,
    fetch: (input: Request | URL | string, init?: RequestInit) => counted(() => fetch(input, init)),
    prompts: (inner: Prompts): Prompts => ({
      pin: (question, signal) => counted(() => inner.pin(question, signal)),
      newPin: (question, signal) => counted(() => inner.newPin(question, signal)),
    }),
    arm(n: number, at: 'before' | 'after'): AbortSignal {
      ;[left, used, when, controller] = [n, 0, at, new AbortController()]
      return controller.signal
    },
    used: () => used,
    aborted: () => aborted,
  }
}

function watched(world: World, kept: Pick<Phone, 'keystore' | 'storage'>) {
  const bare = createPhone(world, {}, kept)
  const ports = counting(bare, world)
  const { runtime } = { runtime: { clock: world.clock.clock, random: world.random, fetch: ports.fetch } }
  return { bare, ports, runtime }
}

async function phoneOf(world: World, kept: Pick<Phone, 'keystore' | 'storage'>) {
  const { crypto, quickKsf } = await import('../support/world.js')
  const { bare, ports, runtime } = watched(world, kept)
  const phone = createPhone(world, { ...ports.options, runtime: { ...runtime, crypto, ksf: quickKsf } }, kept)
  return { ...phone, bare, ports }
}

const ends = ['before', 'after'] as const

describe('cancelling at every await', () => {
  it.each(ends)('of start (%s) leaves an installation that starts, with one key', async (at) => {
    const world = await createWorld()
    for (let n = 1, more = true; more; n++) {
      const kept = { keystore: memoryKeystore(world.random), storage: memoryStorage() }
      const { client, ports } = await phoneOf(world, kept)
      const result = await client.start({ signal: ports.arm(n, at) })
      more = ports.used() >= n
      if (!result.ok) expect(result.error.code).toBe('client.cancelled')
      else if (more) expect(n).toBeGreaterThan(5)
      ports.arm(Number.POSITIVE_INFINITY, at)
      got(await client.start())
      expect(kept.keystore.keys.size).toBe(1)
      expect(n).toBeLessThan(40)
    }
  })

  it.each(ends)('of a login (%s) leaves the session that was, and the next login works', async (at) => {
    const world = await createWorld({ pin: { maxAttempts: 10 } })
    const before = await registered(world)
    const { client, ports } = await phoneOf(world, before)
    got(await client.start())
    let cancelled = 0
    for (let n = 1, more = true; more; n++) {
      const was = client.session
      const result = await client.login(before.profile, ports.prompts(user(['40718'])), { signal: ports.arm(n, at) })
      more = ports.used() >= n
      if (!result.ok) {
        cancelled++
        expect(result.error.code).toBe('client.cancelled')
        expect(client.session).toBe(was)
      }
      ports.arm(Number.POSITIVE_INFINITY, at)
      if (!result.ok) got(await client.login(before.profile, user(['40718'])))
      expect(await client.profiles()).toEqual([{ id: before.profile, authenticators: ['pin'] }])
      expect(n).toBeLessThan(60)
    }
    expect(cancelled).toBeGreaterThan(10)
    got(await client.login(before.profile, user(['40718'])))
  })

  it.each(ends)('of a registration (%s) leaves no profile to be seen, and the next registration works', async (at) => {
    const world = await createWorld()
    for (let n = 1, more = true; more; n++) {
      const kept = { keystore: memoryKeystore(world.random), storage: memoryStorage() }
      const { client, ports } = await phoneOf(world, kept)
      got(await client.start())
      const how = { custom: 'letter', data: `c-${at}-${n}` } as const
      const result = await client.register(how, ports.prompts(user(['40718'])), { signal: ports.arm(n, at) })
      more = ports.used() >= n
      if (!result.ok) expect(result.error.code).toBe('client.cancelled')
      if (!result.ok) expect(await client.profiles()).toEqual([])
      // A slot that was being written when the user gave up, before the server was told, is taken back.
      if (!result.ok && ports.aborted() === 'write') expect(stored(kept.storage).profiles).toEqual([])
      ports.arm(Number.POSITIVE_INFINITY, at)
      const { profile } = got(await client.register(how, user(['40718'])))
      got(await client.login(profile!, user(['40718'])))
      expect(n).toBeLessThan(60)
    }
  })

  it('before it begins is cancelling too, and nobody is asked', async () => {
    const world = await createWorld()
    const { client, profile } = await registered(world)
    const screen = user(['40718'])
    world.arrived.length = 0
    expect(await client.login(profile, screen, { signal: AbortSignal.abort() })).toMatchObject({
      error: { code: 'client.cancelled' },
    })
    expect([screen.asked, world.arrived]).toEqual([[], []])
  })

  it('a second operation is told that another runs, and a prompt hears that its question is void', async () => {
    const world = await createWorld()
    const { client, profile } = await registered(world)
    const controller = new AbortController()
    let heard: AbortSignal | undefined
    let reach: () => void = () => undefined
    const reached = new Promise<void>((resolve) => {
      reach = resolve
    })
    const pin: Prompts['pin'] = (_, signal) => {
      heard = signal
      reach()
      return new Promise(() => undefined)
    }
    const login = client.login(profile, user([], { pin }), { signal: controller.signal })
    await reached
    expect(await client.login(profile, user([]))).toMatchObject({ error: { code: 'client.busy' } })
    expect(await client.logout()).toMatchObject({ error: { code: 'client.busy' } })
    expect(heard?.aborted).toBe(false)
    controller.abort()
    expect(await login).toMatchObject({ error: { code: 'client.cancelled' } })
    expect(heard?.aborted).toBe(true)
    got(await client.login(profile, user(['40718'])))
  })

  it('a prompt that throws throws out of the operation, for it is the host that is wrong', async () => {
    const world = await createWorld()
    const { client, profile } = await registered(world)
    const broken = new RangeError('the screen is gone')
    await expect(client.login(profile, user([], { pin: () => Promise.reject(broken) }))).rejects.toBe(broken)
    got(await client.login(profile, user(['40718'])))
  })
})
