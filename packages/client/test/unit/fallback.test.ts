import type { SignCause } from '@postern/client/ports'
import { describe, expect, it } from 'vitest'
import { createWorld, got, registered, user } from '../support/world.js'

async function withBiometric() {
  const world = await createWorld()
  const phone = await registered(world)
  got(await phone.client.enrol('biometric', user([])))
  got(await phone.client.prefer('biometric', user([])))
  return { world, ...phone }
}

describe('another way to log in', () => {
  it('is enrolled with the token of the registration, and then logs in alone', async () => {
    const { client, profile, world } = await withBiometric()
    expect(await client.profiles()).toEqual([{ id: profile, authenticators: ['pin', 'biometric'] }])
    const nobody = user([])
    expect(got(await client.login(profile, nobody))).toMatchObject({ acr: 'pin' })
    expect(nobody.asked).toEqual([])
    expect(await (await client.fetch('/accounts')).json()).toMatchObject({ subject: 'c-1001' })
    expect(world.arrived.filter((line) => line.startsWith('POST /ohttp')).length).toBeLessThanOrEqual(2)
  })

  it('is enrolled after a fresh login where the token of the registration is over', async () => {
    const world = await createWorld()
    const { client, profile } = await registered(world)
    world.clock.advance(3_600_000)
    expect(await client.enrol('device-key', user([]))).toMatchObject({ ok: false, error: { code: 'client.cancelled' } })
    got(await client.enrol('device-key', user(['40718'])))
    expect(await client.enrol('device-key', user([]))).toMatchObject({ error: { code: 'authenticator.already_enrolled' } })
    expect(got(await client.login(profile, user([]), { prefer: 'device-key' }))).toMatchObject({ acr: 'pin' })
  })

  it.each<SignCause>(['cancelled', 'locked-out', 'unavailable'])('falls back to the PIN when the finger is %s', async (cause) => {
    const { client, keystore, profile } = await withBiometric()
    keystore.biometric = cause
    const screen = user(['40718'])
    expect(got(await client.login(profile, screen))).toMatchObject({ acr: 'pin' })
    expect(screen.asked).toEqual([{ purpose: 'login', reason: 'fallback' }])
    expect((await client.profiles())[0]?.authenticators).toEqual(['pin', 'biometric'])
  })

  it.each<SignCause>(['locked-out-permanently', 'key-invalidated'])(
    'removes the biometric on both sides when it is %s',
    async (cause) => {
      const { client, keystore, profile } = await withBiometric()
      keystore.biometric = cause
      expect(got(await client.login(profile, user(['40718'])))).toMatchObject({ acr: 'pin' })
      expect((await client.profiles())[0]?.authenticators).toEqual(['pin'])
      expect([...keystore.keys.values()].some(({ presence }) => presence === 'biometric')).toBe(false)
      keystore.biometric = null
      const screen = user(['40718'])
      got(await client.login(profile, screen))
      expect(screen.asked).toEqual([{ purpose: 'login' }])
      got(await client.enrol('biometric', user(['40718'])))
    },
  )

  it('is chosen by the user where the app asks him, and by type where the app says so', async () => {
    const { client, profile } = await withBiometric()
    const seen: string[] = []
    const screen = user(['40718'], {
      async choose(choices) {
        seen.push(...choices.map(({ type }) => type))
        return choices.find(({ type }) => type === 'pin')!.id
      },
    })
    got(await client.login(profile, screen))
    expect(seen).toEqual(['biometric', 'pin'])
    expect(screen.asked).toEqual([{ purpose: 'login' }])
    const typed = user(['40718'])
    got(await client.login(profile, typed, { prefer: 'pin' }))
    expect(typed.asked).toHaveLength(1)
    expect(await client.login(profile, user([], { choose: async () => null }))).toMatchObject({
      error: { code: 'client.cancelled' },
    })
  })

  it('joins the first where the level wants both', async () => {
    const { client, profile } = await withBiometric()
    expect(got(await client.login(profile, user(['40718']), { acr: 'strong' }))).toMatchObject({ acr: 'strong' })
    expect(await client.login(profile, user(['40718']), { acr: 'heroic' })).toMatchObject({ error: { code: 'acr.unreachable' } })
  })

  it('gives a PIN for a PIN: the old one proves itself, and only the new one works after', async () => {
    const world = await createWorld()
    const { client, profile } = await registered(world)
    const screen = user(['40718', '11111', '13579', '29518', '40718'])
    // A login, for the registration proved no PIN; the old one; a new one until the policy takes it; the old one again, for it was wrong.
    const changed = await client.changePin(screen)
    expect(got(changed)).toMatchObject({ type: 'pin' })
    expect(screen.asked).toEqual([
      { purpose: 'login' },
      { purpose: 'change' },
      'new',
      ['sequence', 'blocked'],
      { purpose: 'change', reason: 'wrong', attemptsLeft: expect.any(Number) },
    ])
    const after = user(['40718', '29518'])
    expect(got(await client.login(profile, after)).failures).toBe(1)
  })
})
