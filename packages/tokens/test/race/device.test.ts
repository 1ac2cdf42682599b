import { slowStore } from '@postern/testkit/latency'
import type { Decided } from '@postern/tokens/device'
import { describe, expect, it } from 'vitest'
import { type DeviceWorld, deviceWorld, granted } from '../waiting.js'
import type { Answer } from '../world.js'

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const slow = (ms: number): Promise<DeviceWorld> =>
  deviceWorld({ wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })
const fifty = <T>(run: (i: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: 50 }, (_, i) => run(i)))
const errors = (answers: readonly Answer[]): Set<string> =>
  new Set(answers.map(({ status, body }) => (status === 200 ? 'tokens' : body.error)))
const denied = { outcome: 'denied', subject: 'user-1' } as const

describe.each([0, 2, 10])('with %i ms a store call, two nodes', (ms) => {
  it('T39 fifty users race for one code: one has it', async () => {
    const w = await slow(ms)
    const { user_code } = (await w.begin()).body
    const claims = await fifty((i) => w.claim(user_code, { subject: `user-${i}`, node: i % 2 }).catch(({ code }) => code))
    expect(claims.filter((claim) => typeof claim !== 'string')).toHaveLength(1)
    expect(new Set(claims.filter((claim) => typeof claim === 'string'))).toEqual(new Set(['user_code.invalid']))
  })

  it('T39 fifty guesses of one user at once: five are looked up', async () => {
    const w = await slow(ms)
    const tries = await fifty((i) => w.claim('BBBB-BBBB', { node: i % 2 }).catch(({ code }) => code))
    expect(tries.filter((code) => code === 'user_code.invalid')).toHaveLength(5)
    expect(tries.filter((code) => code === 'user_code.limited')).toHaveLength(45)
  })

  it('fifty yes and no and fifty polls: one terminal state, one answer to all, one grant at most', async () => {
    const w = await slow(ms)
    const { device_code, user_code } = (await w.begin()).body
    const { id } = await w.claim(user_code)
    const [decided, polled] = await Promise.all([
      fifty((i) => w.decide(id, i % 3 === 0 ? denied : granted(), i % 2)),
      fifty((i) => w.poll(device_code, { node: i % 2 })),
    ])
    expect(decided.filter(({ first }) => first)).toHaveLength(1)
    expect(new Set(decided.map(({ status }) => status)).size).toBe(1)
    const { status } = decided.find(({ first }) => first) as Decided
    const won = status === 'approved' ? 'tokens' : 'access_denied'
    const early = errors(polled)
    early.delete('slow_down')
    expect(early.size).toBe(1)
    expect(['authorization_pending', won]).toContain([...early][0])
    const later: Answer[] = []
    for (let round = 0; round < 3; round++) {
      w.advance(110_000)
      later.push(...(await fifty((i) => w.poll(device_code, { node: i % 2 }))))
    }
    const tokens = [...polled, ...later].filter((answer) => answer.status === 200)
    expect(tokens).toHaveLength(status === 'approved' ? 1 : 0)
    expect(errors(later).has('authorization_pending')).toBe(false)
    if (status === 'denied') expect(errors(later)).toEqual(new Set(['access_denied', 'slow_down']))
  })

  it('T02 fifty polls of what was approved, however often: one 200, and whoever comes after ends its family', async () => {
    const w = await slow(ms)
    const { device_code, user_code } = (await w.begin()).body
    await w.decide((await w.claim(user_code)).id, granted())
    const answers = await fifty((i) => w.poll(device_code, { node: i % 2 }))
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect(errors(answers)).toEqual(new Set(['tokens', 'slow_down']))
    expect((await w.introspect(won[0]!.body.access_token)).body.active).toBe(true)
    w.advance(110_000)
    expect(errors(await fifty((i) => w.poll(device_code, { node: i % 2 })))).toEqual(new Set(['invalid_grant', 'slow_down']))
    expect((await w.introspect(won[0]!.body.access_token)).body.active).toBe(false)
  })
})
