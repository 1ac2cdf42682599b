import { logOut } from '@postern/tokens/logout'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { authorize, finish, good, granted, queryOf } from '../authorization.js'
import { callbackOf, type LoggingOut, loggingOut, loginAt, refreshAt, returnOf } from '../loggingOut.js'
import { basic, ISSUER, SECRET, world } from '../world.js'

const query = (parameters: Record<string, string>) => `/logout?${new URLSearchParams(parameters)}`
const claimsOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString())
const sweep = (w: LoggingOut) => w.nodes[0]!.sweep(w.contexts[0]!)

describe('RP-initiated logout', () => {
  it('with a hint of this very session, ends it and leads back exactly where it was registered', async () => {
    const w = await loggingOut()
    const { id_token, refresh_token, access_token } = await loginAt(w, 'portal')
    w.advance(3_600_000) // an expired hint counts
    const reply = await w.browse(query({ id_token_hint: id_token!, post_logout_redirect_uri: returnOf('portal'), state: 's&1' }))
    expect([reply.status, reply.headers.get('location')]).toEqual([303, `${returnOf('portal')}&state=s%261`])
    expect(reply.headers.get('set-cookie')).toBe('sid=; Max-Age=0')
    expect([reply.headers.get('x-page'), reply.headers.get('cache-control')]).toEqual([null, 'no-store'])
    expect((await refreshAt(w, 'portal', refresh_token!)).body.error).toBe('invalid_grant')
    expect((await w.introspect(access_token!)).body.active).toBe(false)
  })

  it('T49 a refresh after it is refused, of every client of the session; offline_access lives on, other sessions too', async () => {
    const w = await loggingOut()
    const { id_token, refresh_token } = await loginAt(w, 'portal')
    const shop = await loginAt(w, 'shop')
    const offline = await loginAt(w, 'shop', ['openid', 'offline_access'])
    const elsewhere = await loginAt(w, 'shop', ['openid'], 'session2')
    const page = await w.browse('/logout', { id_token_hint: id_token! })
    expect([page.status, await page.text(), page.headers.get('x-page')]).toEqual([200, 'goodbye', 'yes'])
    for (const token of [refresh_token!, shop.refresh_token!])
      expect((await refreshAt(w, token === refresh_token ? 'portal' : 'shop', token)).body.error).toBe('invalid_grant')
    for (const { refresh_token: token } of [offline, elsewhere]) expect((await refreshAt(w, 'shop', token!)).status).toBe(200)
  })

  it.each([
    ['a prefix', 'https://portal.example.com/by'],
    ['another query', 'https://portal.example.com/bye?from=evil'],
    ['another client’s', returnOf('shop')],
    ['another origin', 'https://evil.example.com/bye'],
    ['a script', 'javascript:alert(1)'],
  ])('T11 leads nobody to %s', async (_what, post_logout_redirect_uri) => {
    const w = await loggingOut()
    const { id_token, refresh_token } = await loginAt(w, 'portal')
    for (const ask of [{ id_token_hint: id_token! }, { client_id: 'portal' }, {}]) {
      const reply = await w.browse(query({ ...ask, post_logout_redirect_uri }))
      expect([reply.status, reply.headers.get('location'), await reply.text()]).toEqual([400, null, 'logout.refused'])
    }
    expect((await refreshAt(w, 'portal', refresh_token!)).status).toBe(200)
  })

  it.each([
    ['no hint', async () => ({})],
    ['a client alone', async () => ({ client_id: 'portal' })],
    [
      'a hint of another session',
      async (w: LoggingOut) => ({ id_token_hint: (await loginAt(w, 'portal', ['openid'], 'session2')).id_token! }),
    ],
  ])('with %s, asks first', async (_what, parameters) => {
    const w = await loggingOut()
    const { refresh_token } = await loginAt(w, 'portal')
    const page = await w.browse(query(await parameters(w)))
    const { handle } = (await page.json()) as { handle: string }
    expect((await refreshAt(w, 'portal', refresh_token!)).status).toBe(200)
    expect(await (await w.confirm(handle)).text()).toBe('goodbye')
    expect((await refreshAt(w, 'portal', refresh_token!)).body.error).toBe('invalid_grant')
  })

  it('a state too long to be led back with is refused before anybody is asked', async () => {
    const w = await loggingOut()
    const ask = (state: string) =>
      w.browse('/logout', { client_id: 'portal', post_logout_redirect_uri: returnOf('portal'), state })
    expect(await (await ask('x'.repeat(1025))).text()).toBe('request.malformed')
    const { handle } = (await (await ask('x'.repeat(1024))).json()) as { handle: string }
    expect((await w.confirm(handle)).headers.get('location')).toContain(`state=${'x'.repeat(1024)}`)
  })

  it('T48 a yes counts for the session that was asked about, within ten minutes', async () => {
    const w = await loggingOut()
    await loginAt(w, 'portal')
    const ask = async () => ((await (await w.browse('/logout')).json()) as { handle: string }).handle
    const handle = await ask()
    w.session = { subject: 'user-2', sid: 'session9' }
    expect(await (await w.confirm(handle)).text()).toBe('logout.refused')
    const late = await ask()
    w.advance(600_000)
    for (const bad of [late, 'x', late.replace('pl_', 'pi_')]) expect((await w.confirm(bad)).status).toBe(400)
  })

  it('nobody logged in: nothing to end, nobody to ask', async () => {
    const w = await loggingOut()
    const { id_token } = await loginAt(w, 'portal')
    w.session = null
    const reply = await w.browse(query({ id_token_hint: id_token!, post_logout_redirect_uri: returnOf('portal') }))
    expect(reply.headers.get('location')).toBe(returnOf('portal'))
    expect(w.posted).toEqual([])
  })

  it('T21 T26 a hint that is none of ours, or no ID token, is refused', async () => {
    const w = await loggingOut()
    const { access_token, id_token } = await loginAt(w, 'portal')
    const foreign = (await loginAt(await loggingOut({ seed: 3 }), 'portal')).id_token!
    const none = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${id_token!.split('.')[1]}.`
    for (const bad of [access_token!, foreign, none, 'x']) {
      const reply = await w.browse(query({ id_token_hint: bad }))
      expect([reply.status, (await reply.text()).replace('jws', 'logout')]).toEqual([400, 'logout.refused'])
    }
    const other = await w.browse(query({ id_token_hint: id_token!, client_id: 'shop' }))
    expect(other.status).toBe(400)
    for (const client_id of ['nobody', '../portal', 'x'.repeat(65), 'usr:a b'])
      expect(await (await w.browse(query({ client_id }))).text(), client_id).toBe('client.unknown')
  })

  it('without the port there is no such endpoint, and with it discovery says so', async () => {
    const document = async (w: Pick<LoggingOut, 'nodes'>) =>
      (await (await w.nodes[0]!.fetch(new Request(`${ISSUER}/.well-known/openid-configuration`))).json()) as Record<
        string,
        unknown
      >
    expect(await document(await loggingOut())).toMatchObject({
      end_session_endpoint: `${ISSUER}/logout`,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    })
    const w = await world()
    expect((await w.nodes[0]!.fetch(new Request(`${ISSUER}/logout`))).status).toBe(404)
    expect((await document(w)).end_session_endpoint).toBeUndefined()
  })
})

describe('back-channel logout', () => {
  it('tells every client of the session, with a token of 120 s for it alone, signed and without nonce', async () => {
    const w = await loggingOut()
    for (const id of ['portal', 'portal', 'shop', 'quiet']) await loginAt(w, id)
    await loginAt(w, 'shop', ['openid'], 'session2')
    await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[0]!)
    expect(await sweep(w)).toBe(2)
    expect(w.posted.map(({ url }) => url).sort()).toEqual([callbackOf('portal'), callbackOf('shop')])
    const keys = createLocalJWKSet((await (await w.browse('/jwks')).json()) as never)
    for (const { url, token } of w.posted) {
      const audience = url.includes('portal') ? 'portal' : 'shop'
      const { payload } = await jwtVerify(token, keys, {
        issuer: ISSUER,
        audience,
        typ: 'logout+jwt',
        currentDate: new Date(w.now()),
      })
      expect(payload).toMatchObject({
        sub: 'user-1',
        sid: 'session1',
        events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      })
      expect([payload.exp! - payload.iat!, payload.nonce, typeof payload.jti]).toEqual([120, undefined, 'string'])
    }
    expect(new Set(w.posted.map(({ token }) => claimsOf(token).jti)).size).toBe(2)
  })

  it('a receiver that is down is told again, with the same jti, five times at most; a redirect is no success', async () => {
    const w = await loggingOut()
    await loginAt(w, 'portal')
    await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[0]!)
    const answers = [503, 302, 500, 404, 400]
    w.answer = () => answers.shift() ?? 200
    for (let i = 0; i < 8; i++) {
      await sweep(w)
      w.advance(160_000)
    }
    expect(w.posted).toHaveLength(5)
    expect(new Set(w.posted.map(({ token }) => claimsOf(token).jti)).size).toBe(1)
    expect(new Set(w.posted.map(({ token }) => claimsOf(token).iat)).size).toBe(5)
    expect(await w.inner.outbox!({ now: w.now(), after: 'e/~', limit: 10 })).toEqual([])
  })

  it('more clients than fit in a commit are all told, once', async () => {
    const w = await loggingOut({ more: 20 })
    const ids = Array.from({ length: 20 }, (_, i) => `rp${i}`)
    for (const id of ids) await loginAt(w, id)
    await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[0]!)
    await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[1]!)
    await sweep(w)
    expect(w.posted.map(({ url }) => url).sort()).toEqual(ids.map(callbackOf).sort())
  })

  it('T49 T26 a logout token is no access token, no hint and no assertion', async () => {
    const w = await loggingOut()
    await loginAt(w, 'portal')
    await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[0]!)
    await sweep(w)
    const { token } = w.posted[0]!
    expect((await w.introspect(token)).body).toEqual({ active: false })
    expect((await w.browse(query({ id_token_hint: token }))).status).toBe(400)
    const form = { grant_type: 'refresh_token', refresh_token: token }
    expect((await w.post('/token', form, { headers: { authorization: basic('portal', SECRET) } })).body.error).toBe(
      'invalid_grant',
    )
    const bearer = await w.nodes[0]!.fetch(new Request(`${ISSUER}/userinfo`, { headers: { authorization: `Bearer ${token}` } }))
    expect(bearer.status).toBe(401)
  })

  it('a pairwise client is told of its own sub', async () => {
    const [portal, ...rest] = await (await import('../loggingOut.js')).relyingParties()
    const w = await loggingOut({ clients: [{ ...portal!, subjectType: 'pairwise' }, ...rest] })
    const { id_token } = await loginAt(w, 'portal')
    const reply = await w.browse(query({ id_token_hint: id_token! }))
    expect(await reply.text()).toBe('goodbye')
    await sweep(w)
    expect(claimsOf(w.posted[0]!.token).sub).toBe(claimsOf(id_token!).sub)
    expect(claimsOf(id_token!).sub).not.toBe('user-1')
  })

  it.each([['openid'], ['openid offline_access']])(
    'T49 a login of a session that has ended makes no grant: scope %s',
    async (scope) => {
      for (const client_id of ['portal', 'quiet']) {
        const w = await loggingOut()
        const parameters = { ...good, client_id, redirect_uri: `https://${client_id}.example.com/cb`, scope }
        const page = await authorize(w, parameters)
        // The host asked its own session before this, and shows its page of consent meanwhile.
        await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[0]!)
        const yes = granted(w, { login: { subject: 'user-1', authTime: w.now(), acr: 'level2', amr: ['pin'], sid: 'session1' } })
        const sent = queryOf(await finish(w, page, yes))
        expect([sent.get('error'), sent.get('state'), sent.get('code')]).toEqual(['login_required', 's1', null])
      }
    },
  )

  it('a code approved before the end and redeemed after it is refused where its client would not hear of it', async () => {
    const w = await loggingOut()
    for (const [sid, scope] of [
      ['session1', ['openid']],
      ['session2', ['openid', 'offline_access']],
    ] as const) {
      const redirect_uri = 'https://portal.example.com/cb'
      const code = await w.code('portal', { redirectUri: redirect_uri, scope, login: { sid } })
      await logOut({ subject: 'user-1', sid }, w.contexts[0]!)
      const form = {
        grant_type: 'authorization_code',
        code,
        code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
        redirect_uri,
      }
      expect((await w.post('/token', form, { headers: { authorization: basic('portal', SECRET) } })).body.error).toBe(
        'invalid_grant',
      )
    }
  })
})
