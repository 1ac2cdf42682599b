import { faultyStore } from '@postern/testkit/faulty'
import { deliver } from '@postern/tokens/ciba'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cibaWorld, deviceWorld, granted } from '../waiting.js'
import type { WorldOptions } from '../world.js'

const numRuns = Number(process.env.POSTERN_RUNS ?? 60)
const denied = { outcome: 'denied', subject: 'user-1' } as const
const settled = async <T>(work: readonly Promise<T>[]): Promise<readonly T[]> =>
  (await Promise.allSettled(work)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))

/** A store that lies while `lying.on`. */
function liar(seed: number, lying: { on: boolean }): NonNullable<WorldOptions['wrap']> {
  return (store) => {
    const faulty = faultyStore(store, {
      seed,
      plan: { delay: 0.1, dropBefore: 0.1, dropAfter: 0.1, late: 0.1, duplicate: 0.1 },
    })
    return {
      ...store,
      commit: (...a) => (lying.on ? faulty : store).commit(...a),
      read: (...a) => (lying.on ? faulty : store).read(...a),
    }
  }
}

describe('under a lying network', () => {
  it('a device grant has one claimer, one terminal state and one redemption, and nobody was told otherwise', () =>
    fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const lying = { on: false }
        const w = await deviceWorld({ wrap: liar(seed, lying) })
        const { device_code, user_code } = (await w.begin()).body
        lying.on = true
        const claims = await settled([0, 1, 2, 3].map((i) => w.claim(user_code, { subject: `user-${i % 2}`, node: i % 2 })))
        lying.on = false
        const id = claims[0]?.id ?? (await w.claim(user_code, { subject: 'user-1' }).catch(() => null))?.id
        if (id === undefined) return
        lying.on = true
        const yes = ['user-0', 'user-1'].flatMap((subject) => [granted({ subject }), { outcome: 'denied', subject } as const])
        const decided = await settled(yes.map((decision, i) => w.decide(id, decision, i % 2)))
        const polls = await settled([0, 1, 0, 1].map((node) => w.poll(device_code, { node })))
        lying.on = false
        expect(decided.filter(({ first }) => first).length).toBeLessThanOrEqual(1)
        const states = new Set(decided.map(({ status }) => status))
        expect(states.size).toBeLessThanOrEqual(1)
        const later = []
        for (let round = 0; round < 2; round++) {
          w.advance(110_000)
          later.push(await w.poll(device_code))
        }
        const answers = [...polls, ...later]
        expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
        if (states.has('denied')) expect(later.map(({ body }) => body.error)).toEqual(['access_denied', 'access_denied'])
        if (states.has('approved')) expect(later.map(({ body }) => body.error)).not.toContain('access_denied')
        expect(answers.every(({ status }) => [200, 400, 503].includes(status))).toBe(true)
      }),
      { numRuns },
    ))

  it('a push brings one refresh token, however often, or none at all', () =>
    fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const lying = { on: false }
        const sent: Record<string, string>[] = []
        let takes = false
        const fetch = async (_: unknown, init?: RequestInit): Promise<Response> => {
          sent.push(JSON.parse(init!.body as string))
          return new Response(null, { status: takes ? 204 : 500 })
        }
        const w = await cibaWorld({
          wrap: liar(seed, lying),
          context: (context) => ({ runtime: { ...context.runtime, fetch } }),
        })
        await w.begin({ client_id: 'pushed' })
        lying.on = true
        const decided = await settled([granted(), denied, granted()].map((decision, i) => w.decide(decision, { node: i % 2 })))
        for (let i = 0; i < 3; i++) {
          await settled([0, 1].map((node) => deliver(w.contexts[node]!)))
          w.advance(40_000)
        }
        lying.on = false
        takes = true
        w.advance(80_000)
        await deliver(w.contexts[0]!)
        await deliver(w.contexts[1]!)
        expect(decided.filter(({ first }) => first).length).toBeLessThanOrEqual(1)
        expect(new Set(decided.map(({ status }) => status)).size).toBeLessThanOrEqual(1)
        expect(new Set(sent.map(({ refresh_token, error }) => refresh_token ?? error)).size).toBeLessThanOrEqual(1)
        if (decided.some(({ first }) => first)) expect(sent.length).toBeGreaterThan(0)
        if (sent.length > 0 && decided.length > 0) expect('error' in sent[0]!).toBe(decided[0]!.status === 'denied')
        expect(await w.inner.outbox!({ now: w.now(), after: 'e/~', limit: 10 })).toEqual([])
      }),
      { numRuns },
    ))
})
