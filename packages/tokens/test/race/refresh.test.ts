import { slowStore } from '@postern/testkit/latency'
import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import { describe, expect, it } from 'vitest'
import { type Answer, type World, world } from '../world.js'

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const slow = (ms: number): Promise<World> => world({ wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })
const successors = (answers: readonly Answer[]): Set<string> => new Set(answers.map(({ body }) => body.refresh_token))
const fifty = <T>(run: (i: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: 50 }, (_, i) => run(i)))

describe.each([0, 2, 10])('with %i ms a store call, two nodes', (ms) => {
  it('T01 T02 code replay, 50 parallel: exactly one 200, and the family is revoked', async () => {
    const w = await slow(ms)
    const device = await w.device()
    const code = await w.code(device.id)
    const answers = await fifty((i) => w.redeem(device, code, i % 2))
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect(new Set(answers.filter((a) => a.status !== 200).map((a) => `${a.status} ${a.body.error}`))).toEqual(
      new Set(['400 invalid_grant']),
    )
    expect((await w.refresh(device, won[0]!.body.refresh_token)).body.error).toBe('invalid_grant')
    expect((await w.introspect(won[0]!.body.access_token)).body).toEqual({ active: false })
  })

  it('F67 T16 refresh race, 50 parallel with one token: all 200 with one successor; none after the grace', async () => {
    const w = await slow(ms)
    const device = await w.device()
    const first = await w.redeem(device, await w.code(device.id))
    const answers = await fifty((i) => w.refresh(device, first.body.refresh_token, i % 2))
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200))
    expect(successors(answers).size).toBe(1)
    const [successor] = successors(answers)
    expect(successor).not.toBe(first.body.refresh_token)
    for (const { body } of answers.slice(0, 3)) expect((await w.introspect(body.access_token)).body.active).toBe(true)
    w.advance(3_600_001)
    const late = await fifty((i) => w.refresh(device, first.body.refresh_token, i % 2))
    expect(new Set(late.map(({ status }) => status))).toEqual(new Set([400]))
  })

  it('T17 refresh against revoke: once revoke has answered, no token issued later is active', async () => {
    const w = await slow(ms)
    const device = await w.device()
    const { body } = await w.redeem(device, await w.code(device.id))
    let token: string = body.refresh_token
    const issued: string[] = []
    let revoked = false
    const refreshing = (async () => {
      while (!revoked) {
        // A memory store answers without ever letting a timer run.
        await sleep(0)
        const answers = await Promise.all([w.refresh(device, token, 0), w.refresh(device, token, 1)])
        for (const answer of answers) if (answer.status === 200) issued.push(answer.body.access_token)
        token = answers.find((answer) => answer.status === 200)?.body.refresh_token ?? token
      }
    })()
    await sleep(5 + 2 * ms)
    const dpop = await device.proof(`${w.contexts[0]!.issuer}/revoke`)
    const reply = await w.post('/revoke', { client_id: device.id, token: body.refresh_token }, { headers: { dpop } })
    expect(reply.status).toBe(200)
    revoked = true
    await refreshing
    expect(issued.length).toBeGreaterThan(0)
    for (const access of issued.slice(-4)) expect((await w.introspect(access)).body.active).toBe(false)
    expect((await w.refresh(device, token)).body.error).toBe('invalid_grant')
  })
})

describe('one family', () => {
  it('T15 a refresh token reused after its successor was used kills the family', async () => {
    const w = await world()
    const device = await w.device()
    const first = (await w.redeem(device, await w.code(device.id))).body
    const second = (await w.refresh(device, first.refresh_token)).body
    const third = (await w.refresh(device, second.refresh_token)).body
    expect(third.refresh_token).toBeTypeOf('string')
    expect((await w.refresh(device, first.refresh_token)).body.error).toBe('invalid_grant')
    expect((await w.refresh(device, third.refresh_token)).body.error).toBe('invalid_grant')
    expect((await w.introspect(third.access_token)).body.active).toBe(false)
  })

  it('F67 T15 a refresh token reused after the grace kills the family, its unused successor included', async () => {
    const w = await world()
    const device = await w.device()
    const first = (await w.redeem(device, await w.code(device.id))).body
    const second = (await w.refresh(device, first.refresh_token)).body
    w.advance(3_600_001)
    expect((await w.refresh(device, first.refresh_token)).status).toBe(400)
    expect((await w.refresh(device, second.refresh_token)).status).toBe(400)
  })

  it('F67 a lost reply and a retry give the same bytes, on another node too', async () => {
    const w = await world()
    const device = await w.device()
    const first = (await w.redeem(device, await w.code(device.id))).body
    const lost = await w.refresh(device, first.refresh_token, 0)
    w.advance(3_599_000)
    const again = await w.refresh(device, first.refresh_token, 1)
    expect(again.status).toBe(200)
    expect(again.body.refresh_token).toBe(lost.body.refresh_token)
    expect((await w.refresh(device, again.body.refresh_token)).status).toBe(200)
  })

  it('T18 a refresh token of one instance is nothing to another, and nothing happens to its family', async () => {
    const w = await world()
    const [one, two] = [await w.device(), await w.device()]
    const { refresh_token } = (await w.redeem(one, await w.code(one.id))).body
    expect((await w.refresh(two, refresh_token)).body.error).toBe('invalid_grant')
    expect((await w.token({ ...two, id: one.id }, { grant_type: 'refresh_token', refresh_token })).body.error).toBe(
      'invalid_dpop_proof',
    )
    expect((await w.refresh(one, refresh_token)).status).toBe(200)
  })

  it('T19 scope narrows the access token, never the family, and is never widened', async () => {
    const w = await world()
    const device = await w.device()
    const { refresh_token } = (await w.redeem(device, await w.code(device.id))).body
    expect((await w.refresh(device, refresh_token, 0, { scope: 'accounts payments' })).body.error).toBe('invalid_scope')
    const narrow = (await w.refresh(device, refresh_token, 0, { scope: 'accounts' })).body
    expect(narrow.scope).toBe('accounts')
    expect((await w.refresh(device, narrow.refresh_token)).body.scope).toBe('openid accounts')
  })

  it('every revocation by epoch ends the family and its access tokens', async () => {
    const w = await world()
    const [context] = w.contexts
    const { device: part } = places({ keys: w.keys, crypto: context!.runtime.crypto, tenant: 't1' })
    for (const aim of ['instance', 'user on it', 'everywhere'] as const) {
      const device = await w.device()
      const { refresh_token, access_token } = (await w.redeem(device, await w.code(device.id))).body
      const owner = part(device.id)
      if (aim === 'instance') await revoke({ owner }, context!)
      if (aim === 'user on it') await revoke({ owner, subject: 'user-1' }, context!)
      if (aim === 'everywhere') await revoke({ subject: 'user-1', devices: [device.id] }, context!)
      expect((await w.refresh(device, refresh_token)).body.error, aim).toBe('invalid_grant')
      expect((await w.introspect(access_token)).body.active, aim).toBe(false)
    }
  })
})
