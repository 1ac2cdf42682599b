import { slowStore } from '@postern/testkit/latency'
import { deliver } from '@postern/tokens/ciba'
import type { IssuerContext } from '@postern/tokens/issuer'
import { places } from '@postern/tokens/places'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Receiver, receiver } from '../receiver.js'
import { type CibaWorld, cibaWorld, granted } from '../waiting.js'
import type { Answer } from '../world.js'

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const fifty = <T>(run: (i: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: 50 }, (_, i) => run(i)))
const errors = (answers: readonly Answer[]): Set<string> =>
  new Set(answers.map(({ status, body }) => (status === 200 ? 'tokens' : body.error)))
const denied = { outcome: 'denied', subject: 'user-1' } as const

describe.each([0, 2, 10])('with %i ms a store call, two nodes', (ms) => {
  let to: Receiver
  beforeEach(async () => {
    to = await receiver()
  })
  afterEach(() => to.close())
  const slow = (): Promise<CibaWorld> =>
    cibaWorld({
      callbackUrl: to.url,
      wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })),
      context: (context) => ({ runtime: { ...context.runtime, fetch } }),
    })
  /** Node `i`, on which a decision is followed by its delivery at once. */
  const waiting = (w: CibaWorld, i: number, work: Promise<unknown>[]): IssuerContext => ({
    ...w.contexts[i % 2]!,
    host: { waitUntil: (one) => void work.push(one) },
  })

  it('T41 fifty yes and no and fifty polls: one terminal state, one answer to all, one grant at most', async () => {
    const w = await slow()
    const { auth_req_id } = (await w.begin()).body
    const [decided, polled] = await Promise.all([
      fifty((i) => w.decide(i % 3 === 0 ? denied : granted(), { node: i % 2 })),
      fifty((i) => w.poll(auth_req_id, { node: i % 2 })),
    ])
    expect(decided.filter(({ first }) => first)).toHaveLength(1)
    const [status, ...others] = new Set(decided.map((one) => one.status))
    expect(others).toEqual([])
    const later: Answer[] = []
    for (let round = 0; round < 2; round++) {
      w.advance(110_000)
      later.push(...(await fifty((i) => w.poll(auth_req_id, { node: i % 2 }))))
    }
    const tokens = [...polled, ...later].filter((answer) => answer.status === 200)
    expect(tokens).toHaveLength(status === 'approved' ? 1 : 0)
    expect(errors(later).has('authorization_pending')).toBe(false)
    if (status === 'denied') expect(errors(later)).toEqual(new Set(['access_denied', 'slow_down']))
  })

  it('fifty decisions and fifty sweeps: a ping is sent once', async () => {
    const w = await slow()
    const { auth_req_id } = (await w.begin({ client_id: 'pinged' })).body
    const work: Promise<unknown>[] = []
    await Promise.all([
      fifty((i) => w.decide(i % 2 === 0 ? denied : granted(), { context: waiting(w, i, work) })),
      fifty((i) => deliver(w.contexts[i % 2]!)),
    ])
    await Promise.all(work)
    await fifty((i) => deliver(w.contexts[i % 2]!))
    expect(to.received.map(({ body }) => JSON.parse(body))).toEqual([{ auth_req_id }])
  })

  it('fifty decisions and fifty sweeps of a push: one delivery, of one grant or one refusal', async () => {
    const w = await slow()
    await w.begin({ client_id: 'pushed' })
    const work: Promise<unknown>[] = []
    const decided = await fifty((i) => w.decide(i % 3 === 0 ? denied : granted(), { context: waiting(w, i, work) }))
    await Promise.all([...work, fifty((i) => deliver(w.contexts[i % 2]!))])
    expect(decided.filter(({ first }) => first)).toHaveLength(1)
    const [status, ...others] = new Set(decided.map((one) => one.status))
    expect(others).toEqual([])
    expect(to.received).toHaveLength(1)
    const sent = JSON.parse(to.received[0]!.body)
    expect('access_token' in sent).toBe(status === 'approved')
    const part = await places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' }).user('user-1')
    const standing = await w.inner.list(part, '', { now: w.now(), limit: 1000 })
    const count = (prefix: string): number => standing.filter(({ key }) => key.startsWith(prefix)).length
    expect([count('code/'), count('fam/'), count('e/~')]).toEqual(status === 'approved' ? [1, 1, 0] : [0, 0, 0])
  })

  it('a push that fails while two nodes sweep: however many tries, one refresh token', async () => {
    const w = await slow()
    await w.begin({ client_id: 'pushed' })
    await w.decide(granted())
    to.behave(500)
    for (let round = 0; round < 4; round++) {
      await fifty((i) => deliver(w.contexts[i % 2]!))
      w.advance(80_000)
    }
    to.behave(204)
    const delivered = await fifty((i) => deliver(w.contexts[i % 2]!))
    expect(delivered.reduce((sum, n) => sum + n)).toBe(1)
    expect(to.received).toHaveLength(5)
    expect(new Set(to.received.map(({ body }) => JSON.parse(body).refresh_token)).size).toBe(1)
  })
})
