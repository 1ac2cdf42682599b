import type { Client } from '@postern/tokens/clients'
import { usePermission } from '@postern/tokens/permission'
import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import { describe, expect, it } from 'vitest'
import {
  ACCESS_TOKEN,
  ARCHIVE,
  EXCHANGE,
  exchangeAs,
  exchangingClients,
  exchangingWorld,
  LEDGER,
  portalTokens,
  seenBy,
} from '../exchanging.js'
import { API, basic, REDIRECT, SECRET, VERIFIER, world } from '../world.js'

const wire = ({ status, body }: { status: number; body: { error?: string } }) => [status, body.error]

describe('token exchange', () => {
  it('a resource server gets a token for the one behind it, which says who acts', async () => {
    const w = await exchangingWorld()
    const { access_token } = await portalTokens(w)
    const answer = await exchangeAs(w, 'api', access_token!, { resource: LEDGER, scope: 'accounts' })
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      scope: 'accounts',
      expires_in: 300,
    })
    expect([answer.body.refresh_token, answer.body.id_token]).toEqual([undefined, undefined])
    expect(await seenBy(w, 'ledger', answer.body.access_token)).toMatchObject({
      active: true,
      sub: 'user-1',
      aud: LEDGER,
      client_id: 'api',
      act: { sub: 'api' },
      acr: 'level2',
      sid: 'session1',
    })
    const further = await exchangeAs(w, 'ledger', answer.body.access_token, { audience: ARCHIVE })
    expect(await seenBy(w, 'archive', further.body.access_token)).toMatchObject({
      scope: 'accounts',
      act: { sub: 'ledger', act: { sub: 'api' } },
    })
  })

  it('a client narrows its own token, and nobody acts for anybody', async () => {
    const w = await exchangingWorld()
    const { access_token } = await portalTokens(w)
    const { body } = await exchangeAs(w, 'portal', access_token!, { scope: 'accounts' })
    const seen = await seenBy(w, 'api', body.access_token)
    expect([seen.scope, seen.aud, seen.act]).toEqual(['accounts', API, undefined])
    expect((await exchangeAs(w, 'portal', access_token!)).body.scope).toBe('accounts payments')
  })

  it('an actor token names who acts', async () => {
    const w = await exchangingWorld()
    const { access_token } = await portalTokens(w)
    const own = { grant_type: 'client_credentials', scope: 'accounts', resource: LEDGER }
    const actor = (await w.post('/token', own, { headers: { authorization: basic('api', SECRET) } })).body.access_token
    const named = { actor_token: actor, actor_token_type: ACCESS_TOKEN, resource: LEDGER }
    expect(await seenBy(w, 'ledger', (await exchangeAs(w, 'api', access_token!, named)).body.access_token)).toMatchObject({
      act: { sub: 'api' },
    })
    // T45 a forged act: another's token is no name of one's own.
    const { access_token: users } = await portalTokens(w)
    const others = (await w.post('/token', { ...own, resource: API }, { headers: { authorization: basic('archive', SECRET) } }))
      .body.access_token
    for (const actor_token of [users!, others, 'x'])
      expect(wire(await exchangeAs(w, 'api', access_token!, { ...named, actor_token }))).toEqual([400, 'invalid_request'])
    expect(wire(await exchangeAs(w, 'api', access_token!, { actor_token: actor, resource: LEDGER }))).toEqual([
      400,
      'invalid_request',
    ])
  })

  it('T45 delegation loops and long chains are refused', async () => {
    const w = await exchangingWorld()
    let { access_token: token } = await portalTokens(w)
    token = (await exchangeAs(w, 'api', token!, { resource: LEDGER })).body.access_token
    token = (await exchangeAs(w, 'ledger', token!, { resource: API })).body.access_token
    expect(wire(await exchangeAs(w, 'api', token!, { resource: LEDGER }))).toEqual([400, 'invalid_request'])

    let narrow = (await portalTokens(w)).access_token!
    const statuses: number[] = []
    for (let depth = 1; depth <= 5; depth++) {
      const answer = await exchangeAs(w, 'portal', narrow)
      statuses.push(answer.status)
      narrow = answer.body.access_token ?? narrow
    }
    expect(statuses).toEqual([200, 200, 200, 200, 400])
  })

  it('F23 T45 an audience outside the client’s list, two different targets, and an unknown one are invalid_target', async () => {
    const w = await exchangingWorld()
    const { access_token } = await portalTokens(w)
    for (const target of [{ resource: ARCHIVE }, { audience: 'https://evil.example.com' }, { resource: LEDGER, audience: API }])
      expect(wire(await exchangeAs(w, 'portal', access_token!, target as Record<string, string>))).toEqual([
        400,
        'invalid_target',
      ])
  })

  it('T19 scope never exceeds the token, the client or the target', async () => {
    const w = await exchangingWorld()
    const { access_token } = await portalTokens(w, ['openid', 'offline_access', 'accounts', 'profile'])
    for (const scope of ['payments', 'accounts payments', 'profile', 'openid', 'offline_access'])
      expect(wire(await exchangeAs(w, 'api', access_token!, { resource: LEDGER, scope })), scope).toEqual([400, 'invalid_scope'])
    expect((await exchangeAs(w, 'api', access_token!, { resource: LEDGER })).body.scope).toBe('accounts')
    const { access_token: wide } = await portalTokens(w)
    expect(wire(await exchangeAs(w, 'api', wide!, { resource: ARCHIVE, scope: 'payments' }))).toEqual([400, 'invalid_scope'])
    expect((await exchangeAs(w, 'api', wide!, { resource: ARCHIVE })).body.scope).toBe('accounts')
  })

  it('life is no longer than what is left', async () => {
    const w = await exchangingWorld()
    const { access_token } = await portalTokens(w)
    w.advance(200_000)
    const { body } = await exchangeAs(w, 'api', access_token!, { resource: LEDGER })
    expect(body.expires_in).toBe(100)
    w.advance(100_000)
    expect((await seenBy(w, 'ledger', body.access_token)).active).toBe(false)
    expect(wire(await exchangeAs(w, 'api', access_token!, { resource: LEDGER }))).toEqual([400, 'invalid_request'])
  })

  it.each(['refresh token', 'access token', 'user', 'session', 'client of the user', 'exchanged token'] as const)(
    'T17 what comes of it dies with the %s',
    async (what) => {
      const w = await exchangingWorld()
      const [context] = w.contexts
      const { access_token, refresh_token } = await portalTokens(w)
      const first = (await exchangeAs(w, 'api', access_token!, { resource: LEDGER })).body.access_token
      const second = (await exchangeAs(w, 'ledger', first, { resource: ARCHIVE })).body.access_token
      for (const [id, token] of [
        ['ledger', first],
        ['archive', second],
      ])
        expect((await seenBy(w, id, token)).active).toBe(true)
      const owner = await places({ keys: w.keys, crypto: context!.runtime.crypto, tenant: 't1' }).user('user-1')
      const portal = { headers: { authorization: basic('portal', SECRET) } }
      if (what === 'refresh token') await w.post('/revoke', { token: refresh_token! }, portal)
      if (what === 'access token') await w.post('/revoke', { token: access_token! }, portal)
      if (what === 'user') await revoke({ owner }, context!)
      if (what === 'session') await revoke({ owner, sid: 'session1' }, context!)
      if (what === 'client of the user') await revoke({ owner, client: 'portal' }, context!)
      if (what === 'exchanged token')
        await w.post('/revoke', { token: first }, { headers: { authorization: basic('api', SECRET) } })
      expect((await seenBy(w, 'archive', second)).active).toBe(false)
      expect((await seenBy(w, 'ledger', first)).active).toBe(false)
      expect(wire(await exchangeAs(w, 'archive', second, { resource: ARCHIVE }))).toEqual([400, 'invalid_request'])
      expect((await seenBy(w, 'api', access_token!)).active).toBe(what === 'exchanged token')
    },
  )

  it('a token of another client, of no audience of the caller’s, is refused, as is anything that is no access token', async () => {
    const w = await exchangingWorld()
    const { access_token, refresh_token, id_token } = await portalTokens(w)
    for (const [id, token] of [
      ['stranger', access_token],
      ['ledger', access_token],
      ['api', refresh_token],
      ['api', id_token],
      ['api', 'x'],
    ])
      expect(wire(await exchangeAs(w, id!, token!, { resource: API }))).toEqual([400, 'invalid_request'])
    for (const more of [
      { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
    ])
      expect(wire(await exchangeAs(w, 'api', access_token!, { resource: LEDGER, ...more }))).toEqual([400, 'invalid_request'])
  })

  it('T33 a bound token needs its key, unless its audience exchanges it', async () => {
    const w = await exchangingWorld({
      context: (context) => ({
        clients: {
          ...context.clients,
          find: async (id) => {
            const client = await context.clients.find(id)
            return client?.kind === 'instance' ? { ...client, grantTypes: [...client.grantTypes, EXCHANGE] } : client
          },
        },
      }),
    })
    const [device, thief] = [await w.device(), await w.device()]
    const { access_token } = (await w.redeem(device, await w.code(device.id))).body
    const form = { grant_type: EXCHANGE, subject_token: access_token, subject_token_type: ACCESS_TOKEN }
    const narrow = await w.token(device, form)
    expect([narrow.status, narrow.body.token_type]).toEqual([200, 'DPoP'])
    expect(await seenBy(w, 'api', narrow.body.access_token)).toMatchObject({ active: true, cnf: { jkt: device.jkt } })
    expect(wire(await w.token(thief, form))).toEqual([400, 'invalid_request'])
    expect((await exchangeAs(w, 'api', access_token, { resource: LEDGER })).status).toBe(200)
    // A confidential client's bound token needs it, too: its secret alone is not the key.
    const key = await w.device({ register: false })
    const code = await w.code('portal', { redirectUri: REDIRECT, scope: ['accounts'] })
    const redeem = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
    const authorization = basic('portal', SECRET)
    const proved = async () => ({ authorization, dpop: await key.proof('https://id.example.com/t1/token') })
    const bound = (await w.post('/token', redeem, { headers: await proved() })).body.access_token
    const ofPortal = { ...form, subject_token: bound }
    expect(wire(await w.post('/token', ofPortal, { headers: { authorization } }))).toEqual([400, 'invalid_dpop_proof'])
    const strangers = { authorization, dpop: await thief.proof('https://id.example.com/t1/token') }
    expect(wire(await w.post('/token', ofPortal, { headers: strangers }))).toEqual([400, 'invalid_dpop_proof'])
    expect((await w.post('/token', ofPortal, { headers: await proved() })).status).toBe(200)
    // The proof is spent by it.
    const dpop = await device.proof('https://id.example.com/t1/token')
    const again = () => w.post('/token', { ...form, client_id: device.id }, { headers: { dpop } })
    expect([(await again()).status, (await again()).body.error]).toEqual([200, 'invalid_dpop_proof'])
  })

  it('T42 a public client is no resource server, whatever its record says: its name is no proof', async () => {
    const open = {
      id: 'open',
      auth: { method: 'none' },
      grantTypes: [EXCHANGE],
      scope: ['accounts'],
      resources: [LEDGER],
    } as const
    const w = await exchangingWorld({ clients: [...(await exchangingClients()), { ...open, introspects: [API] }] })
    const { access_token } = await portalTokens(w)
    const key = await w.device({ register: false })
    const form = { grant_type: EXCHANGE, client_id: 'open', subject_token: access_token!, subject_token_type: ACCESS_TOKEN }
    const headers = { dpop: await key.proof('https://id.example.com/t1/token') }
    expect(wire(await w.post('/token', { ...form, resource: LEDGER }, { headers }))).toEqual([400, 'invalid_request'])
  })

  it('T17 what comes of a client’s own token dies with the client’s epoch, however late it is issued', async () => {
    let between: (() => Promise<unknown>) | null = null
    const w = await exchangingWorld({
      context: () => ({
        exchange: async () => {
          await between?.()
          return { ok: true }
        },
      }),
    })
    const own = { grant_type: 'client_credentials', scope: 'accounts', resource: LEDGER }
    const first = (await w.post('/token', own, { headers: { authorization: basic('api', SECRET) } })).body.access_token
    between = async () => {
      await revoke({ client: 'api' }, w.contexts[0]!)
      w.advance(5000)
    }
    const { body } = await exchangeAs(w, 'api', first, { resource: LEDGER })
    const seen = await Promise.all([first, body.access_token].map((token) => seenBy(w, 'ledger', token)))
    expect(seen).toEqual([{ active: false }, { active: false }])
  })

  it.each(['revoked', 'removed'] as const)('T17 of a client that was %s, nothing more comes', async (what) => {
    let gone: Partial<Client> | null | undefined
    const w = await exchangingWorld({
      context: ({ clients }) => ({
        clients: {
          find: async (id) => {
            const client = await clients.find(id)
            return id === 'portal' && gone !== undefined && client !== null ? gone && { ...client, ...gone } : client
          },
        },
      }),
    })
    const { access_token } = await portalTokens(w)
    expect((await exchangeAs(w, 'api', access_token!, { resource: LEDGER })).status).toBe(200)
    gone = what === 'removed' ? null : { epoch: 'BBBBBBBBBBBBBBBB' }
    expect(wire(await exchangeAs(w, 'api', access_token!, { resource: LEDGER }))).toEqual([400, 'invalid_request'])
  })

  it('a host that writes into what it is shown changes no token', async () => {
    const w = await exchangingWorld({
      context: () => ({
        exchange: async ({ claims }) => {
          Object.assign(claims, { scope: 'admin', act: { sub: 'bank' } })
          return { ok: true }
        },
      }),
    })
    const { access_token } = await portalTokens(w)
    await exchangeAs(w, 'api', access_token!, { resource: LEDGER })
    const seen = await seenBy(w, 'api', access_token!)
    expect([seen.scope, seen.act]).toEqual(['openid accounts payments', undefined])
  })

  it('the host may take away and never give', async () => {
    let narrow: object = { scope: ['accounts', 'admin'], lifetimeSec: 60, acr: 'level1', kind: 'implicit' }
    const w = await exchangingWorld({
      config: { resources: { [API]: {}, [LEDGER]: { accessSec: 100 } } },
      context: () => ({ exchange: async () => ({ ok: true, narrow }) }),
    })
    const { access_token } = await portalTokens(w)
    const { body } = await exchangeAs(w, 'api', access_token!, { resource: LEDGER })
    expect([body.scope, body.expires_in]).toEqual(['accounts', 60])
    expect(await seenBy(w, 'ledger', body.access_token)).toMatchObject({ acr: 'level1', kind: 'implicit' })
    narrow = { lifetimeSec: 1e6 }
    expect((await exchangeAs(w, 'api', access_token!, { resource: LEDGER })).body.expires_in).toBe(100)
    for (narrow of [{ acr: 'level3' }, { acr: 'gold' }])
      expect(wire(await exchangeAs(w, 'api', access_token!, { resource: LEDGER }))).toEqual([500, 'server_error'])
  })

  it('the host refuses with a code of its own, and without its port there is no such grant', async () => {
    const no = await exchangingWorld({
      context: () => ({ exchange: async () => ({ ok: false, error: 'access_denied', code: 'policy.denied' }) }),
    })
    const refused = await exchangeAs(no, 'api', (await portalTokens(no)).access_token!, { resource: LEDGER })
    expect([refused.status, refused.body.error, refused.body.code]).toEqual([403, 'access_denied', 'policy.denied'])
    const absent = await world({ clients: await exchangingClients() })
    expect(wire(await exchangeAs(absent, 'api', 'x'))).toEqual([400, 'unsupported_grant_type'])
  })

  it('a recheck of the host’s cannot forge who acts', async () => {
    const w = await exchangingWorld({
      context: () => ({ recheck: async () => ({ ok: true, claims: { act: { sub: 'bank' } } }) }),
    })
    const { access_token } = await portalTokens(w)
    expect((await seenBy(w, 'api', access_token!)).act).toBeUndefined()
    const { body } = await exchangeAs(w, 'api', access_token!, { resource: LEDGER })
    expect((await seenBy(w, 'ledger', body.access_token)).act).toEqual({ sub: 'api' })
  })

  it('F68 what comes of a client’s own token goes on with its count', async () => {
    const w = await exchangingWorld({ config: { limitedUse: { accounts: 1 } } })
    const own = { grant_type: 'client_credentials', scope: 'accounts', resource: LEDGER }
    const first = (await w.post('/token', own, { headers: { authorization: basic('api', SECRET) } })).body.access_token
    const second = (await exchangeAs(w, 'api', first, { resource: LEDGER })).body.access_token
    const third = (await exchangeAs(w, 'api', second, { resource: LEDGER })).body.access_token
    expect(await usePermission({ token: third, permission: 'accounts' }, w.contexts[0]!)).toEqual({ used: 1, limit: 1 })
    for (const token of [first, second, third])
      await expect(usePermission({ token, permission: 'accounts' }, w.contexts[0]!)).rejects.toMatchObject({
        code: 'permission.spent',
      })
  })

  it('may_act is heeded', async () => {
    const w = await exchangingWorld({
      context: () => ({ recheck: async () => ({ ok: true, claims: { may_act: { sub: 'ledger' } } }) }),
    })
    const { access_token } = await portalTokens(w)
    expect(wire(await exchangeAs(w, 'api', access_token!, { resource: LEDGER }))).toEqual([400, 'invalid_request'])
  })
})
