/** What is promised to hosts, as far as this package answers for it: the rows that no other test bears the id of. */
import { decodeBase64url } from '@postern/core/base64url'
import type { JsonObject } from '@postern/core/json'
import { type Counting, countingStore } from '@postern/testkit/counting'
import type { ChallengePort } from '@postern/tokens/challenge'
import { nodeNonces } from '@postern/tokens/dpop'
import { nativeSso } from '@postern/tokens/grants/nativeSso'
import { ringKeys } from '@postern/tokens/remoteKeys'
import { challengeResponse, createVerifier, type Need } from '@postern/tokens/resource'
import { expect, it } from 'vitest'
import { authorize, good, queryOf } from '../authorization.js'
import { EXCHANGE, exchangingClients } from '../exchanging.js'
import { API, basic, CHALLENGE, type Device, ISSUER, REDIRECT, SECRET, VERIFIER, type World, world } from '../world.js'

const portal = { authorization: basic('portal', SECRET) }
const REDEEM = { grant_type: 'authorization_code', code_verifier: VERIFIER, redirect_uri: REDIRECT }
const YEARS_SEC = 10 * 365 * 86_400
const challenge: ChallengePort = {
  challenge: async () => ({ kind: 'code', login: { subject: 'user-1', authTime: 1, acr: 'level2', amr: ['pin'] } }),
}

/** An API with its verifier: `ok`, or the challenge of its refusal. */
function resource(w: World) {
  const { crypto, clock, random } = w.contexts[0]!.runtime
  const nonces = nodeNonces({ random, crypto, clock })
  const options = {
    issuer: ISSUER,
    audience: API,
    origin: API,
    keys: ringKeys({ keys: w.keys, crypto, clock }),
    clock,
    crypto,
    nonces,
    replay: { mode: 'node' },
    acrOrder: ['level1', 'level2', 'level3'],
  } as const
  const verify = createVerifier(options)
  return {
    nonces,
    async call(token: string, o: { need?: Need; device?: Device; claims?: JsonObject; path?: string } = {}): Promise<string> {
      const { need, device, claims, path = '/accounts' } = o
      const proved = device && {
        dpop: await device.proof(`${API}/accounts`, {
          method: 'GET',
          accessToken: token,
          nonce: await nonces.issue(),
          ...(claims && { claims }),
        }),
      }
      const headers = { authorization: `${device ? 'DPoP' : 'Bearer'} ${token}`, ...proved }
      try {
        await verify(new Request(API + path, { headers }), need)
        return 'ok'
      } catch (error) {
        const reply = await challengeResponse(error, options, need)
        if (reply === null) throw error
        return `${reply.status} ${reply.headers.get('www-authenticate')}`
      }
    },
  }
}

it.each([-YEARS_SEC, YEARS_SEC])(
  'F07 a phone whose clock is off by %i s registers, logs in, refreshes, calls, asks and revokes',
  async (off) => {
    const w = await world({ context: () => ({ challenge }) })
    const { call } = resource(w)
    const device = await w.device()
    const iat = Math.floor(w.now() / 1000) + off
    const post = async (path: string, form: Record<string, string>, accessToken?: string) => {
      const dpop = await device.proof(ISSUER + path, { claims: { iat }, ...(accessToken !== undefined && { accessToken }) })
      const headers = { dpop, ...(accessToken !== undefined && { authorization: `DPoP ${accessToken}` }) }
      const { status, body } = await w.post(path, { client_id: device.id, ...form }, { headers })
      expect([path, status]).toEqual([path, 200])
      return body
    }
    const { jwk } = device
    const metadata = {
      app_id: 'bank',
      jwks: { keys: [{ kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y }] },
      redirect_uris: ['com.example.bank:/cb'],
    }
    const headers = { 'content-type': 'application/json', dpop: await device.proof(`${ISSUER}/register`, { claims: { iat } }) }
    const registered = await w.nodes[1]!.fetch(
      new Request(`${ISSUER}/register`, { method: 'POST', headers, body: JSON.stringify(metadata) }),
    )
    expect([registered.status, (await registered.json()) as JsonObject]).toEqual([
      201,
      expect.objectContaining({ client_id: device.id }),
    ])
    const pkce = { code_challenge: CHALLENGE, code_challenge_method: 'S256' }
    const { authorization_code: code } = await post('/authorize-challenge', {
      response_type: 'code',
      scope: 'openid accounts',
      ...pkce,
    })
    const first = await post('/token', { grant_type: 'authorization_code', code, code_verifier: VERIFIER })
    const second = await post('/token', { grant_type: 'refresh_token', refresh_token: first.refresh_token })
    expect(await post('/userinfo', {}, second.access_token)).toMatchObject({ sub: 'user-1' })
    expect(await call(second.access_token, { device, claims: { iat } })).toBe('ok')
    const dpop = await device.proof(`${ISSUER}/revoke`, { claims: { iat } })
    expect((await w.post('/revoke', { client_id: device.id, token: second.refresh_token }, { headers: { dpop } })).status).toBe(
      200,
    )
  },
)

it('F16 a native login in counted round trips: the challenge finds the app, reads the epochs and spends the proof, the redemption is one commit', async () => {
  const counters: Counting[] = []
  const w = await world({
    context: () => ({ challenge }),
    wrap: (store) => counters[counters.push(countingStore(store)) - 1]!.store,
  })
  const device = await w.device()
  const counted = async (path: string, form: Record<string, string>) => {
    const dpop = await device.proof(ISSUER + path)
    counters[0]!.reset()
    const { status, body } = await w.post(path, { client_id: device.id, ...form }, { headers: { dpop } })
    const { read, commit, list } = counters[0]!.counts()
    return { status, body, trips: { read, commit, list } }
  }
  const pkce = { code_challenge: CHALLENGE, code_challenge_method: 'S256' }
  const step = await counted('/authorize-challenge', { response_type: 'code', scope: 'openid accounts', ...pkce })
  const tokens = await counted('/token', {
    grant_type: 'authorization_code',
    code: step.body.authorization_code,
    code_verifier: VERIFIER,
  })
  expect([step.status, tokens.status]).toEqual([200, 200])
  expect(step.trips).toEqual({ read: 2, commit: 1, list: 0 })
  expect(tokens.trips).toEqual({ read: 0, commit: 1, list: 0 })
})

it('F17 an implicit login is refused by a normal resource, and holds what its host allows to one alone', async () => {
  const w = await world({
    clients: [...(await exchangingClients())].map((client) => ({ ...client, scope: [...client.scope, 'device_sso'] })),
    grants: [nativeSso],
    config: { scopes: ['openid', 'offline_access', 'device_sso', 'accounts', 'payments'] },
    context: () => ({ exchange: async () => ({ ok: true, narrow: { kind: 'implicit', acr: 'level1', scope: ['accounts'] } }) }),
  })
  const { call } = resource(w)
  const code = await w.code('portal', { redirectUri: REDIRECT, scope: ['openid', 'device_sso', 'accounts', 'payments'] })
  const login = (await w.post('/token', { ...REDEEM, code }, { headers: portal })).body
  const { body } = await w.post(
    '/token',
    {
      grant_type: EXCHANGE,
      audience: ISSUER,
      subject_token: login.id_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
      actor_token: login.device_secret,
      actor_token_type: 'urn:openid:params:token-type:device-secret',
      scope: 'openid offline_access accounts payments',
    },
    { headers: portal },
  )
  expect([body.scope, body.refresh_token, body.id_token]).toEqual(['accounts', undefined, undefined])
  expect(await call(body.access_token, { need: { kind: ['implicit'], scope: ['accounts'] } })).toBe('ok')
  expect(await call(body.access_token, { need: { kind: ['user'] } })).toMatch(/^401 .*invalid_token/)
  expect(await call(body.access_token)).toMatch(/^401 .*invalid_token/)
  expect(await call(body.access_token, { need: { kind: ['implicit'], scope: ['payments'] } })).toMatch(
    /^403 .*insufficient_scope/,
  )
  expect(await call(login.access_token)).toBe('ok')
})

it('F18 a token of the device alone has no user: user routes and userinfo refuse it', async () => {
  const w = await world()
  const { call } = resource(w)
  const device = await w.device()
  const { body } = await w.token(device, { grant_type: 'client_credentials', scope: 'accounts' })
  expect([body.token_type, body.refresh_token, body.id_token]).toEqual(['DPoP', undefined, undefined])
  expect((await w.introspect(body.access_token)).body).toMatchObject({ kind: 'device', sub: device.id, client_id: device.id })
  expect(await call(body.access_token, { device, need: { kind: ['device'] } })).toBe('ok')
  expect(await call(body.access_token, { device, need: { kind: ['user'] } })).toMatch(/^401 .*invalid_token/)
  expect(await call(body.access_token, { device })).toMatch(/^401 .*invalid_token/)
  const dpop = await device.proof(`${ISSUER}/userinfo`, { accessToken: body.access_token })
  const told = await w.post('/userinfo', '', { headers: { dpop, authorization: `DPoP ${body.access_token}` } })
  expect([told.status, told.headers.get('www-authenticate')]).toEqual([403, expect.stringContaining('insufficient_scope')])
})

it('F19 a step-up: 401 with the level, a login of that level, 200; one that does not reach it gets no code', async () => {
  let acr = 'level1'
  const asked: string[][] = []
  const w = await world({
    context: ({ interaction }) => ({
      interaction: {
        ...interaction!,
        begin: async ({ acrValues, maxAge }) => {
          asked.push([...acrValues, String(maxAge)])
          return {
            outcome: 'granted',
            login: { subject: 'user-1', authTime: w.now(), acr, amr: ['pin'] },
            scope: ['openid', 'accounts'],
          }
        },
      },
    }),
  })
  const { call } = resource(w)
  const need = { acr: ['level3'], maxAge: 60 }
  const login = async (more: Record<string, string> = {}) => {
    const back = queryOf(await authorize(w, { ...good, ...more }))
    if (back.has('error')) return back.get('error')!
    return (await w.post('/token', { ...REDEEM, code: back.get('code')! }, { headers: portal })).body.access_token as string
  }
  const challenge = await call(await login(), { need })
  expect(challenge).toMatch(/^401 .*insufficient_user_authentication/)
  const acr_values = /acr_values="([^"]+)"/.exec(challenge)![1]!
  const max_age = /max_age="([^"]+)"/.exec(challenge)![1]!
  const claims = JSON.stringify({ id_token: { acr: { essential: true, values: [acr_values] } } })
  expect(await login({ acr_values, max_age, claims })).toBe('unmet_authentication_requirements')
  acr = 'level3'
  expect(await call(await login({ acr_values, max_age, claims }), { need })).toBe('ok')
  expect(asked.at(-1)).toEqual(['level3', '60'])
})

it('F59 a bound token: as Bearer, with another key or for another path it is refused', async () => {
  const w = await world()
  const { call } = resource(w)
  const [device, thief] = [await w.device(), await w.device()]
  const { access_token } = (await w.redeem(device, await w.code(device.id))).body
  expect(await call(access_token, { device })).toBe('ok')
  expect(await call(access_token)).toMatch(/^401 .*invalid_token/)
  expect(await call(access_token, { device: thief })).toMatch(/^401 .*invalid_dpop_proof/)
  expect(await call(access_token, { device, path: '/payments' })).toMatch(/^401 .*invalid_dpop_proof/)
})

it('F78 a scope that a client was not assigned is refused, wherever it is asked for', async () => {
  const w = await world()
  expect(queryOf(await authorize(w, { ...good, scope: 'openid payments' })).get('error')).toBe('invalid_scope')
  expect((await w.post('/par', { ...good, scope: 'payments' }, { headers: portal })).body.error).toBe('invalid_scope')
  const service = { grant_type: 'client_credentials', client_id: 'service', client_secret: SECRET }
  expect((await w.post('/token', { ...service, scope: 'payments' })).body.error).toBe('invalid_scope')
  expect((await w.post('/token', { ...service, scope: 'accounts' })).body.scope).toBe('accounts')
  const code = await w.code('portal', { redirectUri: REDIRECT, scope: ['openid', 'accounts'] })
  const { body } = await w.post('/token', { ...REDEEM, code }, { headers: portal })
  const more = { grant_type: 'refresh_token', refresh_token: body.refresh_token, scope: 'openid accounts profile' }
  expect((await w.post('/token', more, { headers: portal })).body.error).toBe('invalid_scope')
  // What a scope needs beyond that is the host's last word, at every token.
  const strict = await world({
    context: () => ({
      recheck: async ({ scope, acr }) =>
        scope.includes('accounts') && acr !== 'level3'
          ? { ok: false, error: 'access_denied', code: 'level.missed' }
          : { ok: true },
    }),
  })
  const low = await strict.code('portal', { redirectUri: REDIRECT, scope: ['openid', 'accounts'] })
  expect((await strict.post('/token', { ...REDEEM, code: low }, { headers: portal })).body).toMatchObject({
    error: 'access_denied',
    code: 'level.missed',
  })
  const high = await strict.code('portal', { redirectUri: REDIRECT, scope: ['openid', 'accounts'], login: { acr: 'level3' } })
  const given = (await strict.post('/token', { ...REDEEM, code: high }, { headers: portal })).body.access_token as string
  expect(JSON.parse(new TextDecoder().decode(decodeBase64url(given.split('.')[1]!)!))).toMatchObject({ scope: 'openid accounts' })
})
