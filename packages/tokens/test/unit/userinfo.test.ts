import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { basic, type Device, ISSUER, REDIRECT, SECRET, VERIFIER, type World, world } from '../world.js'

const portal = { authorization: basic('portal', SECRET) }
const USERINFO = `${ISSUER}/userinfo`

async function login(w: World, scope: readonly string[] = ['openid', 'profile']) {
  const code = await w.code('portal', { redirectUri: REDIRECT, scope })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
  return (await w.post('/token', form, { headers: portal })).body as Record<string, string>
}
const ask = (w: World, headers: Record<string, string>, method = 'GET', host = {}) =>
  w.nodes[0]!.fetch(new Request(USERINFO, { method, headers }), host)
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('userinfo', () => {
  it('OpenID Connect Core §5.3 answers GET and POST with sub and the claims of the scopes', async () => {
    const w = await world()
    const { access_token } = await login(w)
    for (const method of ['GET', 'POST']) {
      const reply = await ask(w, bearer(access_token!), method)
      expect([reply.headers.get('cache-control'), await reply.json()]).toEqual(['no-store', { sub: 'user-1', name: 'Ada' }])
    }
    expect(await (await ask(w, bearer((await login(w, ['openid'])).access_token!))).json()).toEqual({ sub: 'user-1' })
  })

  it('F18 refuses a token without openid, a client’s own, a revoked, an expired and an ID token', async () => {
    const w = await world()
    const service = { grant_type: 'client_credentials', client_id: 'service', client_secret: SECRET, scope: 'accounts' }
    const own = (await w.post('/token', service)).body.access_token
    const plain = (await login(w, ['accounts'])).access_token!
    for (const token of [own, plain]) {
      const reply = await ask(w, bearer(token))
      expect([reply.status, reply.headers.get('www-authenticate')]).toEqual([403, expect.stringContaining('insufficient_scope')])
    }
    const { access_token, id_token, refresh_token } = await login(w)
    for (const token of [id_token!, refresh_token!, 'x']) expect((await ask(w, bearer(token))).status).toBe(401)
    const { access_token: late } = await login(w)
    await w.post('/revoke', { token: access_token! }, { headers: portal })
    expect((await ask(w, bearer(access_token!))).status).toBe(401)
    w.advance(300_000)
    expect((await ask(w, bearer(late!))).status).toBe(401)
    expect((await ask(w, {})).headers.get('www-authenticate')).toBe('Bearer')
  })

  it('T33 T35 a bound token needs its proof, of this very token, once', async () => {
    const w = await world()
    const [device, thief] = [await w.device(), await w.device()]
    const { access_token } = (await w.redeem(device, await w.code(device.id))).body
    const prove = (who: Device, o = {}) => who.proof(USERINFO, { method: 'GET', accessToken: access_token, ...o })
    const authorization = `DPoP ${access_token}`
    const dpop = await prove(device)
    expect((await ask(w, { authorization, dpop })).status).toBe(200)
    for (const headers of [
      { authorization, dpop },
      { authorization },
      { authorization: `Bearer ${access_token}`, dpop: await prove(device) },
      { authorization, dpop: await prove(thief) },
      { authorization, dpop: await prove(device, { accessToken: 'another' }) },
      { authorization, dpop: await prove(device, { method: 'POST' }) },
    ])
      expect((await ask(w, headers)).status).toBe(401)
  })

  it('RFC 8705 §3 a token bound to a certificate needs it on the connection', async () => {
    const certificate = new Uint8Array([48, 3, 1, 2, 3])
    const w = await world({
      context: ({ clients }) => ({
        clients: {
          ...clients,
          find: async (id) => {
            const client = await clients.find(id)
            return client && { ...client, certificateBound: true }
          },
        },
      }),
    })
    const code = await w.code('portal', { redirectUri: REDIRECT, scope: ['openid'] })
    const body = new URLSearchParams({ grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT })
    const headers = { ...portal, 'content-type': 'application/x-www-form-urlencoded' }
    const host = { clientCertificate: certificate }
    const reply = await w.nodes[0]!.fetch(
      new Request(`${ISSUER}/token`, { method: 'POST', headers, body: body.toString() }),
      host,
    )
    const { access_token } = (await reply.json()) as { access_token: string }
    const cnf = JSON.parse(Buffer.from(access_token.split('.')[1]!, 'base64url').toString()).cnf
    expect(cnf).toEqual({ 'x5t#S256': createHash('sha256').update(certificate).digest('base64url') })
    expect((await ask(w, bearer(access_token), 'GET', host)).status).toBe(200)
    expect((await ask(w, bearer(access_token))).status).toBe(401)
    expect((await ask(w, { ...bearer(access_token), 'client-cert': ':MAMBAgM=:' })).status).toBe(401)
  })

  it('a claims port that throws is a 503, and says nothing', async () => {
    const w = await world({
      context: () => ({
        claims: async ({ at }) => {
          if (at === 'userinfo') throw new Error('the directory says hunter2')
          return {}
        },
      }),
    })
    const reply = await ask(w, bearer((await login(w)).access_token!))
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await reply.text()).not.toContain('hunter2')
  })
})
