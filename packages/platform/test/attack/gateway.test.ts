import { encodeBase64url } from '@postern/core/base64url'
import type { Route } from '@postern/platform/gateway'
import type { PolicyDocument, Rule } from '@postern/policy/document'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createApi } from '../support/api.js'
import { API, createBank } from '../support/bank.js'
import { PIN, withKey, withPin } from '../support/people.js'

const runs = { numRuns: Number(process.env.POSTERN_RUNS ?? 100) }
const account = (over: Partial<Route> = {}) => ({
  match: /^\/accounts$/,
  methods: ['GET'],
  resource: 'accounts',
  sealed: 'allowed' as const,
  ...over,
})

async function signedIn(scope = 'accounts payments') {
  const bank = await createBank()
  const { phone, slot } = await withPin(bank)
  const login = await phone.loginPin(PIN, slot, { scope: `${scope} offline_access` })
  const tokens = await phone.token(String(login.body['authorization_code']))
  return { bank, phone, token: String(tokens.body['access_token']) }
}

const withRules =
  (...rules: Rule[]) =>
  (document: PolicyDocument): PolicyDocument => ({ ...document, rules: [...rules, ...document.rules] })
const enforced = { mode: 'enforce' } as const

describe('what a handler sees', () => {
  it('F63 I6: whatever a caller sends, a handler sees no name that only a gateway writes and no credential', async () => {
    const { bank, phone, token } = await signedIn()
    const api = await createApi(bank, { routes: (handle) => [account({ handle } as Partial<Route>) as Route] })
    const name = fc.oneof(
      fc.constantFrom(
        'x-forwarded-for',
        'X-Forwarded-Host',
        'forwarded',
        'x-real-ip',
        'x-original-url',
        'x-rewrite-url',
        'postern-call',
        'Postern-Subject',
        'x_forwarded_for',
        'x-http-method-override',
        'cookie',
        'proxy-authorization',
        'x-client-cert',
        'te',
        'x-custom',
      ),
      fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{0,15}$/),
    )
    const pairs = fc.array(fc.tuple(name, fc.stringMatching(/^[a-z0-9,;=. -]{0,20}$/)), { maxLength: 6 })
    const reserved =
      /^(forwarded|x-forwarded-.*|x-real-ip|x-original-.*|x-rewrite-url|x-http-method.*|proxy-.*|postern-.*|x-client-cert.*|authorization|dpop|cookie|connection|keep-alive|te|trailer|upgrade|transfer-encoding)$/
    await fc.assert(
      fc.asyncProperty(pairs, fc.option(name), async (sent, hop) => {
        const headers = new Headers()
        for (const [key, value] of sent) if (!/^(authorization|dpop)$/i.test(key)) headers.append(key, value)
        if (hop !== null) headers.set('connection', hop)
        api.seen.length = 0
        const answer = await api.call(phone, token, '/accounts?x=1', { headers })
        expect(answer.status).toBe(200)
        const names = [...api.seen[0]!.request.headers.keys()]
        for (const one of names) {
          expect(one).not.toMatch(reserved)
          expect(one).not.toContain('_')
          if (hop !== null) expect(one).not.toBe(hop.toLowerCase())
        }
        expect(api.seen[0]!.request.url).toBe(`${API}/accounts?x=1`)
      }),
      runs,
    )
  })

  it('an answer takes along no cookie, no server name and no hop header, and is kept by no cache', async () => {
    const { bank, phone, token } = await signedIn()
    const handle: Route['handle'] = async () =>
      new Response('x', { headers: { server: 'old', 'set-cookie': 'a=b', connection: 'x-inner', 'x-inner': '1', 'x-kept': '1' } })
    const api = await createApi(bank, { routes: () => [account({ handle }) as Route] })
    const answer = await api.call(phone, token, '/accounts')
    expect([...answer.headers.keys()].filter((name) => ['server', 'set-cookie', 'x-inner', 'connection'].includes(name))).toEqual(
      [],
    )
    expect(answer.headers.get('x-kept')).toBe('1')
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })
})

describe('which route', () => {
  const open = { match: /^\/.*$/, methods: ['GET'], resource: 'open', sealed: 'allowed' as const }

  it('H22: a lax route does not open a strict one by case, encoding, slash or any two of them', async () => {
    const { bank, phone, token } = await signedIn('accounts')
    const api = await createApi(bank, {
      routes: (handle) => [
        { ...account({ match: /^\/Payments\/all$/, scope: ['payments'] }), handle },
        { ...open, handle },
      ],
    })
    expect((await api.call(phone, token, '/Payments/all')).status).toBe(403)
    for (const path of [
      '/payments/all',
      '/PAYMENTS/ALL',
      '/Payments/all/',
      '/payments/all/',
      '/Payments/%61ll',
      '/payments/%61ll',
      '/Payments/%61ll/',
      '/%50ayments/all',
      '/payment%73/ALL/',
      '/Payments;x/all',
      '/Payments/all%2f',
      '/Payments%2fall',
      '/Payments/%2561ll',
    ]) {
      api.seen.length = 0
      const answer = await api.call(phone, token, path)
      expect([400, 403], path).toContain(answer.status)
      expect(api.seen, path).toEqual([])
    }
    expect((await api.call(phone, token, '/anything')).status).toBe(200)
  })

  it('a pattern is a whole path whatever its anchors and flags, and remembers no call', async () => {
    const { bank, phone, token } = await signedIn()
    const api = await createApi(bank, {
      routes: (handle) => [{ ...account({ match: /\/accounts/g }), handle }],
    })
    for (let i = 0; i < 3; i++) expect((await api.call(phone, token, '/accounts')).status).toBe(200)
    for (const path of ['/x/accounts', '/accounts/x', '/accountsx', '/'])
      expect((await api.call(phone, token, path)).status).toBe(404)
  })

  it('any path leads to the route it names, or nowhere', async () => {
    const { bank, phone, token } = await signedIn('accounts')
    const api = await createApi(bank, {
      routes: (handle) => [
        { ...account({ match: /^\/a\/strict$/, scope: ['payments'] }), handle },
        { ...open, handle },
      ],
    })
    const piece = fc.constantFrom(
      'a',
      'A',
      '%61',
      '%41',
      'strict',
      'STRICT',
      'stri%63t',
      '%73trict',
      '',
      '.',
      '..',
      '%2e',
      'x',
      'strict/',
      ';',
      '%2f',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 4 }), async (pieces) => {
        api.seen.length = 0
        await api.call(phone, token, `/${pieces.join('/')}`)
        for (const { request } of api.seen) {
          const upstream = decodeURIComponent(new URL(request.url).pathname).toLowerCase().replace(/\/$/, '')
          expect(upstream).not.toBe('/a/strict')
        }
      }),
      runs,
    )
  })

  it('H13: another method is 405 with Allow; HEAD and OPTIONS too', async () => {
    const { bank, phone, token } = await signedIn()
    const api = await createApi(bank, { routes: (handle) => [{ ...account(), handle }] })
    for (const method of ['POST', 'HEAD', 'OPTIONS', 'DELETE']) {
      const answer = await api.call(phone, token, '/accounts', { method, headers: { 'x-http-method-override': 'GET' } })
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET'])
    }
    expect(api.seen).toEqual([])
  })
})

describe('who may call', () => {
  it('a plain call on a sealed route is refused before its token is looked at', async () => {
    const { bank, phone, token } = await signedIn()
    const api = await createApi(bank, { routes: (handle) => [{ ...account({ sealed: 'required' }), handle }] })
    const answer = await api.call(phone, token, '/accounts')
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({ code: 'payload.required' })
    expect(api.seen).toEqual([])
  })

  it('a proof made under one sealed request is refused under another, and on a plain call', async () => {
    const { bank, phone, token } = await signedIn()
    const routes = (handle: Route['handle']) => [{ ...account(), handle }]
    const ekm = new Uint8Array(32).fill(7)
    const mine = { ekm: encodeBase64url(ekm) }
    const sealed = await createApi(bank, { routes, ekm })
    expect((await sealed.call(phone, token, '/accounts', {}, mine)).status).toBe(200)
    expect((await sealed.call(phone, token, '/accounts', {}, { ekm: encodeBase64url(new Uint8Array(32)) })).status).toBe(401)
    const plain = await createApi(bank, { routes })
    expect((await plain.call(phone, token, '/accounts', {}, mine)).status).toBe(401)
  })

  it('a token of another kind, audience or scope, as Bearer or without proof is refused', async () => {
    const { bank, phone, token } = await signedIn('accounts')
    const api = await createApi(bank, {
      routes: (handle) => [
        { ...account({ scope: ['accounts'] }), handle },
        { ...account({ match: /^\/pay$/, scope: ['payments'] }), handle },
      ],
    })
    const status = async (headers: Record<string, string>) =>
      (await api.fetch(new Request(`${API}/accounts`, { headers }))).status
    expect(await status({})).toBe(401)
    expect(await status({ authorization: `Bearer ${token}` })).toBe(401)
    expect(await status({ authorization: `DPoP ${token}` })).toBe(401)
    const enrolToken = String((await phone.register()).body['access_token'])
    expect((await api.call(phone, enrolToken, '/accounts')).status).toBe(401)
    const own = await phone.send(
      'POST',
      '/token',
      new URLSearchParams({ grant_type: 'client_credentials', client_id: phone.clientId, scope: 'accounts' }),
    )
    if (own.status === 200) expect((await api.call(phone, String(own.body['access_token']), '/accounts')).status).toBe(401)
    const answer = await api.call(phone, token, '/pay')
    expect(answer.status).toBe(403)
    expect(answer.headers.get('www-authenticate')).toMatch(/error="insufficient_scope".*scope="payments"/)
    const stranger = await withKey(bank, 2)
    expect((await api.call(stranger.phone, token, '/accounts')).status).toBe(401)
    expect(api.seen).toEqual([])
  })
})

describe('policy at the gate', () => {
  it('a call that needs more is answered with the level and the age that would do (RFC 9470)', async () => {
    const { bank, phone, token } = await signedIn()
    const api = await createApi(bank, {
      routes: (handle) => [{ ...account(), handle }],
      policy: withRules({
        ...enforced,
        id: 'strong-accounts',
        effect: 'require',
        reason: 'step_up',
        when: { action: 'resource.call', 'resource.type': 'accounts' },
        require: { acr: 3, maxAgeSec: 60 },
      }),
    })
    const answer = await api.call(phone, token, '/accounts')
    expect(answer.status).toBe(401)
    const header = answer.headers.get('www-authenticate')!
    expect(header).toMatch(/^DPoP /)
    expect(header).toContain('error="insufficient_user_authentication"')
    expect(header).toContain('acr_values="strong"')
    expect(header).toContain('max_age="60"')
    expect(api.seen).toEqual([])
  })

  it('facts of a transaction that are missing count as the worst, and a reading that fails refuses the call', async () => {
    const { bank, phone, token } = await signedIn()
    const transfer = (transaction: NonNullable<Route['transaction']>) => (handle: Route['handle']) => [
      { match: /^\/transfers$/, methods: ['POST'], resource: 'transfers', sealed: 'allowed' as const, transaction, handle },
    ]
    const policy = withRules({
      ...enforced,
      id: 'large',
      effect: 'deny',
      reason: 'policy.denied',
      when: { action: 'resource.call', 'resource.transaction': true, 'transaction.amount': { gt: 100_00 } },
    })
    const status = async (transaction: NonNullable<Route['transaction']>) => {
      const api = await createApi(bank, { routes: transfer(transaction), policy })
      const answer = await api.call(phone, token, '/transfers', { method: 'POST', body: '{"amount":1}' })
      return [answer.status, api.seen.length]
    }
    expect(await status(async () => ({ 'transaction.amount': 50_00 }))).toEqual([200, 1])
    expect(await status(async () => ({ 'transaction.amount': 500_00 }))).toEqual([403, 0])
    expect(await status(async () => ({}))).toEqual([403, 0])
    expect(await status(() => Promise.reject(new Error('unreadable')))).toEqual([500, 0])
    // It reads a copy: the handler's body is whole.
    const api = await createApi(bank, {
      routes: transfer(async (request) => ({ 'transaction.amount': ((await request.json()) as { amount: number }).amount })),
      policy,
    })
    expect((await api.call(phone, token, '/transfers', { method: 'POST', body: '{"amount":1}' })).status).toBe(200)
    expect(await api.seen[0]!.request.text()).toBe('{"amount":1}')
  })

  it('what a transaction says cannot stand for who the caller is or what he proved', async () => {
    const { bank, phone, token } = await signedIn()
    const api = await createApi(bank, {
      routes: (handle) => [
        {
          ...account(),
          transaction: async () => ({
            'authenticator.acr': 3,
            'resource.type': 'harmless',
            'resource.scope': ['admin'],
            action: 'login',
          }),
          handle,
        },
      ],
      policy: withRules({
        ...enforced,
        id: 'strong-accounts',
        effect: 'require',
        reason: 'step_up',
        when: { action: 'resource.call', 'resource.type': 'accounts' },
        require: { acr: 3 },
      }),
    })
    expect((await api.call(phone, token, '/accounts')).status).toBe(401)
  })
})
