import { expect, it } from 'vitest'
import { createWorld, got, registered, user, type World } from '../support/world.js'

/** Two users of one phone, the first of them logged in, with a token that is about to end. */
async function shared() {
  const world = await createWorld()
  const screen = user(['52960', '52960'])
  const phone = await registered(world, { prompts: screen })
  const second = got(await phone.client.register({ custom: 'letter', data: 'c-2002' }, user(['52960']))).profile!
  got(await phone.client.login(phone.profile, user(['40718'])))
  await phone.client.fetch('/accounts')
  return { world, screen, second, ...phone }
}

/** Holds the first good answer to a request that `picks` names, until released; `reached` once the server has handled it. */
function hold(world: World, picks: (request: Request) => boolean) {
  let release: () => void = () => undefined
  let arrive: () => void = () => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const reached = new Promise<void>((resolve) => {
    arrive = resolve
  })
  let held = false
  world.late = (request, { ok }) => {
    if (held || !ok || !picks(request)) return null
    held = true
    arrive()
    return released
  }
  return { reached, release }
}

const refreshes = ({ url }: Request) => url.endsWith('/token')
const apiCalls = ({ url }: Request) => url.endsWith('/ohttp')
const subjectOf = async (reply: Response): Promise<unknown> => ((await reply.json()) as { subject: unknown }).subject

it('a refresh of one user that is still under way gives no token to the next user', async () => {
  const { world, client, second, profile } = await shared()
  const first = await subjectOf(await client.fetch('/accounts'))
  world.clock.advance(client.session!.expiresAt - world.clock.clock() - 10_000)
  const { reached, release } = hold(world, refreshes)
  const waiting = client.fetch('/accounts').catch((error: unknown) => error)
  await reached
  got(await client.login(second, user(['52960'])))
  world.clock.advance(client.session!.expiresAt - world.clock.clock() - 10_000)
  const calls = client.fetch('/accounts')
  release()
  expect(await subjectOf(await calls)).not.toBe(first)
  expect(await waiting).toMatchObject({ code: 'login.required' })
  expect(client.session).toMatchObject({ profile: second })
  expect(second).not.toBe(profile)
})

it.each([
  ['for another nonce', 600_000, {}],
  ['for a newer login', 2000, { maxAge: 1 }],
])('a call begun by one user and answered with a wish %s is not sent again as another', async (_, wait, need) => {
  const { world, client, second, screen } = await shared()
  world.needs.set('/transfer', need)
  world.clock.advance(wait)
  const { reached, release } = hold(world, apiCalls)
  const transfer = client.fetch('/transfer', { method: 'POST', body: 'pay' })
  await reached
  got(await client.login(second, user(['52960'])))
  const sent = () => world.arrived.filter((line) => line === 'POST /ohttp').length
  const before = sent()
  release()
  await expect(transfer).rejects.toMatchObject({ code: 'login.required' })
  expect(sent()).toBe(before)
  expect(screen.asked).toEqual([])
})

it('a logout hands out no token that a refresh under way brings later, and keeps none of it', async () => {
  const { world, client, profile } = await shared()
  world.clock.advance(client.session!.expiresAt - world.clock.clock() - 10_000)
  const { reached, release } = hold(world, refreshes)
  world.arrived.length = 0
  const waiting = client.fetch('/accounts').catch((error: unknown) => error)
  await reached
  expect(got(await client.logout())).toEqual({ server: 'told' })
  release()
  expect(await waiting).toMatchObject({ code: 'login.required' })
  expect(world.arrived).not.toContain('POST /ohttp')
  expect(client.session).toBeNull()
  world.arrived.length = 0
  got(await client.logout())
  expect(world.arrived).toEqual([])
  got(await client.login(profile, user(['40718'])))
})
