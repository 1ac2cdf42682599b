import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillInLoginForm } from '../demo/phone.js'
import { createCaller, portalCode } from './support/caller.js'
import { REDIRECT, startWorld, type World } from './support/world.js'

describe('the bank with Postern mounted', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({
      before: (bank) =>
        bank.use((_req, res, next) => {
          res.cookie('seen', 'yes')
          next()
        }),
    })
  })
  afterAll(() => world.close())

  const logIn = async (password: string): Promise<Response> =>
    fetch(`${world.origin}/login`, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ user: 'anna', password, next: '/' }),
    })
  const authorize = (query: Record<string, string>): string =>
    `${world.issuer}/authorize?${new URLSearchParams({
      response_type: 'code',
      client_id: 'portal',
      redirect_uri: REDIRECT,
      scope: 'openid accounts',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
      ...query,
    })}`

  it('serves its own pages, sessions and headers as before', async () => {
    const front = await fetch(world.origin)
    expect(front.status).toBe(200)
    expect(front.headers.get('x-powered-by')).toBe('Express')
    expect(await front.text()).toContain('Log in')
    expect((await logIn('wrong')).status).toBe(401)
    const session = await logIn('correct horse')
    expect(session.status).toBe(303)
    const cookie = session.headers.getSetCookie().find((one) => one.startsWith('bank='))!
    expect(cookie).toMatch(/HttpOnly/)
    const home = await fetch(world.origin, { headers: { cookie: cookie.split(';')[0]! } })
    expect(await home.text()).toContain('Welcome, c-1001')
    expect((await fetch(`${world.origin}/nowhere`)).status).toBe(404)
  })

  it('keeps its headers on the answers of Postern too', async () => {
    const answer = await fetch(`${world.issuer}/jwks`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-powered-by')).toBe('Express')
    expect((await fetch(`${world.issuer}/nowhere`)).status).toBe(404)
  })

  it('describes the issuer at both well-known places (RFC 8414 §3.1, OpenID Connect Discovery §4)', async () => {
    const oauth = await fetch(`${world.origin}/.well-known/oauth-authorization-server/postern`)
    const oidc = await fetch(`${world.issuer}/.well-known/openid-configuration`)
    const [one, two] = [await oauth.json(), await oidc.json()]
    expect(one.issuer).toBe(world.issuer)
    expect(one.token_endpoint).toBe(`${world.issuer}/token`)
    expect(two).toEqual(one)
    expect((await fetch(`${world.origin}/.well-known/security.txt`)).status).toBe(404)
  })

  it('sets two cookies on one answer: its own, and the one that binds a login to its browser', async () => {
    const answer = await fetch(authorize({}), { redirect: 'manual' })
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toMatch(new RegExp(`^${world.origin}/login\\?next=`))
    const names = answer.headers.getSetCookie().map((one) => one.split('=')[0])
    expect(names).toHaveLength(2)
    expect(names).toContain('seen')
  })

  it('reads forms and JSON behind body parsers that read them first', async () => {
    const portal = await createCaller(world.issuer, 'portal')
    const redeemed = await portal.redeem(await portalCode(world.issuer))
    expect(redeemed.status).toBe(200)
    expect(redeemed.body.token_type).toBe('DPoP')
    const json = await fetch(`${world.issuer}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ app_id: 'retail' }),
    })
    expect(json.status).toBe(400)
    expect((await json.json()).error).toBeTypeOf('string')
    expect((await portal.post('/token', { grant_type: 'password', client_id: 'portal' })).body.error).toBe(
      'unsupported_grant_type',
    )
  })

  it('asks for the password again when the portal finds the login too old, and not otherwise', async () => {
    const jar = new Map<string, string>()
    await fillInLoginForm(authorize({}), { jar, portal: REDIRECT })
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const ask = async (query: Record<string, string>): Promise<string> =>
      (await fetch(authorize(query), { redirect: 'manual', headers: { cookie } })).headers.get('location')!
    expect(await ask({ max_age: '60' })).toContain('code=')
    await new Promise((done) => setTimeout(done, 1_100))
    expect(await ask({ max_age: '1' })).toContain('/login?next=')
    expect(await ask({})).toContain('code=')
  })

  it.each(['https://evil.example/', '//evil.example/', '/\\evil.example/'])('sends nobody to %s after a login', async (next) => {
    const answer = await fetch(`${world.origin}/login`, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ user: 'anna', password: 'correct horse', next }),
    })
    expect(answer.headers.get('location')).toBe('/')
  })
})
