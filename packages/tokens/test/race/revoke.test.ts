import { slowStore } from '@postern/testkit/latency'
import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import { describe, expect, it } from 'vitest'
import { type Answer, basic, type Device, ISSUER, REDIRECT, SECRET, VERIFIER, type World, world } from '../world.js'

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const slow = (ms: number): Promise<World> => world({ wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })
const portal = { authorization: basic('portal', SECRET) }

/** Someone with a family: an app instance, or the portal for its user. */
interface Holder {
  readonly family: Record<string, string>
  refresh(token: string, node: number): Promise<Answer>
  revokeToken(token: string): Promise<Answer>
  readonly device?: Device
}
async function instance(w: World): Promise<Holder> {
  const device = await w.device()
  return {
    family: (await w.redeem(device, await w.code(device.id))).body,
    device,
    refresh: (token, node) => w.refresh(device, token, node),
    revokeToken: async (token) =>
      w.post('/revoke', { client_id: device.id, token }, { headers: { dpop: await device.proof(`${ISSUER}/revoke`) } }),
  }
}
async function shared(w: World): Promise<Holder> {
  const code = await w.code('portal', { redirectUri: REDIRECT, login: { sid: 'session1' } })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
  return {
    family: (await w.post('/token', form, { headers: portal })).body,
    refresh: (token, node) => w.post('/token', { grant_type: 'refresh_token', refresh_token: token }, { node, headers: portal }),
    revokeToken: (token) => w.post('/revoke', { token }, { headers: portal }),
  }
}

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
