import { createAuthorizationServer } from '@postern/tokens'
import { issuersByPath } from '@postern/tokens/issuer'
import { describe, expect, it } from 'vitest'
import { basic, CHALLENGE, REDIRECT, SECRET, type World, world } from '../world.js'

const ONE = 'https://id.example.com/t1'
const TWO = 'https://id.example.com/t2'
const request = {
  client_id: 'portal',
  redirect_uri: REDIRECT,
  response_type: 'code',
  scope: 'openid',
  code_challenge: CHALLENGE,
  code_challenge_method: 'S256',
}

describe('several issuers in one process', () => {
  async function both() {
    const one = await world({ seed: 1, issuer: ONE, nodes: 1 })
    // The same keys and the same store: nothing but issuer and tenant keeps the two apart.
    const shared = one.contexts[0]!
    const two = await world({
      seed: 2,
      issuer: TWO,
      nodes: 1,
      context: () => ({ tenant: 't2', keys: shared.keys, clients: shared.clients, runtime: { ...shared.runtime } }),
    })
    const server = createAuthorizationServer({
      resolveIssuer: ({ url }) => (url.includes('/t2') ? two.contexts[0]! : url.includes('/t1') ? shared : null),
    })
    return { one, two, server }
  }

  it('each is discovered at both well-known forms', async () => {
    const { server } = await both()
    for (const [issuer, path] of [
      [ONE, '/t1'],
      [TWO, '/t2'],
    ] as const)
      for (const url of [
        `https://id.example.com/.well-known/oauth-authorization-server${path}`,
        `${issuer}/.well-known/openid-configuration`,
      ]) {
        const found = (await (await server.wellKnown(new Request(url)))!.json()) as { issuer: string; token_endpoint: string }
        expect(found).toMatchObject({ issuer, token_endpoint: `${issuer}/token` })
      }
    expect((await server.fetch(new Request('https://id.example.com/t3/jwks'))).status).toBe(404)
  })

  it('F84 T18 T20 a code and a refresh token of one are noise at the other', async () => {
    const { one, two } = await both()
    const device = await one.device()
    const code = await one.code(device.id, { scope: ['openid', 'offline_access', 'accounts'] })
    const form = { client_id: device.id, code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' }
    const at = async (fields: Record<string, string>) => {
      const proof = await device.proof(`${TWO}/token`)
      const first = await two.post('/token', { ...form, ...fields }, { headers: { dpop: proof } })
      expect(first.body.error).toBe('use_dpop_nonce') // the nonce of one is noise at the other
      const good = await device.proof(`${TWO}/token`, { nonce: first.headers.get('dpop-nonce')! })
      return two.post('/token', { ...form, ...fields }, { headers: { dpop: good } })
    }
    expect((await at({ grant_type: 'authorization_code', code })).body.error).toBe('invalid_grant')
    const tokens = (await one.redeem(device, code)).body
    expect((await at({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token })).body.error).toBe('invalid_grant')
    expect((await two.introspect(tokens.access_token)).body).toEqual({ active: false })
    expect((await one.introspect(tokens.access_token)).body.active).toBe(true)
  })

  it('F84 T37 T48 a request_uri and an interaction of one are noise at the other', async () => {
    const { one, two } = await both()
    const headers = { authorization: basic('portal', SECRET) }
    const { body } = await one.post('/par', request, { headers })
    const open = (w: World, issuer: string) => {
      const query = new URLSearchParams({ client_id: 'portal', request_uri: body.request_uri })
      return w.nodes[0]!.fetch(new Request(`${issuer}/authorize?${query}`))
    }
    const foreign = await open(two, TWO)
    expect([foreign.status, foreign.headers.get('location'), await foreign.text()]).toEqual([
      400,
      null,
      expect.stringContaining('par.invalid'),
    ])
    const page = await open(one, ONE)
    const handle = await page.text()
    const cookie = page.headers.get('set-cookie')!.split(';')[0]!
    const login = { subject: 'u', authTime: one.now(), acr: 'level1', amr: [] }
    const end = (w: World, issuer: string) =>
      w.nodes[0]!.resume(
        handle,
        { outcome: 'granted', login, scope: [] },
        new Request(`${issuer}/login`, { headers: { cookie } }),
      )
    expect([(await end(two, TWO)).status, (await end(one, ONE)).status]).toEqual([400, 303])
  })
})

describe('issuersByPath', () => {
  async function banks(base = '') {
    const contexts = new Map(
      await Promise.all(
        ['t1', 't2'].map(async (name, i) => {
          const issuer = `https://id.example.com${base}/${name}`
          const { contexts } = await world({ seed: i, issuer, nodes: 1, context: () => ({ tenant: name }) })
          return [name, contexts[0]!] as const
        }),
      ),
    )
    const asked: string[] = []
    const find = (name: string) => {
      asked.push(name)
      return contexts.get(name) ?? null
    }
    return { asked, contexts, server: createAuthorizationServer({ resolveIssuer: issuersByPath(find, { base }) }) }
  }
  const issuerAt = async (reply: Response | null) => ((await reply!.json()) as { issuer: string }).issuer

  it.each(['', '/oauth'])('serves each below %s/<name>, discovery at all three forms included', async (base) => {
    const { server } = await banks(base)
    for (const name of ['t1', 't2']) {
      const issuer = `https://id.example.com${base}/${name}`
      expect((await server.fetch(new Request(`${issuer}/jwks`))).status).toBe(200)
      for (const url of [
        `https://id.example.com/.well-known/oauth-authorization-server${base}/${name}`,
        `https://id.example.com/.well-known/openid-configuration${base}/${name}`,
        `${issuer}/.well-known/openid-configuration`,
      ])
        expect(await issuerAt(await server.wellKnown(new Request(url)))).toBe(issuer)
    }
  })

  it('H10 neither Host nor X-Forwarded-* has a say', async () => {
    const { server } = await banks()
    const headers = {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-prefix': '/t2',
      'x-forwarded-proto': 'http',
      host: 'evil.example',
    }
    const url = 'https://evil.example/.well-known/oauth-authorization-server/t1'
    const reply = await server.wellKnown(new Request(url, { headers }))
    expect(await reply!.text()).not.toContain('evil')
  })

  it('H22 whatever is written in another way is 404 and looked up nowhere', async () => {
    const { server, asked } = await banks('/oauth')
    for (const path of [
      '/',
      '/oauth',
      '/oauth/',
      '/oauth//t1/jwks',
      '/oauth/%74%31/jwks',
      '/oauth/t1;/jwks',
      '/oauth/..;/jwks',
      '/OAUTH/t1/jwks',
      '/t1/jwks',
      '/oauth/t1%2fjwks',
      `/oauth/${'t'.repeat(65)}/jwks`,
    ]) {
      // A bridge hands in what was on the wire; a Request would have normalised it.
      const raw = { method: 'GET', url: `https://id.example.com${path}`, headers: new Headers() } as unknown as Request
      expect((await server.fetch(raw)).status, path).toBe(404)
    }
    for (const dots of ['.', '..']) {
      const raw = {
        method: 'GET',
        url: `https://id.example.com/oauth/${dots}/jwks`,
        headers: new Headers(),
      } as unknown as Request
      expect((await server.fetch(raw)).status).toBe(404)
    }
    expect(asked).toEqual([])
    expect((await server.fetch(new Request('https://id.example.com/oauth/t3/jwks'))).status).toBe(404)
    expect(asked).toEqual(['t3'])
  })

  it('refuses to serve an issuer at the path of another', async () => {
    const { contexts } = await banks()
    const server = createAuthorizationServer({ resolveIssuer: issuersByPath(() => contexts.get('t2')!) })
    expect((await server.fetch(new Request('https://id.example.com/t1/jwks'))).status).toBe(500)
    expect((await server.fetch(new Request('https://id.example.com/t2/jwks'))).status).toBe(200)
  })
})

it('a bridge that brings method, url, headers.get and text() alone is served', async () => {
  const { nodes } = await world({ nodes: 1 })
  const body = 'grant_type=none'
  const headers = new Headers({ 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) })
  const lazy = {
    method: 'POST',
    url: `${ONE}/token`,
    headers: { get: (name: string) => headers.get(name) },
    text: async () => body,
  }
  const reply = await nodes[0]!.fetch(lazy as unknown as Request)
  expect([reply.status, ((await reply.json()) as { error: string }).error]).toEqual([400, 'unsupported_grant_type'])
})

it('H13 a 405 says which methods there are', async () => {
  const { nodes } = await world({ nodes: 1 })
  for (const [path, allow] of [
    ['/token', 'POST'],
    ['/register', 'POST'],
    ['/userinfo', 'GET, POST'],
  ] as const) {
    const reply = await nodes[0]!.fetch(new Request(`${ONE}${path}`, { method: 'PATCH' }))
    expect([reply.status, reply.headers.get('allow'), reply.headers.get('www-authenticate')]).toEqual([405, allow, null])
  }
})

it('a registration access token that is none is answered with a challenge', async () => {
  const { nodes } = await world({ nodes: 1 })
  const reply = await nodes[0]!.fetch(new Request(`${ONE}/register/nobody`))
  expect([reply.status, reply.headers.get('www-authenticate')]).toEqual([401, 'DPoP error="invalid_token"'])
})
