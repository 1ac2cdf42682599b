// @ts-check
// The authorization server at work, on every runtime that serves; what an API does with its tokens, in a browser too.
import { createCrypto } from '@postern/core/crypto'
import { publicJwk } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { LEAD_MS } from '@postern/core/keyRing'
import { systemPorts } from '@postern/core/systemRuntime'
import { memoryStore } from '@postern/store/memory'
import { createAuthorizationServer } from '@postern/tokens'
import { assertion } from '@postern/tokens/auth/assertion'
import { hashSecret, secret } from '@postern/tokens/auth/secret'
import { issueCode } from '@postern/tokens/challenge'
import { backchannelAuthentication, CIBA_GRANT, decideCiba, deliver } from '@postern/tokens/ciba'
import { besideInstances, clientsInStore } from '@postern/tokens/clientStore'
import { clientsInConfig } from '@postern/tokens/clients'
import { parseConfig } from '@postern/tokens/config'
import { claimUserCode, DEVICE_GRANT, decideDevice, deviceAuthorization } from '@postern/tokens/device'
import { nodeNonces } from '@postern/tokens/dpop'
import { ciba } from '@postern/tokens/grants/ciba'
import { device } from '@postern/tokens/grants/device'
import { ACCESS_TOKEN, exchange, TOKEN_EXCHANGE } from '@postern/tokens/grants/exchange'
import { jwtBearer } from '@postern/tokens/grants/jwtBearer'
import { requestObjects } from '@postern/tokens/jar'
import { signedResponses } from '@postern/tokens/jarm'
import { jwe } from '@postern/tokens/jwe'
import { createKeys, keysInStore, rotateKeys } from '@postern/tokens/keys'
import { endSession, logOut } from '@postern/tokens/logout'
import { registration } from '@postern/tokens/register'
import { remoteKeys, ringKeys } from '@postern/tokens/remoteKeys'
import { challengeResponse, createVerifier, introspecting, resourceMetadata } from '@postern/tokens/resource'
import { revoke } from '@postern/tokens/revoke'
import { defaultGrants } from '@postern/tokens/token'
import { changed, refuses, same } from './assert.js'

/** Cookies and `set-cookie` are no page's to write, and React Native serves nobody. @type {readonly import('../suite.js').Runtime[]} */
const servers = ['node20', 'node22', 'node24', 'deno', 'bun', 'workerd']
const crypto = createCrypto()
const ISSUER = 'https://id.example.com/t1'
const API = 'https://api.example.com'
const LEDGER = 'https://ledger.example.com'
const REDIRECT = 'https://portal.example.com/cb'
const SECRET = 'a-secret-of-the-portal-that-is-long'
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' // RFC 7636 Appendix B
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
const BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const login = { subject: 'user-1', authTime: 1, acr: 'level2', amr: ['pin'], sid: 'session1' }

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    'tokens: 20 redemptions of a code give one 200 and end its family (T02); 20 refreshes give one successor (T16), which may be repeated',
    async () => {
      const { post, code } = await world()
      const redeem = { grant_type: 'authorization_code', code_verifier: VERIFIER, redirect_uri: REDIRECT }
      const raced = await code()
      const answers = await Promise.all(Array.from({ length: 20 }, () => post('/token', { ...redeem, code: raced })))
      const won = answers.filter(({ status }) => status === 200)
      same([won.length, (await post('/introspect', { token: won[0]?.body.access_token })).body], [1, { active: false }])
      const { refresh_token } = (await post('/token', { ...redeem, code: await code() })).body
      const refresh = (/** @type {string} */ token) => post('/token', { grant_type: 'refresh_token', refresh_token: token })
      const all = await Promise.all(Array.from({ length: 20 }, () => refresh(refresh_token)))
      const successors = [...new Set(all.map(({ body }) => body.refresh_token))]
      same([all.every(({ status }) => status === 200), successors.length], [true, 1])
      same((await refresh(refresh_token)).body.refresh_token, successors[0], 'a retry')
      const next = (await refresh(successors[0])).body
      same((await refresh(refresh_token)).body.error, 'invalid_grant', 'reuse')
      same((await post('/introspect', { token: next.access_token })).body, { active: false }, 'the family')
    },
  ],
  [
    'tokens: a request object pushed with an assertion, a signed and encrypted response, introspection as a JWT',
    async () => {
      const { post, server, context, signed, opened } = await world()
      const now = Math.floor(context.runtime.clock() / 1000)
      const claims = {
        client_id: 'signed',
        redirect_uri: REDIRECT,
        response_type: 'code',
        response_mode: 'jwt',
        scope: 'openid accounts',
      }
      const pkce = { code_challenge: CHALLENGE, code_challenge_method: 'S256', state: 's1' }
      const request = await signed('oauth-authz-req+jwt', { iss: 'signed', aud: ISSUER, exp: now + 60, ...claims, ...pkce })
      let serial = 0
      const proved = async () => ({
        client_assertion: await signed('JWT', { iss: 'signed', sub: 'signed', aud: ISSUER, exp: now + 60, jti: `j${serial++}` }),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      })
      const pushed = await post('/par', { request, ...(await proved()) }, null)
      same(pushed.status, 201, 'par')
      const query = new URLSearchParams({ client_id: 'signed', request_uri: pushed.body.request_uri })
      const page = await server.fetch(new Request(`${ISSUER}/authorize?${query}`))
      const cookie = page.headers.get('set-cookie')?.split(';')[0] ?? ''
      const back = await server.resume(
        await page.text(),
        { outcome: 'granted', login, scope: ['openid', 'accounts'] },
        new Request(`${ISSUER}/login`, { headers: { cookie } }),
      )
      const response = await opened(new URL(back.headers.get('location') ?? '').searchParams.get('response') ?? '')
      same([response.state, response.iss, response.aud], ['s1', ISSUER, 'signed'])
      const form = { grant_type: 'authorization_code', code: response.code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
      const tokens = await post('/token', { ...form, ...(await proved()) }, null)
      const told = await post(
        '/introspect',
        { token: tokens.body.access_token },
        undefined,
        'application/token-introspection+jwt',
      )
      const answer = claimsOf(told.body)
      same([answer.aud, answer.token_introspection.active, answer.token_introspection.sub], ['portal', true, 'user-1'])
      const replayed = await post('/introspect', { token: 'x', ...(await proved()), ...(await proved()) }, null)
      same(replayed.status, 200, 'a fresh assertion')
    },
    { only: servers },
  ],
  [
    'tokens: a device and a backchannel client get their tokens once their user has said yes, once; a ping is called',
    async () => {
      const { post, context, asked, called } = await world()
      const decision = /** @type {const} */ ({ outcome: 'granted', login })
      const { body } = await post('/device_authorization', { scope: 'openid accounts' })
      const poll = { grant_type: DEVICE_GRANT, device_code: body.device_code }
      same((await post('/token', poll)).body.error, 'authorization_pending')
      same((await post('/token', poll)).body.error, 'slow_down')
      const { id } = await claimUserCode({ userCode: body.user_code.toLowerCase(), subject: 'user-1' }, context)
      same((await decideDevice(id, decision, context)).status, 'approved')
      context.advance(60_000)
      same((await post('/token', poll)).status, 200, 'device')
      context.advance(60_000)
      same((await post('/token', poll)).body.error, 'invalid_grant', 'again')
      const hint = { scope: 'openid accounts', login_hint: 'user-1', client_notification_token: 'n'.repeat(32) }
      const { auth_req_id } = (await post('/bc-authorize', hint)).body
      await decideCiba(asked[0] ?? '', decision, context)
      same([await deliver(context), called.map(({ body }) => body)], [1, [JSON.stringify({ auth_req_id })]])
      same((await post('/token', { grant_type: CIBA_GRANT, auth_req_id })).status, 200, 'ciba')
      context.advance(60_000)
      same((await post('/token', { grant_type: CIBA_GRANT, auth_req_id })).body.error, 'invalid_grant', 'again')
    },
    { only: servers },
  ],
  [
    'tokens: an exchange narrows and dies with its root, an assertion of another issuer counts once, a logout ends the session and tells',
    async () => {
      const { post, code, context, server, signed, called } = await world()
      const redeem = { grant_type: 'authorization_code', code_verifier: VERIFIER, redirect_uri: REDIRECT, code: await code() }
      const { access_token, refresh_token } = (await post('/token', redeem)).body
      const form = { grant_type: TOKEN_EXCHANGE, subject_token: access_token, subject_token_type: ACCESS_TOKEN }
      const given = await post('/token', { ...form, resource: LEDGER, scope: 'accounts' })
      same([given.status, given.body.scope], [200, 'accounts'])
      same((await post('/token', { ...form, resource: 'https://evil.example' })).body.error, 'invalid_target')
      same((await post('/token', { ...form, scope: 'accounts payments' })).body.error, 'invalid_scope')
      const now = Math.floor(context.runtime.clock() / 1000)
      const word = await signed('JWT', { iss: 'https://partner.example', sub: 'a', aud: ISSUER, exp: now + 60, jti: 'b1' })
      same((await post('/token', { grant_type: BEARER, assertion: word, scope: 'accounts' })).status, 200)
      same((await post('/token', { grant_type: BEARER, assertion: word, scope: 'accounts' })).body.error, 'invalid_grant')
      await logOut({ subject: 'user-1', sid: 'session1' }, context)
      await server.sweep(context)
      same(
        called.map(({ url }) => url),
        ['https://portal.example.com/logout'],
      )
      same((await post('/token', { grant_type: 'refresh_token', refresh_token })).body.error, 'invalid_grant')
      for (const token of [access_token, given.body.access_token])
        same((await post('/introspect', { token })).body, { active: false })
    },
    { only: servers },
  ],
  [
    'tokens: a client registers in the store, and its tokens verify while the keys of the store turn',
    async () => {
      const { post, server, context, turn } = await world()
      const metadata = { redirect_uris: [REDIRECT], grant_types: ['authorization_code', 'refresh_token'], client_name: 'RP' }
      const registered = await server.fetch(
        new Request(`${ISSUER}/register`, {
          method: 'POST',
          body: JSON.stringify(metadata),
          headers: { 'content-type': 'application/json' },
        }),
      )
      const { client_id, client_secret } = /** @type {any} */ (await registered.json())
      const client = await context.clients.find(client_id)
      if (client === null) throw new Error('not registered')
      const asked = {
        client,
        login,
        scope: ['openid', 'accounts'],
        resource: API,
        codeChallenge: CHALLENGE,
        redirectUri: REDIRECT,
      }
      const code = await issueCode({ ...asked, dpopJkt: null }, context)
      const redeem = { grant_type: 'authorization_code', code_verifier: VERIFIER, redirect_uri: REDIRECT, code }
      let tokens = await post('/token', redeem, { id: client_id, secret: client_secret })
      same(tokens.status, 200)
      const kids = new Set([headerOf(tokens.body.access_token).kid])
      for (let i = 0; i < 3; i++) {
        await turn()
        const form = { grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token }
        tokens = await post('/token', form, { id: client_id, secret: client_secret })
        kids.add(headerOf(tokens.body.access_token).kid)
        same((await post('/introspect', { token: tokens.body.access_token })).body.active, true)
      }
      same(kids.size, 4)
      await revoke({ client: client_id }, context)
      context.advance(10_000)
      const form = { grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token }
      same((await post('/token', form, { id: client_id, secret: client_secret })).body.error, 'invalid_grant')
    },
    { only: servers },
  ],
  [
    'resource: offline with the published keys, by introspection where a token is opaque, with challenges for scope, level and age',
    async () => {
      const { post, code, context, server } = await world()
      const { clock, random } = context.runtime
      const redeem = async () => {
        const form = { grant_type: 'authorization_code', code_verifier: VERIFIER, redirect_uri: REDIRECT, code: await code() }
        return (await post('/token', form)).body
      }
      const fetches = /** @type {string[]} */ ([])
      /** @type {import('@postern/core/runtime').Fetch} */
      const fetch = async (url, init) => {
        fetches.push(String(url))
        return server.fetch(new Request(url, init))
      }
      const published = remoteKeys({ url: `${ISSUER}/jwks`, fetch, crypto, clock })
      await published.refresh()
      const options = {
        issuer: ISSUER,
        audience: API,
        origin: API,
        keys: published,
        clock,
        crypto,
        nonces: nodeNonces({ random, crypto, clock }),
        replay: /** @type {const} */ ({ mode: 'node' }),
        acrOrder: ['level1', 'level2', 'level3'],
        resourceMetadata: `${API}/.well-known/oauth-protected-resource`,
      }
      const verify = createVerifier(options)
      const call = (/** @type {string} */ token) => new Request(`${API}/x`, { headers: { authorization: `Bearer ${token}` } })
      const { access_token } = await redeem()
      same((await verify(call(access_token), { scope: ['accounts'] })).subject, 'user-1')
      same((await verify(call(access_token))).acr, 'level2', 'from the cache')
      same(fetches, [`${ISSUER}/jwks`])
      await refuses(() => verify(call(access_token), { scope: ['payments'] }), 'token.scope')
      await refuses(() => verify(call(changed(access_token))), 'token.invalid')
      const need = { acr: ['level3'], maxAge: 60 }
      const refused = await verify(call(access_token), need).catch((/** @type {unknown} */ error) => error)
      const challenge = (await challengeResponse(refused, options, need))?.headers.get('www-authenticate') ?? ''
      same(
        /insufficient_user_authentication.*acr_values="level3".*max_age="60".*resource_metadata=/.test(challenge),
        true,
        challenge,
      )
      same(resourceMetadata({ resource: API, authorizationServers: [ISSUER] }).authorization_servers, [ISSUER])
      const asking = createVerifier({
        ...options,
        introspect: introspecting({
          url: `${ISSUER}/introspect`,
          credentials: { clientId: 'portal', clientSecret: SECRET },
          fetch,
        }),
      })
      context.opaque()
      const other = await redeem()
      same((await asking(call(other.access_token))).subject, 'user-1', 'opaque')
      await post('/revoke', { token: other.access_token })
      await refuses(() => asking(call(other.access_token)), 'token.invalid')
      context.advance(300_000)
      await refuses(() => verify(call(access_token)), 'token.invalid')
      same((await ringKeys({ keys: context.keys, crypto, clock }).find(headerOf(access_token).kid)) !== null, true)
    },
  ],
]

/** @param {string} part @returns {any} */
const read = (part) =>
  JSON.parse(
    new TextDecoder().decode(Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))),
  )
/** @param {string} jwt */
const headerOf = (jwt) => read(jwt.split('.')[0] ?? '')
/** @param {string} jwt */
const claimsOf = (jwt) => read(jwt.split('.')[1] ?? '')
/** @param {string} id @param {string} secret */
const basic = (id, secret) => `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}`

/** One issuer with everything, over a memory store, with keys in it and a clock that can be moved on. */
async function world() {
  const ports = { ...systemPorts(), crypto }
  let ahead = 0
  let format = /** @type {'jwt' | 'opaque'} */ ('jwt')
  const asked = /** @type {string[]} */ ([])
  const called = /** @type {{ url: string, body: string }[]} */ ([])
  const runtime = {
    ...ports,
    clock: () => ports.clock() + ahead,
    store: memoryStore(),
    /** @type {import('@postern/core/runtime').Fetch} */
    fetch: async (url, init) => {
      called.push({ url: String(url), body: String(init?.body) })
      return new Response(null, { status: 204 })
    },
  }
  const keyStore = { runtime, tenant: 't1', masterKeys: /** @type {const} */ ([new Uint8Array(32).fill(7)]) }
  await createKeys(keyStore)
  const source = keysInStore(keyStore)
  const [clientJwk, toClient] = [await crypto.generateKey('ES256', ports.random), await crypto.generateKey('ES256', ports.random)]
  const signer = await crypto.signer('ES256', clientJwk)
  const verifyKey = await crypto.verifyKey('ES256', publicJwk(clientJwk))
  const own = { keys: [{ ...toClient, kid: 'e1' }] }
  const as = /** @type {const} */ ({ alg: 'ECDH-ES', enc: 'A256GCM' })
  const portal = {
    id: 'portal',
    auth: { method: /** @type {const} */ ('client_secret_basic'), secretHashes: [await hashSecret(crypto, SECRET)] },
    redirectUris: [REDIRECT],
    grantTypes: ['authorization_code', 'refresh_token', DEVICE_GRANT, CIBA_GRANT, TOKEN_EXCHANGE, BEARER],
    scope: ['openid', 'accounts'],
    introspects: [API, LEDGER],
    resources: [API, LEDGER],
    backchannelLogoutUri: 'https://portal.example.com/logout',
    backchannelTokenDeliveryMode: /** @type {const} */ ('ping'),
    backchannelClientNotificationEndpoint: 'https://portal.example.com/ciba',
  }
  const jwks = [
    { ...publicJwk(clientJwk), kid: 'k1' },
    { ...publicJwk(toClient), use: 'enc', kid: 'e1' },
  ]
  const client = {
    ...portal,
    id: 'signed',
    auth: { method: /** @type {const} */ ('private_key_jwt') },
    jwks,
    encryption: { response: as },
  }
  const keys = { find: async () => verifyKey }
  const stored = clientsInStore({
    runtime,
    tenant: 't1',
    keys: (await source.current()).keys,
    admit: async () => ({ scope: ['openid', 'accounts'] }),
  })
  const config = () =>
    parseConfig({
      defaultResource: API,
      resources: { [API]: { format }, [LEDGER]: {} },
      scopes: ['openid', 'accounts', 'payments'],
      acrValues: ['level1', 'level2', 'level3'],
    })
  const context = {
    issuer: ISSUER,
    tenant: 't1',
    runtime,
    ...(await source.current()),
    config: config(),
    clients: besideInstances(clientsInConfig([portal, client]), stored, () => false),
    auth: [secret, assertion],
    interaction: {
      begin: async (/** @type {{ handle: string }} */ { handle }) => new Response(handle),
      error: async (/** @type {{ code: string }} */ { code }) => new Response(code, { status: 400 }),
    },
    jar: requestObjects(),
    jarm: signedResponses(),
    jwe: jwe(),
    device: { verificationUri: 'https://id.example.com/go' },
    ciba: {
      begin: async (/** @type {{ id: string }} */ { id }) => {
        asked.push(id)
        return { subject: 'user-1' }
      },
    },
    exchange: async () => /** @type {const} */ ({ ok: true }),
    trustedIssuers: [{ issuer: 'https://partner.example', keys, scope: ['accounts'], subject: async () => 'user-1' }],
    logout: {
      session: async () => null,
      confirm: async () => new Response(),
      ended: async () => new Response(),
      error: async () => new Response(null, { status: 400 }),
    },
    /** @param {number} ms */
    advance(ms) {
      ahead += ms
    },
    opaque() {
      format = 'opaque'
      context.config = config()
    },
  }
  const server = createAuthorizationServer({
    resolveIssuer: () => context,
    grants: [...defaultGrants, device, ciba, exchange, jwtBearer],
    endpoints: [registration, deviceAuthorization, backchannelAuthentication, endSession],
  })
  return {
    server,
    context,
    asked,
    called,
    async turn() {
      await rotateKeys(keyStore, 'signing')
      await rotateKeys(keyStore, 'short')
      context.advance(LEAD_MS + 60_000)
      Object.assign(context, await source.current())
    },
    async code() {
      const client = await context.clients.find('portal')
      if (client === null) throw new Error('no portal')
      const asked = {
        client,
        login,
        scope: ['openid', 'accounts'],
        resource: API,
        codeChallenge: CHALLENGE,
        redirectUri: REDIRECT,
      }
      return issueCode({ ...asked, dpopJkt: null }, context)
    },
    /** @param {string} typ @param {import('@postern/core/json').JsonObject} claims */
    signed: async (typ, claims) => signJws(signer, { typ, kid: 'k1' }, claims),
    /** Of a token that is encrypted to the client. @param {string} text */
    opened: async (text) => claimsOf(await jwe(own).decrypt(text, /** @type {any} */ (await context.clients.find('signed')))),
    /** @param {string} path @param {Record<string, string>} form @param {{ id: string, secret: string } | null} [by] @param {string} [accept] */
    async post(path, form, by = { id: 'portal', secret: SECRET }, accept = '*/*') {
      const headers = { accept, ...(by !== null && { authorization: basic(by.id, by.secret) }) }
      const reply = await server.fetch(new Request(ISSUER + path, { method: 'POST', body: new URLSearchParams(form), headers }))
      const text = await reply.text()
      return { status: reply.status, body: /** @type {any} */ (text.startsWith('{') ? JSON.parse(text) : text) }
    },
  }
}
