import { fromUtf8, utf8 } from '@postern/core/bytes'
import { newRev, type Store } from '@postern/store'
import { shipOutbox } from '@postern/store/outbox'
import { recordConsent } from '@postern/tokens/consent'
import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import { describe, expect, it } from 'vitest'
import { basic, REDIRECT, SECRET, VERIFIER, type World, type WorldOptions, world } from '../world.js'

const portal = { authorization: basic('portal', SECRET) }

async function login(w: World) {
  const code = await w.code('portal', { redirectUri: REDIRECT, scope: ['openid', 'accounts'], login: { sid: 'session1' } })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
  return (await w.post('/token', form, { headers: portal })).body as Record<string, string>
}
const refresh = (w: World, token: string) =>
  w.post('/token', { grant_type: 'refresh_token', refresh_token: token }, { headers: portal })
const placesOf = (w: World) => places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' })

describe('revocation', () => {
  it('F20 RFC 7009 a refresh token takes its access tokens along, whatever token_type_hint says', async () => {
    const w = await world()
    const { access_token, refresh_token } = await login(w)
    await w.post('/revoke', { token: refresh_token!, token_type_hint: 'access_token' }, { headers: portal })
    expect((await w.introspect(access_token!)).body.active).toBe(false)
    expect((await refresh(w, refresh_token!)).body.error).toBe('invalid_grant')
  })

  it('F20 RFC 7009 of a refresh token whose family has ended long ago is answered as that of any other: 200', async () => {
    const w = await world({ config: { lifetimes: { familySec: 3600 } } })
    const { refresh_token } = await login(w)
    w.advance(3_600_000)
    expect((await w.post('/revoke', { token: refresh_token! }, { headers: portal })).status).toBe(200)
    expect((await refresh(w, refresh_token!)).body.error).toBe('invalid_grant')
  })

  it('of a client of a user ends the consent it had, too', async () => {
    const w = await world()
    const [context] = w.contexts
    await recordConsent({ subject: 'user-1', clientId: 'portal' }, ['accounts'], context!)
    const owner = await placesOf(w).user('user-1')
    const key = await placesOf(w).consent('portal')
    expect((await w.inner.read(owner, [key], { now: w.now() }))[0]).not.toBeNull()
    await revoke({ owner, client: 'portal' }, context!)
    expect((await w.inner.read(owner, [key], { now: w.now() }))[0]).toBeNull()
  })

  it('of a shared client ends its families at the next look-up, codes and its own tokens too', async () => {
    const w = await world({
      context: (context) => ({
        clients: {
          ...context.clients,
          find: async (id) => {
            const client = await context.clients.find(id)
            const part = places({ keys: context.keys, crypto: context.runtime.crypto, tenant: 't1' }).client(id)
            const [rec] = await context.runtime.store.read(part, ['ep'], { now: context.runtime.clock() })
            return client?.kind === 'shared' ? { ...client, epoch: rec?.rev ?? null } : client
          },
        },
      }),
    })
    const { refresh_token } = await login(w)
    const next = (await refresh(w, refresh_token!)).body.refresh_token
    const code = await w.code('portal', { redirectUri: REDIRECT })
    await revoke({ client: 'portal' }, w.contexts[0]!)
    expect((await refresh(w, next)).body.error).toBe('invalid_grant')
    const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
    expect((await w.post('/token', form, { headers: portal })).body.error).toBe('invalid_grant')
    expect((await refresh(w, (await login(w)).refresh_token!)).status).toBe(200)
  })

  it('of a subject everywhere writes its status where its instances look, and nothing is left to do', async () => {
    const w = await world()
    const [context] = w.contexts
    const devices = [await w.device(), await w.device()]
    const tokens = await Promise.all(devices.map(async (one) => (await w.redeem(one, await w.code(one.id))).body))
    const { access_token } = await login(w)
    const user = await placesOf(w).user('user-1')
    const ops = [{ op: 'put', key: 'u', value: utf8('blocked'), rev: null }] as const
    await revoke({ subject: 'user-1', devices: devices.map(({ id }) => id), status: 'blocked', ops }, context!)
    expect(fromUtf8((await w.inner.read(user, ['u'], { now: w.now() }))[0]!.value)).toBe('blocked')
    const epoch = await placesOf(w).userEpoch('user-1')
    for (const [i, device] of devices.entries()) {
      const [rec] = await w.inner.read(placesOf(w).device(device.id), [epoch], { now: w.now() })
      expect(fromUtf8(rec!.value)).toBe('blocked')
      expect((await w.refresh(device, tokens[i].refresh_token)).body.error).toBe('invalid_grant')
      expect((await w.introspect(tokens[i].access_token)).body.active).toBe(false)
    }
    expect((await w.introspect(access_token!)).body.active).toBe(false)
    const left = await w.inner.outbox!({ now: w.now(), after: 'e/~', limit: 10 })
    expect(left).toEqual([])
  })

  it('of a subject everywhere goes with the host’s own change or not at all', async () => {
    const w = await world()
    const { access_token } = await login(w)
    const ops = [{ op: 'check', key: 'u', rev: newRev(w.contexts[0]!.runtime.random) }] as const
    await expect(revoke({ subject: 'user-1', devices: [], ops }, w.contexts[0]!)).rejects.toMatchObject({
      code: 'store.overloaded',
    })
    expect((await w.introspect(access_token!)).body.active).toBe(true)
  })

  /** Dies when it is struck and commits to one of these partitions: the user's own commit comes first. */
  function dying(at: () => readonly string[] = () => []): { readonly o: WorldOptions; heal(): void; strike(): void } {
    let mode: 'well' | 'struck' | 'dead' = 'well'
    const wrap = (store: Store): Store => ({
      ...store,
      async commit(part, ops, o) {
        if (mode === 'dead' && (at().length === 0 || at().includes(part.id) || part.id.startsWith('usr:')))
          throw new Error('the process is gone')
        if (mode === 'struck' && ops.some(({ key }) => key.startsWith('e/~revoke/'))) mode = 'dead'
        return store.commit(part, ops, o)
      },
    })
    return { o: { wrap }, heal: () => (mode = 'well'), strike: () => (mode = 'struck') }
  }

  it('of a subject everywhere is finished by the sweep after a crash, and ends nothing that was granted since', async () => {
    const { o, heal, strike } = dying()
    const w = await world(o)
    const [context] = w.contexts
    const [one, two] = [await w.device(), await w.device()]
    const before = (await w.redeem(two, await w.code(two.id))).body
    strike()
    await expect(revoke({ subject: 'user-1', devices: [one.id, two.id] }, context!)).rejects.toThrow('gone')
    heal()
    expect((await w.refresh(two, before.refresh_token)).status).toBe(200)
    expect(await w.nodes[1]!.sweep(w.contexts[1]!)).toBe(1)
    expect((await w.introspect(before.access_token)).body.active).toBe(false)
    const after = (await w.redeem(two, await w.code(two.id))).body
    expect(await w.nodes[1]!.sweep(w.contexts[1]!)).toBe(0)
    expect((await w.refresh(two, after.refresh_token)).status).toBe(200)
  })

  it('what was done of it before the crash is not done again: who logged in since stays', async () => {
    let two = ''
    const { o, heal, strike } = dying(() => [`dev:${two}`])
    const w = await world(o)
    const [one, other] = [await w.device(), await w.device()]
    two = other.id
    const before = (await w.redeem(one, await w.code(one.id))).body
    strike()
    await expect(revoke({ subject: 'user-1', devices: [one.id, two] }, w.contexts[0]!)).rejects.toThrow('gone')
    heal()
    expect((await w.refresh(one, before.refresh_token)).body.error).toBe('invalid_grant')
    const since = (await w.redeem(one, await w.code(one.id))).body
    expect(await w.nodes[0]!.sweep(w.contexts[0]!)).toBe(1)
    expect((await w.refresh(one, since.refresh_token)).status).toBe(200)
  })

  it('of a subject everywhere, finished late, brings nothing back that was revoked in between', async () => {
    let two = ''
    const { o, heal, strike } = dying(() => [`dev:${two}`])
    const w = await world(o)
    const [context] = w.contexts
    const [one, other] = [await w.device(), await w.device()]
    two = other.id
    strike()
    await expect(revoke({ subject: 'user-1', devices: [one.id, two] }, context!)).rejects.toThrow('gone')
    heal()
    const since = (await w.redeem(one, await w.code(one.id))).body
    await revoke({ owner: placesOf(w).device(one.id), subject: 'user-1' }, context!)
    const ended = async () => [
      (await w.introspect(since.access_token)).body.active,
      (await w.refresh(one, since.refresh_token)).body.error,
    ]
    expect(await ended()).toEqual([false, 'invalid_grant'])
    expect(await w.nodes[0]!.sweep(w.contexts[0]!)).toBe(1)
    expect(await ended()).toEqual([false, 'invalid_grant'])
  })

  it('of a subject everywhere, half done, and called again: both lists are done', async () => {
    const { o, heal, strike } = dying()
    const w = await world(o)
    const [context] = w.contexts
    const [one, two] = [await w.device(), await w.device()]
    const tokens = await Promise.all([one, two].map(async (device) => (await w.redeem(device, await w.code(device.id))).body))
    strike()
    await expect(revoke({ subject: 'user-1', devices: [one.id], status: 'blocked' }, context!)).rejects.toThrow('gone')
    heal()
    await revoke({ subject: 'user-1', devices: [two.id], status: 'active' }, context!)
    for (const { access_token } of tokens) expect((await w.introspect(access_token)).body.active).toBe(false)
    const [rec] = await w.inner.read(placesOf(w).device(one.id), [await placesOf(w).userEpoch('user-1')], { now: w.now() })
    expect(fromUtf8(rec!.value)).toBe('active')
  })

  it('what is left of one is no event, and the shipping of events passes it by', async () => {
    const { o, heal, strike } = dying()
    const w = await world(o)
    strike()
    await expect(revoke({ subject: 'user-1', devices: ['i1'] }, w.contexts[0]!)).rejects.toThrow('gone')
    heal()
    await shipOutbox(w.inner, () => undefined, { now: w.now() })
    expect((await w.inner.outbox!({ now: w.now(), limit: 10 })).map(({ key }) => key.slice(0, 10))).toEqual(['e/~revoke/'])
  })
})
