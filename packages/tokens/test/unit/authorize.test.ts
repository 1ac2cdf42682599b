import { PosternError } from '@postern/core/errors'
import { hashSecret } from '@postern/tokens/auth/secret'
import { describe, expect, it } from 'vitest'
import { checkRedirectUri, isRegistered } from '../../src/internal/redirect.js'
import { crypto, finish } from '../authorization.js'
import { basic, CHALLENGE, changed, ISSUER, REDIRECT, SECRET, VERIFIER, type World, type WorldOptions, world } from '../world.js'

const good = {
  client_id: 'portal',
  redirect_uri: REDIRECT,
  response_type: 'code',
  scope: 'openid accounts',
  code_challenge: CHALLENGE,
  code_challenge_method: 'S256',
  state: 's1',
}
const authorize = (w: World, parameters: Record<string, string> | string, cookie?: string) =>
  w.nodes[0]!.fetch(
    new Request(`${ISSUER}/authorize?${new URLSearchParams(parameters)}`, { headers: cookie === undefined ? {} : { cookie } }),
  )
const errorAt = (reply: Response) => new URL(reply.headers.get('location')!).searchParams
const granted = (w: { now(): number }) =>
  ({
    outcome: 'granted',
    login: { subject: 'user-1', authTime: w.now(), acr: 'level2', amr: ['pin'] },
    scope: ['openid'],
  }) as const
const push = (w: World, more: Record<string, string> = {}) =>
  w.post('/par', { ...good, ...more }, { headers: { authorization: basic('portal', SECRET) } })

describe('/authorize', () => {
  it('binds the login to the browser, gives one code, and its state and iss (T12, T48)', async () => {
    const w = await world()
    const page = await authorize(w, good)
    const handle = await page.text()
    const cookie = page.headers.get('set-cookie')!
    expect(cookie).toMatch(/^__Host-postern=[\w-]{22}; Path=\/; Secure; HttpOnly; SameSite=Lax$/)
    const resume = (value: string | null) =>
      w.nodes[1]!.resume(handle, granted(w), new Request(`${ISSUER}/login`, { headers: value === null ? {} : { cookie: value } }))
    expect((await resume(null)).status).toBe(400)
    expect((await resume('__Host-postern=AAAAAAAAAAAAAAAAAAAAAA')).status).toBe(400)
    const [first, second] = await Promise.all([resume(cookie.split(';')[0]!), resume(cookie.split(';')[0]!)])
    expect([first.status, second.status].sort()).toEqual([303, 400])
    const back = errorAt(first.status === 303 ? first : second)
    expect([back.get('state'), back.get('iss')]).toEqual(['s1', ISSUER])
    const form = { grant_type: 'authorization_code', code: back.get('code')!, code_verifier: VERIFIER, redirect_uri: REDIRECT }
    expect((await w.post('/token', form, { headers: { authorization: basic('portal', SECRET) } })).body.scope).toBe('openid')
  })

  it.each([
    ['T06 no challenge', { code_challenge: '', code_challenge_method: '' }, 'invalid_request'],
    ['T08 method plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['T14 response_type token', { response_type: 'token' }, 'unsupported_response_type'],
    ['T14 response_type code id_token', { response_type: 'code id_token' }, 'unsupported_response_type'],
    ['T14 response_mode fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['a scope it may not have', { scope: 'payments' }, 'invalid_scope'],
    ['another resource', { resource: 'https://other.example' }, 'invalid_target'],
    ['a negative max_age', { max_age: '-1' }, 'invalid_request'],
    ['a request object', { request: 'x.y.z' }, 'request_not_supported'],
  ])('%s is told to the client', async (_what, change, error) => {
    const w = await world()
    const back = errorAt(await authorize(w, { ...good, ...change }))
    expect([back.get('error'), back.get('state'), back.get('iss')]).toEqual([error, 's1', ISSUER])
  })

  it.each([
    `${REDIRECT}x`,
    `${REDIRECT}/`,
    `${REDIRECT}/../evil`,
    REDIRECT.replace('cb', '%63b'),
    REDIRECT.replace('//', '//user@'),
    `${REDIRECT}#f`,
    REDIRECT.replace('.com', '.com:444'),
    REDIRECT.toUpperCase(),
    'https://portal.example.com.evil.net/cb',
    'com.evil:/cb',
    'https://sub.portal.example.com/cb',
    'javascript:alert(1)',
    `${REDIRECT}?a=1`,
  ])('T10 T11 with redirect_uri %s there is no redirect at all', async (redirect_uri) => {
    const w = await world()
    const reply = await authorize(w, { ...good, redirect_uri })
    expect([reply.status, reply.headers.get('location')]).toEqual([400, null])
  })

  it('T10 only the port of a loopback IP may vary', () => {
    const registered = ['http://127.0.0.1/cb', 'http://localhost/cb']
    expect(isRegistered('http://127.0.0.1:4711/cb', registered)).toBe(true)
    for (const uri of [
      'http://localhost:4711/cb',
      'http://127.0.0.1:4711/cbx',
      'http://127.0.0.1:4711@evil/cb',
      'http://127.0.0.1.evil/cb',
      'https://127.0.0.1:1/cb',
      'http://127.0.0.1:65536/cb',
    ])
      expect(isRegistered(uri, registered), uri).toBe(false)
  })

  it('T11 an unknown client gets the error page, and so does a duplicate parameter', async () => {
    const w = await world()
    expect((await authorize(w, { ...good, client_id: 'nobody' })).headers.get('location')).toBeNull()
    const reply = await w.nodes[0]!.fetch(new Request(`${ISSUER}/authorize?${new URLSearchParams(good)}&state=2`))
    expect([reply.status, reply.headers.get('location')]).toEqual([400, null])
  })

  it('T37 a request_uri of another client, altered, expired or used is refused', async () => {
    const w = await world({
      decide: () => ({ outcome: 'granted', login: { subject: 'u', authTime: 0, acr: 'level1', amr: [] }, scope: [] }),
    } satisfies WorldOptions)
    const { body } = await push(w)
    const at = (request_uri: string, client_id = 'portal') =>
      authorize(w, { client_id, request_uri }).then(({ status }) => status)
    expect(await at(body.request_uri, 'other')).toBe(400)
    expect(await at(changed(body.request_uri))).toBe(400)
    expect(await at('https://evil.example/request.jwt')).toBe(400)
    expect(await at(body.request_uri)).toBe(303)
    expect(await at(body.request_uri)).toBe(400)
    const late = (await push(w)).body.request_uri
    w.advance(90_000)
    expect(await at(late)).toBe(400)
  })

  it('T37 a request_uri that has produced its code shows no page again; before that a reload is fine', async () => {
    const w = await world()
    const { request_uri } = (await push(w)).body
    const open = () => authorize(w, { client_id: 'portal', request_uri })
    const page = await open()
    expect((await open()).status).toBe(200)
    const cookie = page.headers.get('set-cookie')!.split(';')[0]!
    await w.nodes[0]!.resume(await page.text(), granted(w), new Request(`${ISSUER}/login`, { headers: { cookie } }))
    expect((await open()).status).toBe(400)
  })

  it('a pushed request too large for its handle is stored', async () => {
    const w = await world()
    const { body } = await push(w, { state: 'x'.repeat(1000), nonce: 'n'.repeat(500) })
    expect(body.request_uri.length).toBeLessThan(1500)
    expect((await authorize(w, { client_id: 'portal', request_uri: body.request_uri })).status).toBe(200)
  })

  it('F19 max_age and an essential acr that are missed end in unmet_authentication_requirements', async () => {
    const decision = { outcome: 'granted', login: { subject: 'u', authTime: 1, acr: 'level1', amr: [] }, scope: [] } as const
    const w = await world({ decide: () => decision })
    const claims = JSON.stringify({ id_token: { acr: { essential: true, values: ['level2'] } } })
    for (const change of [{ max_age: '60' }, { claims }])
      expect(errorAt(await authorize(w, { ...good, ...change })).get('error')).toBe('unmet_authentication_requirements')
    expect(errorAt(await authorize(w, good)).get('code')).toBeTypeOf('string')
  })

  it('max_age counts whole seconds, as it is written: a login of 999 ms ago satisfies 0, one of a second ago does not', async () => {
    let authTime = 0
    const w = await world({
      decide: () => ({ outcome: 'granted', login: { subject: 'u', authTime, acr: 'level1', amr: [] }, scope: [] }),
    })
    const after = async (ms: number) => {
      authTime = w.now() - ms
      return errorAt(await authorize(w, { ...good, max_age: '0' })).get('error')
    }
    expect([await after(0), await after(999), await after(1000)]).toEqual([null, null, 'unmet_authentication_requirements'])
  })

  it('a request that no handle could carry is refused at once; the largest that is taken can be finished', async () => {
    const w = await world()
    const claims = (n: number) => JSON.stringify({ x: Array.from({ length: n }, () => 1e15) })
    const wide = { login_hint: 'é'.repeat(500), ui_locales: 'ü'.repeat(100), state: '€'.repeat(1000), nonce: 'n'.repeat(500) }
    // Short in the request, long as a number is written in full.
    const short = (n: number) => claims(n).replaceAll('1000000000000000', '1e15')
    const refused = await authorize(w, { ...good, ...wide, claims: short(800) })
    expect(errorAt(refused).get('error')).toBe('invalid_request')
    let n = 800
    let page = refused
    while (page.status !== 200) page = await authorize(w, { ...good, ...wide, claims: short((n -= 10)) })
    expect(n).toBeGreaterThan(100)
    const cookie = page.headers.get('set-cookie')!.split(';')[0]!
    const done = await w.nodes[0]!.resume(await page.text(), granted(w), new Request(`${ISSUER}/login`, { headers: { cookie } }))
    expect(done.status).toBe(303)
  })

  it('H13 another method gets the page of the host, as a 405 that says which methods there are', async () => {
    const w = await world()
    const reply = await w.nodes[0]!.fetch(new Request(`${ISSUER}/authorize?${new URLSearchParams(good)}`, { method: 'DELETE' }))
    expect([reply.status, reply.headers.get('allow')]).toEqual([405, 'GET, POST'])
    expect(await reply.text()).toContain('request.method')
  })

  it('T37 two pages of one request_uri give one code, however late the second ends', async () => {
    const w = await world({ config: { lifetimes: { interactionSec: 60 } } })
    const { request_uri } = (await push(w)).body
    const page = async (cookie?: string) => {
      const reply = await authorize(w, { client_id: 'portal', request_uri }, cookie)
      return { handle: await reply.text(), cookie: reply.headers.get('set-cookie')?.split(';')[0] ?? cookie! }
    }
    const first = await page()
    w.advance(30_000)
    const second = await page(first.cookie)
    const end = async ({ handle, cookie }: { handle: string; cookie: string }) =>
      (await w.nodes[0]!.resume(handle, granted(w), new Request(`${ISSUER}/login`, { headers: { cookie } }))).status
    expect(await end(first)).toBe(303)
    w.advance(40_000)
    expect(await end(second)).toBe(400)
  })
})

it('T10 a redirect_uri that its client has given up since is led to no more: neither pushed nor on a page', async () => {
  let redirectUris: readonly string[] | null = null
  const w = await world({
    context: ({ clients }) => ({
      clients: {
        find: async (id) => {
          const client = await clients.find(id)
          return client && redirectUris !== null ? { ...client, redirectUris } : client
        },
      },
    }),
  })
  const { body } = await w.post('/par', good, { headers: { authorization: basic('portal', SECRET) } })
  const page = await authorize(w, good)
  redirectUris = ['https://portal.example.com/new']
  const pushed = await authorize(w, { client_id: 'portal', request_uri: body.request_uri })
  for (const reply of [pushed, await finish(w, page, granted(w))])
    expect([reply.status, reply.headers.get('location'), await reply.text()]).toEqual([
      400,
      null,
      expect.stringContaining('redirect.refused'),
    ])
})

describe('T14 response_mode', () => {
  it.each(['fragment', 'web_message', 'jwt', 'query.jwt', 'QUERY', 'query '])(
    '%s is refused, told in the query',
    async (response_mode) => {
      const w = await world()
      const back = errorAt(await authorize(w, { ...good, response_mode }))
      expect([back.get('error'), back.get('state')]).toEqual(['invalid_request', 's1'])
    },
  )

  it('form_post carries the code as query does', async () => {
    const w = await world({ decide: () => null })
    const page = await authorize(w, { ...good, response_mode: 'form_post' })
    const cookie = page.headers.get('set-cookie')!.split(';')[0]!
    const done = await w.nodes[0]!.resume(await page.text(), granted(w), new Request(`${ISSUER}/login`, { headers: { cookie } }))
    const [, code] = /name="code" value="([^"]+)"/.exec(await done.text())!
    const form = { grant_type: 'authorization_code', code: code!, code_verifier: VERIFIER, redirect_uri: REDIRECT }
    expect((await w.post('/token', form, { headers: { authorization: basic('portal', SECRET) } })).status).toBe(200)
  })
})

describe('prompt none', () => {
  it('shows no page: what would need one is interaction_required', async () => {
    const w = await world()
    const reply = await authorize(w, { ...good, prompt: 'none' })
    const back = errorAt(reply)
    expect([back.get('error'), back.get('state'), back.get('iss')]).toEqual(['interaction_required', 's1', ISSUER])
    expect(reply.headers.get('set-cookie')).toBeNull()
  })

  it('is answered by a host that knows the user, and stands alone', async () => {
    const w = await world({
      decide: () => ({ outcome: 'granted', login: { subject: 'u', authTime: 0, acr: 'level1', amr: [] }, scope: [] }),
    })
    expect(errorAt(await authorize(w, { ...good, prompt: 'none' })).get('code')).toBeTypeOf('string')
    expect(errorAt(await authorize(w, { ...good, prompt: 'none login' })).get('error')).toBe('invalid_request')
  })
})

describe('id_token_hint', () => {
  const decide = (subject: string) => () =>
    ({ outcome: 'granted', login: { subject, authTime: 0, acr: 'level1', amr: [] }, scope: ['openid'] }) as const
  async function hintOf(w: World): Promise<string> {
    const code = errorAt(await authorize(w, good)).get('code')!
    const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
    return (await w.post('/token', form, { headers: { authorization: basic('portal', SECRET) } })).body.id_token
  }

  it('holds the answer to its user; an expired one counts', async () => {
    let subject = 'user-1'
    const w = await world({ decide: () => decide(subject)() })
    const id_token_hint = await hintOf(w)
    w.advance(3_600_000)
    expect(errorAt(await authorize(w, { ...good, id_token_hint })).get('code')).toBeTypeOf('string')
    subject = 'user-2'
    expect(errorAt(await authorize(w, { ...good, id_token_hint })).get('error')).toBe('login_required')
    expect(errorAt(await authorize(w, good)).get('code')).toBeTypeOf('string')
  })

  it('of a pairwise client is the sub that this client knows', async () => {
    let subject = 'user-1'
    const clients = [
      {
        id: 'portal',
        auth: { method: 'client_secret_basic' as const, secretHashes: [await hashSecret(crypto, SECRET)] },
        redirectUris: [REDIRECT],
        scope: ['openid', 'accounts'],
        subjectType: 'pairwise' as const,
      },
    ]
    const w = await world({ clients, decide: () => decide(subject)() })
    const id_token_hint = await hintOf(w)
    expect(id_token_hint.split('.')[1]).not.toContain(Buffer.from('user-1').toString('base64url').slice(0, 6))
    expect(errorAt(await authorize(w, { ...good, id_token_hint })).get('code')).toBeTypeOf('string')
    subject = 'user-2'
    expect(errorAt(await authorize(w, { ...good, id_token_hint })).get('error')).toBe('login_required')
  })

  it('T26 that is none of ours, another client’s, an access token or changed is invalid_request', async () => {
    const w = await world({ decide: decide('user-1') })
    const hint = await hintOf(w)
    const { body } = await w.post('/token', {
      grant_type: 'client_credentials',
      scope: 'accounts',
      client_id: 'service',
      client_secret: SECRET,
    })
    const [head, , signature] = hint.split('.')
    const forged = [head, Buffer.from('{"iss":"x"}').toString('base64url'), signature].join('.')
    for (const id_token_hint of [body.access_token, forged, `${hint}x`, 'x', 'a.b.c.d.e'])
      expect(errorAt(await authorize(w, { ...good, id_token_hint })).get('error')).toBe('invalid_request')
    const other = { ...good, client_id: 'other', redirect_uri: 'https://other.example.com/cb', id_token_hint: hint }
    expect(errorAt(await authorize(w, other)).get('error')).toBe('invalid_request')
  })

  it('in claims as a sub of its own is heeded likewise', async () => {
    const w = await world({ decide: decide('user-1') })
    const asking = (value: string) => JSON.stringify({ id_token: { sub: { value } } })
    expect(errorAt(await authorize(w, { ...good, claims: asking('user-1') })).get('code')).toBeTypeOf('string')
    expect(errorAt(await authorize(w, { ...good, claims: asking('user-2') })).get('error')).toBe('login_required')
  })
})

describe('the form', () => {
  const raw = (w: World, query: string) => w.nodes[0]!.fetch(new Request(`${ISSUER}/authorize?${query}`))

  it.each([
    ['H05 a parameter twice', 'scope=openid'],
    ['H05 an array', 'resource[]=a'],
    ['an escape that is none', 'login_hint=%zz'],
    ['H07 an escape that is no UTF-8', 'login_hint=%c3%28'],
    ['a NUL', 'login_hint=%00'],
    ['65 parameters', Array.from({ length: 60 }, (_, i) => `p${i}=1`).join('&')],
  ])('%s gets the error page, not a guess', async (_what, more) => {
    const w = await world()
    const reply = await raw(w, `${new URLSearchParams(good)}&${more}`)
    expect([reply.status, reply.headers.get('location')]).toEqual([400, null])
  })

  it('H12 a POST that is no form, or is none by its type, is read as nothing', async () => {
    const w = await world()
    const body = new URLSearchParams(good).toString()
    for (const type of [
      'application/json',
      'text/plain',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded; charset=utf-16',
    ]) {
      const headers = { 'content-type': type }
      const reply = await w.nodes[0]!.fetch(new Request(`${ISSUER}/authorize`, { method: 'POST', body, headers }))
      expect([reply.status, reply.headers.get('location')], type).toEqual([400, null])
      const pushed = await w.post('/par', body, { headers: { ...headers, authorization: basic('portal', SECRET) } })
      expect([pushed.status, pushed.body.error], type).toEqual([400, 'invalid_request'])
    }
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await w.nodes[0]!.fetch(new Request(`${ISSUER}/authorize`, { method: 'POST', body, headers }))).status).toBe(200)
  })

  it('H05 H15 /par takes a parameter once, and credentials by the rule', async () => {
    const w = await world()
    const headers = { authorization: basic('portal', SECRET) }
    expect((await w.post('/par', `${new URLSearchParams(good)}&state=2`, { headers })).body.error).toBe('invalid_request')
    // The secret has a colon and a percent sign: once encoded, once decoded.
    expect((await w.post('/par', good, { headers })).status).toBe(201)
    const raw = { authorization: `Basic ${Buffer.from(`portal:${SECRET}`).toString('base64')}` }
    expect((await w.post('/par', good, { headers: raw })).status).toBeGreaterThanOrEqual(400)
    expect((await w.post('/par', { ...good, client_secret: SECRET }, { headers })).body.error).toBe('invalid_client')
  })

  it('H11 what a client sends breaks out of no header', async () => {
    const w = await world()
    const state = 'a\r\nset-cookie: evil=1'
    const back = await authorize(w, { ...good, state })
    expect(errorAt(back).get('error')).toBe('invalid_request')
    expect([...back.headers.keys()]).not.toContain('set-cookie')
    expect(back.headers.get('location')).not.toMatch(/[\r\n]|evil/)
    const reply = await authorize(w, { ...good, redirect_uri: `${REDIRECT}\r\nset-cookie: evil=1` })
    expect([reply.status, reply.headers.get('location'), reply.headers.get('set-cookie')]).toEqual([400, null, null])
  })

  it('H10 neither Host nor X-Forwarded-* has a say in where answers come from', async () => {
    const w = await world({
      decide: () => ({ outcome: 'granted', login: { subject: 'u', authTime: 0, acr: 'level1', amr: [] }, scope: [] }),
    })
    const headers = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http', forwarded: 'host=evil.example' }
    const url = `https://evil.example/t1/authorize?${new URLSearchParams(good)}`
    const back = errorAt(await w.nodes[0]!.fetch(new Request(url, { headers })))
    expect(back.get('iss')).toBe(ISSUER)
  })

  it('a state too long for an answer is not sent back', async () => {
    const w = await world()
    const back = errorAt(await authorize(w, { ...good, state: 'x'.repeat(1025) }))
    expect([back.get('error'), back.get('state')]).toEqual(['invalid_request', null])
  })
})

it('T13 nonce and state come back as they were sent, each to its own request', async () => {
  const w = await world()
  const begin = async (state: string, nonce: string) => {
    const page = await authorize(w, { ...good, state, nonce })
    return { page, cookie: page.headers.get('set-cookie')!.split(';')[0]! }
  }
  const [one, two] = [await begin('state-1', 'nonce-1'), await begin('state-2', 'nonce-2')]
  const finish = async ({ page, cookie }: typeof one) => {
    const done = await w.nodes[0]!.resume(await page.text(), granted(w), new Request(`${ISSUER}/login`, { headers: { cookie } }))
    const back = errorAt(done)
    const form = { grant_type: 'authorization_code', code: back.get('code')!, code_verifier: VERIFIER, redirect_uri: REDIRECT }
    const { body } = await w.post('/token', form, { headers: { authorization: basic('portal', SECRET) } })
    return [back.get('state'), JSON.parse(Buffer.from(body.id_token.split('.')[1], 'base64url').toString()).nonce]
  }
  expect([await finish(two), await finish(one)]).toEqual([
    ['state-2', 'nonce-2'],
    ['state-1', 'nonce-1'],
  ])
})

it('T48 the binding of one browser is not another’s, and two cookies of one name are nobody’s', async () => {
  const w = await world()
  const page = await authorize(w, good)
  const handle = await page.text()
  const cookie = page.headers.get('set-cookie')!.split(';')[0]!
  const other = (await authorize(w, good)).headers.get('set-cookie')!.split(';')[0]!
  const resume = async (value: string) =>
    (await w.nodes[0]!.resume(handle, granted(w), new Request(`${ISSUER}/login`, { headers: { cookie: value } }))).status
  expect(await resume(other)).toBe(400)
  expect(await resume(`${cookie}; ${other}`)).toBe(400)
  expect(await resume(`${cookie}; ${cookie}`)).toBe(400)
  expect(await resume(cookie)).toBe(303)
})

describe('T10 what a client may register', () => {
  it.each([
    ['instance', 'com.example.bank:/cb'],
    ['instance', 'com.example.bank://cb'],
    ['shared', 'https://portal.example.com/cb?a=1'],
    ['shared', 'https://xn--bnk-0na.example/cb'],
    ['shared', 'http://127.0.0.1/cb'],
    ['shared', 'http://[::1]:8080/cb'],
    ['shared', 'http://localhost/cb'],
  ] as const)('%s: %s', (kind, uri) => {
    expect(() => checkRedirectUri(uri, kind)).not.toThrow()
  })

  it.each([
    ['shared', 'com.example.bank:/cb'],
    ['instance', 'bank:/cb'],
    ['instance', 'javascript:alert(1)'],
    ['instance', 'data:text/html,x'],
    ['instance', 'file:///etc/passwd'],
    ['instance', 'intent://x#Intent;end'],
    ['shared', 'http://portal.example.com/cb'],
    ['shared', 'http://127.0.0.1.evil.example/cb'],
    ['shared', 'http://127.0.0.1@evil.example/cb'],
    ['shared', 'https://*.example.com/cb'],
    ['shared', 'https://portal.example.com/cb#f'],
    ['shared', 'https://portal.example.com/a/../cb'],
    ['shared', 'https://portal.example.com/%2e%2e/cb'],
    ['shared', 'https://user@portal.example.com/cb'],
    ['shared', 'https://bänk.example/cb'],
    ['shared', 'https://portal.example.com\\\\evil.example/cb'],
    ['shared', 'https://portal.example.com/cb\r\nx: y'],
    ['shared', '//portal.example.com/cb'],
    ['shared', 'https:portal.example.com/cb'],
    ['shared', 'https:/portal.example.com/cb'],
    ['shared', 'https:///portal.example.com/cb'],
    ['shared', 'http:localhost/cb'],
    ['shared', `https://portal.example.com/${'x'.repeat(1024)}`],
  ] as const)('not %s: %s', (kind, uri) => {
    expect(() => checkRedirectUri(uri, kind)).toThrow()
  })
})

describe('a host whose pages fail', () => {
  const failing = (error: unknown) =>
    world({
      context: (context) => ({
        interaction: {
          ...context.interaction!,
          begin: async () => {
            throw error
          },
        },
      }),
    })

  it('gets the error page and no code, and what went wrong stays inside', async () => {
    const w = await failing(new TypeError('a secret of the host'))
    const reply = await authorize(w, good)
    const page = await reply.text()
    expect([reply.status, reply.headers.get('location')]).toEqual([400, null])
    expect(page).toContain('server.failed')
    expect(page + JSON.stringify(w.events)).not.toContain('a secret')
  })

  it('is told to the client when it says so in a code below 500, and is the error page above', async () => {
    const refused = errorAt(await authorize(await failing(new PosternError('tokens.denied')), good))
    expect([refused.get('error'), refused.get('code')]).toEqual(['access_denied', null])
    const broken = await authorize(await failing(new PosternError('store.unavailable')), good)
    expect([broken.headers.get('location'), await broken.text()]).toEqual([null, expect.stringContaining('store.unavailable')])
  })
})
