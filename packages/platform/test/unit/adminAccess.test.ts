import { encodeBase64url } from '@postern/core/base64url'
import { seededRandom } from '@postern/testkit/simulation'
import { describe, expect, it } from 'vitest'
import { crypto } from '../support/bank.js'
import { AUDIENCE, createStaffed, forged, STAFF } from '../support/operators.js'

describe('who may ask', () => {
  it('refuses a request without a token, with no error code, and tells no path from another', async () => {
    const { call } = await createStaffed()
    for (const path of ['/apps', '/nothing/here']) {
      const answer = await call('GET', path, { token: null })
      expect(answer.status).toBe(401)
      expect(answer.body.code).toBe('admin.unauthorized')
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    }
  })

  it('refuses every token that is not for this door, always with the same words', async () => {
    const staffed = await createStaffed()
    const { token, call, bank } = staffed
    const now = Math.floor(bank.clock.clock() / 1000)
    const stranger = await crypto.signer('ES256', await crypto.generateKey('ES256', seededRandom(5)))
    const good = await token()
    const [head, payload] = good.split('.')
    const cases: Record<string, string> = {
      'another issuer': await token({ iss: 'https://elsewhere.example' }),
      'another audience': await token({ aud: 'https://bank.example' }),
      'expired now': await token({ exp: now }),
      'without an end': await token({ exp: null }),
      'an end in a year': await token({ exp: now + 31_536_000 }),
      'issued tomorrow': await token({ iat: now + 86_400 }),
      'not yet valid': await token({ nbf: now + 600 }),
      'no subject': await token({ sub: '' }),
      'H11 line break in the subject': await token({ sub: 'op\r\n7' }),
      'bound to a key': await token({ cnf: { jkt: 'x' } }),
      'an ID token': await token({}, { typ: 'JWT' }),
      'a key nobody knows': await token({}, { signer: stranger }),
      'alg none': forged({ alg: 'none', typ: 'at+jwt' }, { iss: STAFF, aud: AUDIENCE, sub: 'op', exp: now + 60 }, ''),
      'a signature of another': `${head}.${payload}.${encodeBase64url(new Uint8Array(64).fill(7))}`,
      'no JWS at all': 'abc',
    }
    const answers = await Promise.all(Object.values(cases).map((one) => call('GET', '/apps', { token: one })))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401))
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect((await call('GET', '/apps', { token: good })).status).toBe(200)
    expect((await call('GET', '/apps', { token: await token({ aud: ['x', AUDIENCE] }) })).status).toBe(200)
  })

  it('names the scope that is missing', async () => {
    const { call, token } = await createStaffed()
    const reader = await token({ scope: 'config:read' })
    const write = await call('PUT', '/apps/new', {
      token: reader,
      body: { name: 'New', registration: 'open' },
      headers: { 'if-none-match': '*' },
    })
    expect(write.status).toBe(403)
    expect(write.headers.get('www-authenticate')).toBe('Bearer error="insufficient_scope", scope="config:write"')
    expect((await call('GET', '/apps/new')).status).toBe(404)
    expect((await call('GET', '/apps', { token: reader })).status).toBe(200)
  })

  it('H13 method override, HEAD, OPTIONS: 405, what the path takes, and no side effect', async () => {
    const { call } = await createStaffed()
    for (const method of ['HEAD', 'OPTIONS', 'PATCH', 'DELETE']) {
      const answer = await call(method, '/apps/retail')
      expect(answer.status).toBe(405)
      expect(answer.headers.get('allow')).toBe('GET, PUT')
    }
    const before = await call('GET', '/apps/retail')
    const masked = await call('GET', '/apps/retail', { headers: { 'x-http-method-override': 'DELETE', 'x-http-method': 'PUT' } })
    expect(masked.body).toEqual(before.body)
  })

  it('refuses parameters that it does not know, and those sent twice', async () => {
    const { call } = await createStaffed()
    expect((await call('GET', '/apps?limit=3')).status).toBe(400)
    expect((await call('GET', '/graphs/logins?range=24h&range=7d')).status).toBe(400)
    expect((await call('GET', '/graphs/logins?range=1y')).status).toBe(400)
  })

  it('H06 duplicate JSON members and foreign ones: refused, the member named and its content not', async () => {
    const { call } = await createStaffed()
    const headers = { 'if-none-match': '*' }
    const twice = '{"name":"A","registration":"open","registration":"closed"}'
    expect((await call('PUT', '/apps/dup', { body: twice, headers })).body.code).toBe('json.malformed')
    const foreign = await call('PUT', '/apps/dup', { body: { name: 'A', registration: 'open', pin: '7777' }, headers })
    expect(foreign.body.code).toBe('json.shape')
    expect(foreign.text).not.toContain('7777')
    const polluted = await call('PUT', '/apps/dup', { body: '{"__proto__":{"name":"A"},"registration":"open"}', headers })
    expect(polluted.status).toBe(400)
    expect((await call('GET', '/apps/dup')).status).toBe(404)
  })

  it('sends nothing that a browser could run, keep or guess at', async () => {
    const { call } = await createStaffed()
    for (const path of ['/apps', '/graphs/pin.svg', '/nothing']) {
      const { headers } = await call('GET', path)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    }
  })
})
