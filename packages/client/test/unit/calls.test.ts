import { describe, expect, it } from 'vitest'
import { createPhone, createWorld, got, policyOf, registered, user } from '../support/world.js'

/** The starter's rules but for those that want a user: what a bank writes that lets its app read the news. */
function trusting(schema: string) {
  const { rules, ...rest } = policyOf(schema)
  return { ...rest, rules: rules.filter(({ id }) => !['user-not-active', 'login-level'].includes(id)), invariants: [] }
}

async function loggedIn() {
  const world = await createWorld()
  const screen = user(['40718', '40718', '40718'])
  const phone = await registered(world, { prompts: screen })
  got(await phone.client.login(phone.profile, user(['40718'])))
  return { world, screen, ...phone }
}

describe('calls of the API', () => {
  it('are sealed: what the wire sees is the key document and the gateway', async () => {
    const { world, client } = await loggedIn()
    world.arrived.length = 0
    await client.fetch('/accounts?secret=1', { headers: { 'x-secret': '1' } })
    await client.fetch('/accounts')
    expect(new Set(world.arrived)).toEqual(new Set(['GET /.well-known/ohttp-gateway', 'POST /ohttp']))
    // One repetition for the first nonce, none after.
    expect(world.arrived.filter((line) => line === 'POST /ohttp')).toHaveLength(3)
  })

  it('answer with the status the API gave, and refuse another origin', async () => {
    const { client } = await loggedIn()
    expect((await client.fetch('/missing')).status).toBe(404)
    await expect(client.fetch('https://elsewhere.example/')).rejects.toMatchObject({ code: 'payload.misdirected' })
  })

  it('want a login first', async () => {
    const { client } = await registered(await createWorld())
    await expect(client.fetch('/accounts')).rejects.toMatchObject({ code: 'login.required' })
  })

  it('step up by themselves when the resource wants more, and repeat once (RFC 9470)', async () => {
    const { world, client, screen } = await loggedIn()
    world.needs.set('/transfer', { acr: ['pin'], maxAge: 60 })
    world.clock.advance(120_000)
    const answer = await client.fetch('/transfer', { method: 'POST', body: 'pay' })
    expect(await answer.json()).toMatchObject({ acr: 'pin', body: 'pay' })
    expect(screen.asked).toEqual([{ purpose: 'login' }])
    world.needs.set('/never', { acr: ['unknown'] })
    expect((await client.fetch('/never')).status).toBe(401)
  })

  it('leave the answer to the app where there is nobody to ask; stepUp takes it', async () => {
    const world = await createWorld()
    const { client, profile } = await registered(world)
    got(await client.login(profile, user(['40718'])))
    world.needs.set('/transfer', { maxAge: 60 })
    world.clock.advance(120_000)
    const refused = await client.fetch('/transfer')
    expect(refused.status).toBe(401)
    got(await client.stepUp(refused, user(['40718'])))
    expect((await client.fetch('/transfer')).status).toBe(200)
  })

  it('refresh the token once for all who ask, before it ends', async () => {
    const { world, client } = await loggedIn()
    await client.fetch('/accounts')
    world.clock.advance(client.session!.expiresAt - world.clock.clock() - 10_000)
    world.arrived.length = 0
    const answers = await Promise.all(Array.from({ length: 5 }, () => client.fetch('/accounts')))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    const asked = world.arrived.filter((line) => line.endsWith('/token'))
    expect(asked.length).toBeLessThanOrEqual(2)
  })

  it('get the same successor when the answer of a refresh is lost', async () => {
    const { world, client } = await loggedIn()
    world.clock.advance(client.session!.expiresAt - world.clock.clock() - 10_000)
    let lost = 0
    world.fate = ({ url }) => (url.endsWith('/token') && lost++ < 2 ? 'lose-reply' : 'pass')
    // Both answers are lost, if not to the nonce; the token stays, and the next call gets its successor.
    await client.fetch('/accounts').catch((error: unknown) => expect(error).toMatchObject({ code: 'net.unreachable' }))
    expect((await client.fetch('/accounts')).status).toBe(200)
    world.fate = () => 'pass'
    world.clock.advance(client.session!.expiresAt - world.clock.clock() - 10_000)
    expect((await client.fetch('/accounts')).status).toBe(200)
  })

  it('of the platform meet a nonce that has lapsed by one repetition', async () => {
    const { world, client, profile } = await loggedIn()
    world.clock.advance(600_000)
    world.arrived.length = 0
    got(await client.login(profile, user(['40718'])))
    const calls = world.arrived.map((line) => line.split(' ')[1])
    expect(calls).toEqual([...Array(4).fill('/postern/authorize-challenge'), '/postern/token'])
  })

  it('of the app itself need no user', async () => {
    const world = await createWorld({ policy: (schema) => trusting(schema) })
    const { client } = createPhone(world)
    got(await client.start())
    expect(got(await client.anonymous(['accounts']))).toMatchObject({ profile: null })
    expect(await (await client.fetch('/news')).json()).toMatchObject({ kind: 'device' })
    expect(await client.anonymous(['everything'])).toMatchObject({ error: { code: 'scope.refused' } })
    const strict = createPhone(await createWorld())
    got(await strict.client.start())
    expect(await strict.client.anonymous(['accounts'])).toMatchObject({ ok: false, error: { code: 'user.blocked' } })
  })
})
