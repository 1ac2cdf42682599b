/// <reference types="node" />
/** What any caller can send, at every endpoint that reads it: the rows of the contract on bad input that no test of one endpoint holds. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { createAuthorizationServer } from '@postern/tokens'
import { assertion } from '@postern/tokens/auth/assertion'
import { secret } from '@postern/tokens/auth/secret'
import type { ChallengePort } from '@postern/tokens/challenge'
import { requestObjects } from '@postern/tokens/jar'
import { describe, expect, it } from 'vitest'
import { clientKeyPair, crypto, goodClaims, portal as portalClient } from '../authorization.js'
import { loggingOut, returnOf } from '../loggingOut.js'
import { cibaWorld, deviceWorld, granted } from '../waiting.js'
import { type Answer, basic, changed, ISSUER, REDIRECT, SECRET, VERIFIER, type World, world } from '../world.js'

const portal = { authorization: basic('portal', SECRET) }

describe('forms, at every endpoint that reads one', () => {
  const challenge: ChallengePort = { challenge: async () => ({ kind: 'error', error: 'access_denied' }) }
  const worlds: Readonly<Record<string, () => Promise<World>>> = {
    '/token': () => world(),
    '/par': () => world(),
    '/introspect': () => world(),
    '/revoke': () => world(),
    '/authorize-challenge': () => world({ context: () => ({ challenge }) }),
    '/device_authorization': () => deviceWorld(),
    '/bc-authorize': () => cibaWorld(),
  }
  const forms: readonly (readonly [string, string | Uint8Array, number])[] = [
    ['H05 a parameter twice', 'token=x&token=x', 400],
    ['H05 a parameter twice, one of them empty', 'token=&token=x', 400],
    ['H05 an array', 'token[]=x', 400],
    ['an escape that is none', 'token=%zz', 400],
    ['H07 an escape that is no UTF-8', 'token=%c3%28', 400],
    ['H07 bytes that are no UTF-8', Uint8Array.of(...utf8('token='), 0xc3, 0x28), 400],
    ['H07 a byte order mark', Uint8Array.of(0xef, 0xbb, 0xbf, ...utf8('token=x')), 400],
    ['a NUL', 'token=%00', 400],
    ['65 parameters', Array.from({ length: 65 }, (_, i) => `p${i}=1`).join('&'), 413],
    ['more than 64 KiB', `token=${'x'.repeat(65_536)}`, 413],
  ]
  describe.each(Object.keys(worlds))('%s', (path) => {
    it.each(forms)('%s is invalid_request, and nobody is told more', async (_what, body, status) => {
      const w = await worlds[path]!()
      const headers = { ...portal, 'content-type': 'application/x-www-form-urlencoded' }
      const reply = await w.nodes[0]!.fetch(new Request(ISSUER + path, { method: 'POST', headers, body: Buffer.from(body) }))
      const told = (await reply.json()) as Record<string, string>
      expect([reply.status, told.error, reply.headers.get('cache-control')]).toEqual([status, 'invalid_request', 'no-store'])
      expect(JSON.stringify(told)).not.toMatch(/p64|xxxx/)
    })

    it.each([
      'application/json',
      'text/plain',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded; charset=utf-16',
      '',
    ])('H12 a body of type %j is invalid_request', async (type) => {
      const w = await worlds[path]!()
      const body = Buffer.from('token=x')
      const headers = { ...portal, ...(type !== '' && { 'content-type': type }) }
      const reply = await w.nodes[0]!.fetch(new Request(ISSUER + path, { method: 'POST', headers, body }))
      expect([reply.status, ((await reply.json()) as Record<string, string>).error]).toEqual([400, 'invalid_request'])
    })
  })
})

describe('every way a code, a refresh token or a handle can be wrong', () => {
  /** What the client sees: everything but the nonce of the next proof. */
  const seen = ({ status, body, headers }: Answer): string =>
    JSON.stringify([status, body, [...headers].filter(([name]) => name !== 'dpop-nonce')])

  it('is one answer, to the byte', async () => {
    const w = await world()
    const elsewhere = await world({ seed: 2 })
    const [one, two] = [await w.device(), await w.device()]
    const late = await w.code(one.id)
    w.advance(60_000)
    const spent = await w.code(one.id)
    await w.redeem(one, spent)
    const { refresh_token } = (await w.redeem(one, await w.code(one.id))).body
    const second = (await w.refresh(one, refresh_token)).body.refresh_token
    await w.refresh(one, second)
    const foreign = await w.code(two.id)
    const strange = await elsewhere.code((await elsewhere.device()).id)
    const fresh = await w.code(one.id)
    const codes = { foreign, strange, late, spent, refresh_token, altered: changed(fresh), short: 'pc_', none: 'x' }
    const wrong = await w.code(one.id)
    const answers = new Map([
      ...(await Promise.all(Object.entries(codes).map(async ([what, code]) => [what, seen(await w.redeem(one, code))] as const))),
      ['another verifier', seen(await w.redeem(one, wrong, 0, { code_verifier: 'x'.repeat(43) }))],
      ['another redirect_uri', seen(await w.redeem(one, wrong, 0, { redirect_uri: 'com.example.bank:/other' }))],
    ])
    const tokens = {
      code: fresh,
      foreign: (await w.redeem(two, foreign)).body.refresh_token,
      spent: refresh_token,
      altered: changed(refresh_token),
      none: 'x',
    }
    for (const [what, token] of Object.entries(tokens)) answers.set(`refresh: ${what}`, seen(await w.refresh(one, token)))
    expect([...answers].filter(([, answer]) => answer !== answers.get('none'))).toEqual([])
    expect(answers.get('none')).toContain('invalid_grant')
    // And the host is told which it was.
    expect(new Set(w.events.flatMap(({ reason }) => reason ?? [])).size).toBeGreaterThan(5)
  })

  it('polled handles too, whoever they belong to', async () => {
    const w = await deviceWorld()
    const { device_code, user_code } = (await w.begin()).body
    await w.decide((await w.claim(user_code)).id, granted())
    const kiosk = { client_id: 'kiosk', client_secret: SECRET }
    const answers = [
      await w.poll(device_code, { form: kiosk }),
      await w.poll(changed(device_code)),
      await w.poll('x'),
      await w.poll(await w.code('tv', { redirectUri: null })),
    ]
    expect(new Set(answers.map(seen)).size).toBe(1)
    expect(answers[0]!.body.error).toBe('invalid_grant')
    expect((await w.poll(device_code)).status).toBe(200)
  })
})

describe('numbers that are none', () => {
  const values = ['1e308', '"60"', '-0', 'true', 'null', '[1]', '-1', '1e400', '01']
  /** JSON as it is written, which no serializer would write. */
  const signed = async (jwk: JsonWebKey, header: object, claims: object, raw: string): Promise<string> => {
    const signer = await crypto.signer('ES256', jwk)
    const payload = JSON.stringify({ ...claims, exp: '@' }).replace('"@"', raw)
    const text = [JSON.stringify({ alg: 'ES256', ...header }), payload].map((part) => encodeBase64url(utf8(part))).join('.')
    return `${text}.${encodeBase64url(await signer.sign(utf8(text)))}`
  }

  it.each(values)('H18 as exp, %s is refused in an assertion and in a request object', async (raw) => {
    const { privateJwk, jwk } = await clientKeyPair()
    const w = await world({
      clients: [
        await portalClient({ jwks: [jwk] }),
        {
          ...(await portalClient({ jwks: [jwk] })),
          id: 'signed',
          auth: { method: 'private_key_jwt' },
          grantTypes: ['client_credentials'],
        },
      ],
      context: () => ({ auth: [secret, assertion], jar: requestObjects() }),
    })
    const now = Math.floor(w.now() / 1000)
    const asserting = async (exp: string) => {
      const claims = { iss: 'signed', sub: 'signed', aud: ISSUER, jti: 'j1' }
      const client_assertion = await signed(privateJwk, { kid: jwk.kid, typ: 'JWT' }, claims, exp)
      const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
      return (
        await w.post('/token', { grant_type: 'client_credentials', scope: 'accounts', client_assertion, client_assertion_type })
      ).body.error
    }
    const asking = async (exp: string) => {
      const request = await signed(privateJwk, { kid: jwk.kid, typ: 'oauth-authz-req+jwt' }, goodClaims(w), exp)
      return (await w.post('/par', { request }, { headers: portal })).body.error
    }
    expect([await asserting(raw), await asking(raw)]).toEqual(['invalid_client', 'invalid_request_object'])
    expect([await asserting(String(now + 60)), await asking(String(now + 60))]).toEqual([undefined, undefined])
  })
})

it('T43 a foreign token that somebody would revoke is told to the host, and to nobody else', async () => {
  const w = await world()
  const device = await w.device()
  const { refresh_token, access_token } = (await w.redeem(device, await w.code(device.id))).body
  const revoke = (token: string) => w.post('/revoke', { token }, { headers: portal })
  const answers = [await revoke('x'), await revoke(refresh_token), await revoke(access_token)]
  expect(new Set(answers.map(({ status, body }) => `${status} ${body}`))).toEqual(new Set(['200 ']))
  const told = w.events.filter(({ reason }) => reason === 'revoke.foreign')
  expect(told.map(({ type }) => type)).toEqual(['token.refused', 'token.refused'])
  expect(JSON.stringify(told)).not.toMatch(new RegExp(`${refresh_token.slice(-20)}|${access_token.slice(-20)}`))
})

it('H22 for an issuer that nobody knows there is a 404 before anything is read', async () => {
  const server = createAuthorizationServer({ resolveIssuer: () => null })
  const body = new ReadableStream(
    {
      pull() {
        throw new Error('read')
      },
    },
    { highWaterMark: 0 },
  )
  const request = new Request(`${ISSUER}/token`, {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { 'content-type': 'text/plain', authorization: 'Basic !' },
  } as RequestInit)
  const reply = await server.fetch(request)
  expect([reply.status, await reply.text(), request.bodyUsed]).toEqual([404, '', false])
  expect(await server.wellKnown(new Request(`${ISSUER}/.well-known/openid-configuration`))).toBeNull()
})

it('T11 a logout leads nowhere that was not registered, whatever stands in its place', async () => {
  const w = await loggingOut()
  const code = await w.code('portal', { redirectUri: 'https://portal.example.com/cb', login: { sid: 'session1' } })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: 'https://portal.example.com/cb' }
  const { id_token } = (await w.post('/token', form, { headers: portal })).body
  for (const uri of [
    REDIRECT,
    `${returnOf('portal')}&a=1`,
    'javascript:alert(1)',
    'https://evil.example/',
    '//evil.example',
    'data:text/html,x',
  ])
    expect(
      (await w.browse('/logout', { id_token_hint: id_token, post_logout_redirect_uri: uri })).headers.get('location'),
      uri,
    ).toBeNull()
})
