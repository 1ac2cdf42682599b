import { describe, expect, it } from 'vitest'
import { createPhone, createWorld, followed, got, REDIRECT, user, type World } from '../support/world.js'

async function withBrowser(turn: (location: string, world: World) => string | Promise<string>) {
  const world = await createWorld()
  const phone = createPhone(world, { browser: async (url) => turn(await followed(world, url), world) })
  got(await phone.client.start())
  world.arrived.length = 0
  const result = await phone.client.register('browser', user(['40718']))
  return { result, world, ...phone }
}

describe('the redirect that ends a registration in the browser', () => {
  const changed = (change: (query: URLSearchParams) => void) => (location: string) => {
    const url = new URL(location)
    const query = new URLSearchParams(url.search)
    change(query)
    return `${REDIRECT}?${query}`
  }

  it.each([
    ['T12 mix-up: the answer of another server', changed((query) => query.set('iss', 'https://evil.example'))],
    ['T12 mix-up: an answer that names no server', changed((query) => query.delete('iss'))],
    ['T12 mix-up: an answer that names two', changed((query) => query.append('iss', 'https://evil.example'))],
    ['T13 login CSRF: the answer to another request', changed((query) => query.set('state', 'A'.repeat(22)))],
    ['T13 login CSRF: an answer without a state', changed((query) => query.delete('state'))],
    ['another redirect URI', (location: string) => location.replace(REDIRECT, 'com.evil:/cb')],
    ['a longer redirect URI', (location: string) => location.replace(REDIRECT, `${REDIRECT}.evil`)],
    ['no code', changed((query) => query.delete('code'))],
    ['two codes', changed((query) => query.append('code', 'x'))],
    ['an error of the server', changed((query) => query.set('error', 'access_denied'))],
  ])('%s: is refused, and no code is sent', async (_, turn) => {
    const { result, world, client } = await withBrowser(turn)
    expect(result).toMatchObject({ ok: false, error: { code: 'registration.rejected' } })
    expect(world.arrived.some((line) => line.endsWith('/token'))).toBe(false)
    expect(await client.profiles()).toEqual([])
  })

  it('is none when the user closes the browser', async () => {
    const { result } = await withBrowser(() => Promise.reject(new Error('closed')))
    expect(result).toMatchObject({ ok: false, error: { code: 'client.cancelled' } })
  })

  it('is not waited for where the app has no browser', async () => {
    const world = await createWorld()
    const { client } = createPhone(world, { app: { redirectUri: undefined } as never })
    got(await client.start())
    expect(await client.register('browser', user([]))).toMatchObject({ error: { code: 'registration.disabled' } })
  })
})

describe('a registration by the host', () => {
  it('says what stood against it', async () => {
    const world = await createWorld()
    const { client } = createPhone(world)
    expect(await client.register({ custom: 'letter', data: 'c-1' }, user([]))).toMatchObject({
      error: { code: 'device.removed' },
    })
    got(await client.start())
    const attempt = async (how: Parameters<typeof client.register>[0], pins: string[]) => {
      const result = await client.register(how, user(pins))
      return result.ok ? 'ok' : result.error.code
    }
    expect(await attempt({ custom: 'letter', data: 1 }, [])).toBe('registration.rejected')
    expect(await attempt({ custom: 'pigeon' }, [])).toBe('registration.unknown')
    expect(await attempt({ custom: '../x' }, [])).toBe('registration.unknown')
    expect(await attempt({ custom: 'letter', data: 'c-1' }, ['ab'])).toBe('pin.rejected')
    expect(await attempt({ custom: 'letter', data: 'c-1' }, [])).toBe('client.cancelled')
    expect(await client.profiles()).toEqual([])
  })

  it('shows every rule that a PIN breaks, and takes digits of the user for none', async () => {
    const world = await createWorld()
    const { client } = createPhone(world)
    got(await client.start())
    const screen = user(['111', '40718', '52960'])
    got(await client.register({ custom: 'letter', data: 'c-1' }, screen, { userData: ['0718'] }))
    expect(screen.asked).toEqual(['new', expect.arrayContaining(['length']), ['user_data']])
  })

  it('finds the profile that is there, for a user who registers again', async () => {
    const world = await createWorld()
    const { client } = createPhone(world)
    got(await client.start())
    const first = got(await client.register({ custom: 'letter', data: 'c-1' }, user(['40718'])))
    const again = got(await client.register({ custom: 'letter', data: 'c-1' }, user([])))
    expect(again.profile).toBe(first.profile)
    const second = got(await client.register({ custom: 'letter', data: 'c-2' }, user(['52960'])))
    expect(await client.profiles()).toHaveLength(2)
    got(await client.login(second.profile!, user(['52960'])))
    got(await client.login(first.profile!, user(['40718'])))
    expect(await client.login('nobody', user([]))).toMatchObject({ error: { code: 'profile.unknown' } })
  })
})
