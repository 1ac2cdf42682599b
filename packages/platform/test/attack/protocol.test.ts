import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBank, createPhone, ISSUER } from '../support/bank.js'
import { anyone, PIN, tokensOf, withKey, withPin } from '../support/people.js'

describe('registration of an instance', () => {
  it('T44: redirect URIs that are no place of an app are refused, and nothing is stored', async () => {
    const bank = await createBank()
    const phone = await createPhone(bank)
    for (const uri of [
      'javascript:alert(1)',
      'data:text/html,x',
      'JaVaScRiPt:x',
      'vbscript:x',
      'file:///etc/passwd',
      'blob:https://bank.example/x',
      'about:blank',
      'http://evil.example/cb',
      'https://bank.example/cb#x',
      'app:/cb',
    ]) {
      const answer = await phone.enrolInstance({ redirect_uris: [uri] })
      expect(answer.status, uri).toBe(400)
    }
    expect(bank.written.filter(({ part }) => part.startsWith('dev:'))).toEqual([])
  })

  it('a challenge makes one device: again with the same key it is the same, with another key it is refused', async () => {
    const bank = await createBank()
    const { challenge, nonce } = (await (await bank.call('/challenge', { method: 'POST' })).json()) as Record<string, string>
    const register = async (seed: number, over: object = {}, own = nonce!) => {
      const phone = await createPhone(bank, seed)
      const answer = await bank.call('/register', {
        method: 'POST',
        headers: { 'content-type': 'application/json', dpop: await phone.proof('POST', '/register', undefined, own) },
        body: JSON.stringify({
          app_id: 'retail',
          app_version: '5.2.0',
          app_platform: 'other',
          os_version: '14.1',
          challenge,
          jwks: { keys: [phone.device.publicJwk] },
          redirect_uris: ['com.bank.retail:/cb'],
          token_endpoint_auth_method: 'none',
          evidence: [
            { format: 'app-signature', certificates: ['ab'.repeat(32)] },
            {
              format: 'signals',
              v: 1,
              at: bank.clock.clock(),
              source: 't',
              signals: { privilegedAccess: false, debug: false, simulator: false, hooks: false, appIntegrity: false },
            },
          ],
          ...over,
        }),
      })
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
    }
    // Not the challenge's nonce; another's key beside one's own proof.
    const stranger = await createPhone(bank, 9)
    expect((await register(1, {}, 'AAAA')).status).toBe(400)
    expect((await register(1, { jwks: { keys: [stranger.device.publicJwk] } })).status).toBe(400)
    const first = await register(1)
    expect(first.status).toBe(201)
    expect((await register(1)).body['client_id']).toBe(first.body['client_id'])
    expect((await register(2)).status).toBeGreaterThanOrEqual(400)
    const many = await Promise.all([3, 4, 5, 6].map((seed) => register(seed)))
    for (const { status } of many) expect(status).toBeGreaterThanOrEqual(400)
    bank.clock.advance(300_001)
    expect((await register(1)).body).toMatchObject({ code: 'challenge.invalid' })
  })

  it('A22: evidence that says nothing, lies about its form or comes from another app gives no instance', async () => {
    const bank = await createBank()
    const phone = await createPhone(bank)
    for (const evidence of [
      [],
      undefined,
      'all is well',
      [{ format: 'unheard-of' }],
      [{ format: 'app-signature', certificates: ['cd'.repeat(32)] }],
      [{ format: 'signals', v: 1, at: 0, source: 't', signals: {} }],
      Array.from({ length: 5 }, () => ({ format: 'app-signature', certificates: ['ab'.repeat(32)] })),
    ])
      expect((await phone.enrolInstance({ evidence })).status, JSON.stringify(evidence)).toBeGreaterThanOrEqual(400)
    expect(bank.written.filter(({ part }) => part.startsWith('dev:'))).toEqual([])
  })
})

describe("another's handles", () => {
  it('T18: a code, a refresh token and an enrolment token of one instance serve no other', async () => {
    const bank = await createBank({ registrars: anyone })
    const [one, two] = [await withKey(bank, 1, 'one'), await withKey(bank, 2, 'two')]
    const login = await one.phone.loginKey(one.key)
    const code = String(login.body['authorization_code'])
    expect((await two.phone.token(code)).status).toBe(400)
    expect((await two.phone.token(code, { client_id: one.phone.clientId })).status).toBeGreaterThanOrEqual(400)
    const tokens = await one.phone.token(code)
    expect(tokens.status).toBe(200)
    expect((await two.phone.refresh(String(tokens.body['refresh_token']))).status).toBe(400)
    expect((await two.phone.send('GET', '/enrolments', undefined, one.enrolToken)).status).toBe(401)
    expect(
      (await two.phone.send('DELETE', `/enrolments/${one.key.id}`, undefined, two.enrolToken)).status,
    ).toBeGreaterThanOrEqual(400)
    expect(
      (await two.phone.send('PUT', '/enrolments/preferred', { id: one.key.id }, two.enrolToken)).status,
    ).toBeGreaterThanOrEqual(400)
    expect((await one.phone.refresh(String(tokens.body['refresh_token']))).status).toBe(200)
  })

  it('T48: what one login left behind starts no other: its steps are spent and its session proves nothing', async () => {
    const bank = await createBank()
    const { phone, key } = await withKey(bank)
    const first = await phone.start()
    const form = await phone.keyAnswer(first.body, key)
    const login = await phone.challenge(form)
    const kept = String(login.body['auth_session'])
    expect(kept).not.toBe(form['auth_session'])
    const next = await phone.start({ auth_session: kept })
    expect(next.status).toBe(403)
    expect(next.body).not.toHaveProperty('authorization_code')
    const replayed = await phone.challenge({ ...form, auth_session: kept })
    expect(replayed.body).not.toHaveProperty('authorization_code')
    const fixed = await phone.challenge(form)
    expect(fixed.body).not.toHaveProperty('authorization_code')
  })

  it('T20: handles are of one kind each', async () => {
    const bank = await createBank()
    const person = await withKey(bank)
    const { phone, key } = person
    const first = await phone.start()
    const login = await phone.loginKey(key)
    const [code, session] = [String(login.body['authorization_code']), String(first.body['auth_session'])]
    const { handle } = first.body['step'] as { handle: string }
    for (const text of [session, handle, `pc_${session}`]) expect((await phone.token(text)).status).toBe(400)
    for (const text of [code, handle]) {
      expect((await phone.refresh(text)).status).toBe(400)
      expect((await phone.challenge({ auth_session: text, authenticator: key.id })).status).toBe(400)
      expect(
        (await phone.send('POST', '/enrolments/biometric/finish', { handle: text, step: {} }, person.enrolToken)).status,
      ).toBeGreaterThanOrEqual(400)
    }
  })

  it('an instance cannot talk its way to enrolling with a token of its own', async () => {
    const bank = await createBank()
    const { phone } = await withKey(bank)
    for (const scope of ['enrol', '']) {
      const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: phone.clientId, resource: ISSUER })
      if (scope !== '') form.set('scope', scope)
      const answer = await phone.send('POST', '/token', form)
      expect(answer.body, scope).not.toHaveProperty('access_token')
    }
  })
})

describe('bodies, types and methods of the own endpoints', () => {
  const paths = ['/registrations/letter/complete', '/enrolments/pin/begin', '/enrolments/pin/finish'] as const
  async function posted(
    body: string | ReadableStream | Uint8Array<ArrayBuffer>,
    type = 'application/json',
    own: readonly string[] = paths,
  ) {
    const bank = await createBank()
    const { phone, enrolToken } = await withKey(bank)
    await phone.send('GET', '/enrolments', undefined, enrolToken)
    const before = bank.written.length
    const answers: { status: number; text: string }[] = []
    for (const path of own) {
      const make = async (): Promise<Response> => {
        const { nonce } = (await (await bank.call('/challenge', { method: 'POST' })).json()) as { nonce: string }
        const dpop = (await bank.call('/challenge', { method: 'POST' })).headers.get('dpop-nonce') ?? nonce
        return bank.call(path, {
          method: 'POST',
          headers: {
            'content-type': type,
            authorization: `DPoP ${enrolToken}`,
            dpop: await phone.proof('POST', path, path.startsWith('/enrol') ? enrolToken : undefined, dpop),
          },
          body,
          duplex: 'half',
        } as RequestInit)
      }
      const answer = await make()
      answers.push({ status: answer.status, text: await answer.text() })
    }
    const stored = bank.written.slice(before).filter(({ key }) => !key.startsWith('j/') && !key.startsWith('e/'))
    return { answers, stored }
  }

  it('H01: 10 MB are refused with 413 and read no further than the limit, declared or not', async () => {
    let pulled = 0
    const endless = () =>
      new ReadableStream({
        pull(controller) {
          pulled += 65_536
          controller.enqueue(new Uint8Array(65_536).fill(32))
          if (pulled > 10_000_000) controller.close()
        },
      })
    for (const path of paths) {
      const { answers, stored } = await posted(endless(), 'application/json', [path])
      expect(answers).toMatchObject([{ status: 413 }])
      expect(stored).toEqual([])
    }
    expect(pulled).toBeLessThan(1_500_000)
    const { answers } = await posted(`"${'x'.repeat(10_000_000)}"`)
    for (const { status } of answers) expect(status).toBe(413)
  })

  it.each([
    ['H02 a depth bomb', '['.repeat(60_000)],
    ['H02 a deep object', `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`],
    ['H03 __proto__', '{"__proto__":{"step":1},"handle":"x"}'],
    ['H06 duplicate members', '{"handle":"x","handle":"y","step":1,"step":2}'],
    ['an unknown member', '{"handle":"x","admin":true}'],
    ['no object', '[]'],
    ['half of one', '{"handle":'],
  ])('%s is 400 and writes nothing', async (_, body) => {
    const { answers, stored } = await posted(body)
    for (const { status, text } of answers) {
      expect([400, 413], text).toContain(status)
      expect(text).not.toContain('at ')
    }
    expect(stored).toEqual([])
  })

  it('H07: bytes that are no UTF-8 are 400', async () => {
    const { answers } = await posted(new Uint8Array([...utf8('{"handle":"'), 0xc0, 0xaf, ...utf8('"}')]))
    for (const { status } of answers) expect(status).toBe(400)
  })

  it('H12: JSON as a form, as text or undeclared is refused', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/jsonp',
      'multipart/form-data; boundary=x',
    ]) {
      const { answers, stored } = await posted('{}', type)
      for (const { status } of answers) expect([400, 415]).toContain(status)
      expect(stored).toEqual([])
    }
  })

  it('H05: a parameter twice, or as an array, is refused where forms are taken', async () => {
    const bank = await createBank()
    const { phone } = await withKey(bank)
    for (const more of [
      'scope=accounts&scope=payments',
      'client_id=a',
      'auth_session=a&auth_session=b',
      '__proto__=1&__proto__=2',
    ]) {
      const form = new URLSearchParams(
        `client_id=${phone.clientId}&response_type=code&code_challenge=${'a'.repeat(43)}&code_challenge_method=S256&${more}`,
      )
      expect((await phone.send('POST', '/authorize-challenge', form)).status, more).toBe(400)
    }
  })

  it('H13: other methods, HEAD and OPTIONS are 405 with Allow, an override changes nothing', async () => {
    const bank = await createBank()
    const { enrolToken } = await withKey(bank)
    const before = bank.written.length
    for (const [path, allow] of [
      ['/challenge', 'POST'],
      ['/bundle', 'GET'],
      ['/enrolments', 'GET'],
      ['/enrolments/preferred', 'PUT'],
      ['/registrations/letter/complete', 'POST'],
      [`/enrolments/${'0'.repeat(32)}`, 'DELETE'],
    ] as const)
      for (const method of ['HEAD', 'OPTIONS', 'PATCH', 'POST', 'GET', 'DELETE'].filter((one) => one !== allow)) {
        const answer = await bank.call(path, {
          method,
          headers: { authorization: `DPoP ${enrolToken}`, 'x-http-method-override': allow },
        })
        expect(answer.status, `${method} ${path}`).toBe(405)
        expect(answer.headers.get('allow')).toBe(allow)
        expect(answer.headers.get('access-control-allow-origin')).toBeNull()
      }
    expect(bank.written.length).toBe(before)
  })

  it('H10: Host and forwarding headers are no part of any answer', async () => {
    const bank = await createBank()
    const poison = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'gopher',
      forwarded: 'host=evil.example',
    }
    for (const path of ['/challenge', '/bundle', '/.well-known/openid-configuration', '/enrolments', '/jwks', '/nowhere']) {
      const answer = await bank.call(path, { method: path === '/challenge' ? 'POST' : 'GET', headers: poison })
      const said = `${JSON.stringify([...answer.headers])}${await answer.text()}`
      expect(said, path).not.toContain('evil.example')
    }
    const other = await bank.platform.fetch(
      new Request('http://evil.example/postern/.well-known/openid-configuration', { headers: poison }),
    )
    expect(await other.text()).not.toContain('evil.example')
  })

  it('H22: paths with dots, encodings, semicolons or other cases reach nothing', async () => {
    const bank = await createBank()
    const { enrolToken } = await withKey(bank)
    for (const path of [
      '/enrolments/..%2fpreferred',
      '/ENROLMENTS',
      '/enrolments;x=1',
      '/enrolments/',
      '//enrolments',
      '/registrations/..%2f..%2fadmin/complete',
      '/registrations/__proto__/complete',
      '/registrations/constructor/complete',
      '/%65nrolments',
      '/admin/..;/enrolments',
    ]) {
      const answer = await bank.call(path, {
        method: path.includes('complete') ? 'POST' : 'GET',
        headers: { authorization: `DPoP ${enrolToken}`, 'content-type': 'application/json' },
        ...(path.includes('complete') ? { body: '{}' } : {}),
      })
      expect(answer.status, path).toBeGreaterThanOrEqual(400)
      expect(answer.status, path).toBeLessThan(500)
    }
  })

  it('H19: whatever carries a code, a token or a handle is not kept by any cache', async () => {
    const bank = await createBank()
    const kept: string[] = []
    const { call } = bank
    const watched = {
      ...bank,
      async call(path: string, init?: RequestInit) {
        const answer = await call(path, init)
        if (answer.headers.get('cache-control') !== 'no-store') kept.push(`${init?.method} ${path} ${answer.status}`)
        return answer
      },
    }
    const { phone, key } = await withKey(watched)
    await tokensOf({ phone, key })
    await phone.start({ profile: 'nobody' })
    await phone.refresh('x')
    expect(kept).toEqual([])
  })
})

describe('H21: secrets stay where they belong', () => {
  const printed: string[] = []
  beforeEach(() => {
    for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const)
      vi.spyOn(console, name).mockImplementation((...args) => void printed.push(args.map(String).join(' ')))
  })
  afterEach(() => vi.restoreAllMocks())

  it('no PIN, code, token, session, subject or key is in any event, stored value, key or print of a whole life', async () => {
    const bank = await createBank({ pin: { maxAttempts: 5, onExhausted: 'lock' } })
    const { call } = bank
    const secrets = new Set<string>([PIN, '11111'])
    const errors: string[] = []
    const watched = {
      ...bank,
      async call(path: string, init?: RequestInit) {
        const answer = await call(path, init)
        const text = await answer.clone().text()
        if (answer.status >= 400) errors.push(text)
        for (const [name, value] of Object.entries(text === '' || text.startsWith('ey') ? {} : (JSON.parse(text) as object)))
          if (
            /^(access_token|refresh_token|id_token|authorization_code|auth_session|handle|registration_access_token)$/.test(name)
          )
            secrets.add(String(value))
        return answer
      },
    }
    const { phone, slot, key, enrolToken } = await withPin(watched, 1, true)
    const login = await phone.loginPin(PIN, slot)
    const tokens = await phone.token(String(login.body['authorization_code']))
    await phone.token(String(login.body['authorization_code']))
    await phone.refresh(String(tokens.body['refresh_token']))
    await phone.loginPin('11111', slot)
    await phone.loginKey(key)
    await phone.register('wrong code')
    await phone.send('GET', '/enrolments', undefined, enrolToken)
    await phone.challenge({ auth_session: String(login.body['auth_session']), authenticator: 'x', step: 'x' })
    await bank.platform.sweep(bank.clock.clock(), 10)
    expect(secrets.size).toBeGreaterThan(10)
    const text = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)
    const stored = bank.written
      .map(({ part, key: name, value }) => `${part} ${name} ${text(value)} ${encodeBase64url(value)}`)
      .join('\n')
    const said = JSON.stringify(bank.ports.collected)
    for (const secret of secrets) {
      expect(said).not.toContain(secret)
      expect(stored.includes(secret), `stored: ${secret.slice(0, 12)}…`).toBe(false)
      expect(printed.join('\n')).not.toContain(secret)
      // A PIN may be a run of digits in anything; what an error says is checked for the long ones.
      if (secret.length > 20)
        for (const error of errors.filter((one) => !one.includes('"auth_session"'))) expect(error).not.toContain(secret)
    }
    // No subject in a key, nor in a record other than the grant of a family and events.
    expect(bank.written.filter(({ part, key: name }) => `${part}${name}`.includes('c-1001'))).toEqual([])
    const records = bank.written.filter(({ part, key: name }) => /^(dev|usr):/.test(part) && !/^(e|fam)\//.test(name))
    expect(records.filter(({ value }) => text(value).includes('c-1001')).map(({ key: name }) => name)).toEqual([])
    // Private members of keys are nowhere.
    expect(stored).not.toMatch(/"d":"/)
  })
})
