import { slowStore } from '@postern/testkit/latency'
import { clientsInStore } from '@postern/tokens/clientStore'
import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import { describe, expect, it } from 'vitest'
import { exchangeAs, exchangingWorld, LEDGER, portalTokens } from '../exchanging.js'
import {
  type Answer,
  basic,
  type Device,
  ISSUER,
  REDIRECT,
  SECRET,
  VERIFIER,
  type World,
  type WorldOptions,
  world,
} from '../world.js'

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const at = (ms: number): Pick<WorldOptions, 'wrap'> => ({ wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })
const slow = (ms: number): Promise<World> => world(at(ms))
const portal = { authorization: basic('portal', SECRET) }

/** Someone with a family: an app instance, or the portal for its user. */
interface Holder {
  readonly family: Record<string, string>
  refresh(token: string, node: number): Promise<Answer>
  code(sid?: string): Promise<string>
  redeem(code: string, node: number): Promise<Answer>
  revokeToken(token: string): Promise<Answer>
  readonly device?: Device
}
async function instance(w: World): Promise<Holder> {
  const device = await w.device()
  return {
    family: (await w.redeem(device, await w.code(device.id))).body,
    device,
    refresh: (token, node) => w.refresh(device, token, node),
    code: () => w.code(device.id),
    redeem: (code, node) => w.redeem(device, code, node),
    revokeToken: async (token) =>
      w.post('/revoke', { client_id: device.id, token }, { headers: { dpop: await device.proof(`${ISSUER}/revoke`) } }),
  }
}
async function shared(w: World): Promise<Holder> {
  const code = (sid = 'session1') => w.code('portal', { redirectUri: REDIRECT, login: { sid } })
  const redeem = (code: string, node: number) => w.post('/token', { ...REDEEM, code }, { node, headers: portal })
  return {
    family: (await redeem(await code(), 0)).body,
    code,
    redeem,
    refresh: (token, node) => w.post('/token', { grant_type: 'refresh_token', refresh_token: token }, { node, headers: portal }),
    revokeToken: (token) => w.post('/revoke', { token }, { headers: portal }),
  }
}
const REDEEM = { grant_type: 'authorization_code', code_verifier: VERIFIER, redirect_uri: REDIRECT }

type Aim = (w: World, holder: Holder) => Promise<unknown>
const partsOf = (w: World) => places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' })
const revokeIt = (w: World, target: Parameters<typeof revoke>[0]) => revoke(target, w.contexts[1]!)
const userOf = (w: World) => partsOf(w).user('user-1')

const rows: readonly (readonly [string, (w: World) => Promise<Holder>, Aim])[] = [
  ['its refresh token', instance, (_w, holder) => holder.revokeToken(holder.family.refresh_token!)],
  ['the instance', instance, (w, { device }) => revokeIt(w, { owner: partsOf(w).device(device!.id) })],
  [
    'the user on the instance',
    instance,
    (w, { device }) => revokeIt(w, { owner: partsOf(w).device(device!.id), subject: 'user-1' }),
  ],
  ['the subject everywhere', instance, (w, { device }) => revokeIt(w, { subject: 'user-1', devices: [device!.id] })],
  ['its refresh token, of a shared client', shared, (_w, holder) => holder.revokeToken(holder.family.refresh_token!)],
  ['the user', shared, async (w) => revokeIt(w, { owner: await userOf(w) })],
  ['the client of the user', shared, async (w) => revokeIt(w, { owner: await userOf(w), client: 'portal' })],
  ['the session', shared, async (w) => revokeIt(w, { owner: await userOf(w), sid: 'session1' })],
  ['the subject everywhere, of a shared client', shared, (w) => revokeIt(w, { subject: 'user-1', devices: [] })],
]

describe.each([0, 2, 10])('T17 with %i ms a store call, two nodes: 50 refreshes against the revocation of', (ms) => {
  it.each(rows)('%s', async (_what, make, aim) => {
    const w = await slow(ms)
    const holder = await make(w)
    const { refresh_token } = holder.family
    const late: Promise<Answer>[] = []
    const racing = Array.from({ length: 40 }, async (_, i) => {
      await sleep((i * (ms + 1)) / 10)
      return holder.refresh(refresh_token!, i % 2)
    })
    await sleep(ms)
    await aim(w, holder)
    for (let i = 0; i < 10; i++) late.push(holder.refresh(refresh_token!, i % 2))
    // Nobody who began after it gets anything, and nothing that anybody got is worth anything.
    for (const { status, body } of await Promise.all(late)) expect([status, body.error]).toEqual([400, 'invalid_grant'])
    const answers = await Promise.all(racing)
    for (const { status, body } of answers) if (status !== 200) expect(body.error).toBe('invalid_grant')
    for (const { body } of answers.filter(({ status }) => status === 200)) {
      expect((await w.introspect(body.access_token)).body.active).toBe(false)
      expect((await holder.refresh(body.refresh_token, 0)).body.error).toBe('invalid_grant')
    }
  })
})

describe.each([0, 2, 10])('T17 with %i ms a store call, two nodes: 50 codes redeemed against the revocation of', (ms) => {
  it.each(rows.filter(([what]) => !what.startsWith('its')))('%s', async (_what, make, aim) => {
    const w = await slow(ms)
    const holder = await make(w)
    const codes = await Promise.all(Array.from({ length: 50 }, () => holder.code()))
    const racing = codes.slice(10).map(async (code, i) => {
      await sleep((i * (ms + 1)) / 10)
      return holder.redeem(code, i % 2)
    })
    await sleep(ms)
    await aim(w, holder)
    for (const { status, body } of await Promise.all(codes.slice(0, 10).map((code, i) => holder.redeem(code, i % 2))))
      expect([status, body.error]).toEqual([400, 'invalid_grant'])
    for (const { status, body } of await Promise.all(racing)) {
      if (status !== 200) expect(body.error).toBe('invalid_grant')
      else expect((await w.introspect(body.access_token)).body.active).toBe(false)
    }
    // Who logs in again goes on.
    expect((await holder.redeem(await holder.code('session2'), 0)).status).toBe(200)
  })
})

describe.each([0, 2, 10])('T17 with %i ms a store call, two nodes', (ms) => {
  it('50 exchanges of an access token against the revocation of it alone: what they brought ends with it, its family lives', async () => {
    const w = await exchangingWorld(at(ms))
    const { access_token, refresh_token } = await portalTokens(w)
    const racing = Array.from({ length: 40 }, async (_, i) => {
      await sleep((i * (ms + 1)) / 10)
      return exchangeAs(w, 'api', access_token!, { resource: LEDGER }, i % 2)
    })
    await sleep(ms)
    expect((await w.post('/revoke', { token: access_token! }, { headers: portal })).status).toBe(200)
    for (let i = 0; i < 10; i++) expect((await exchangeAs(w, 'api', access_token!, { resource: LEDGER }, i % 2)).status).toBe(400)
    const answers = await Promise.all(racing)
    for (const { body } of answers.filter(({ status }) => status === 200)) {
      const told = await w.post(
        '/introspect',
        { token: body.access_token },
        { headers: { authorization: basic('ledger', SECRET) } },
      )
      expect(told.body.active).toBe(false)
    }
    const form = { grant_type: 'refresh_token', refresh_token: refresh_token! }
    expect((await w.post('/token', form, { headers: portal })).status).toBe(200)
  })

  it('50 refreshes against the revocation of their shared client: ten seconds later none of its families lives', async () => {
    const w = await world({
      ...at(ms),
      context: ({ runtime, tenant, keys }) => ({
        clients: clientsInStore({ runtime, tenant, keys, admit: async () => ({ scope: ['openid', 'accounts'] }) }),
      }),
    })
    const body = JSON.stringify({
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code', 'refresh_token'],
      client_name: 'RP',
    })
    const request = { method: 'POST', body, headers: { 'content-type': 'application/json' } }
    const registered = (await (await w.nodes[0]!.fetch(new Request(`${ISSUER}/register`, request))).json()) as Record<
      string,
      string
    >
    const { client_id: id, client_secret } = registered
    const headers = { authorization: basic(id!, client_secret!) }
    const post = (form: Record<string, string>, node: number) => w.post('/token', form, { node, headers })
    const early = await w.code(id!, { redirectUri: REDIRECT })
    const { refresh_token } = (await post({ ...REDEEM, code: await w.code(id!, { redirectUri: REDIRECT }) }, 0)).body
    const refresh = (token: string, node: number) => post({ grant_type: 'refresh_token', refresh_token: token }, node)
    const racing = Array.from({ length: 50 }, async (_, i) => {
      await sleep((i * (ms + 1)) / 10)
      return refresh(refresh_token, i % 2)
    })
    await sleep(ms)
    await revoke({ client: id! }, w.contexts[1]!)
    const answers = await Promise.all(racing)
    w.advance(10_000)
    for (const token of [refresh_token, ...answers.flatMap((answer) => answer.body.refresh_token ?? [])])
      for (const node of [0, 1]) expect((await refresh(token, node)).body.error).toBe('invalid_grant')
    expect((await post({ ...REDEEM, code: early }, 1)).body.error).toBe('invalid_grant')
    expect((await post({ ...REDEEM, code: await w.code(id!, { redirectUri: REDIRECT }) }, 1)).status).toBe(200)
  })
})
