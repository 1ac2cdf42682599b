import { simulateLogins } from '@postern/testkit/logins'
import { expect, it } from 'vitest'
import { prefixOf } from '../../src/network.js'
import { openVolume, reduceVolume, type Signal, type Volume, type WatchedEvent } from '../../src/volume.js'
import { id, key } from './scored.js'

const start = Date.UTC(2026, 9, 1)
const run = (events: Iterable<WatchedEvent>): readonly { signal: Signal; event: WatchedEvent }[] => {
  let v: Volume = openVolume({ key })
  const out: { signal: Signal; event: WatchedEvent }[] = []
  for (const event of events) {
    const { state, signals } = reduceVolume(v, event, event.at)
    v = state
    out.push(...signals.map((signal) => ({ signal, event })))
  }
  return out
}
const failure = (n: number, subject: string, third = 1): WatchedEvent => ({
  at: start + n * 10_000,
  outcome: 'failure',
  subject: id(subject),
  prefix: Uint8Array.of(192, 0, third),
})

it('five failures on one subject within the hour fire once, four do not', () => {
  expect(run(Array.from({ length: 4 }, (_, i) => failure(i, 'a', i)))).toEqual([])
  const fired = run(Array.from({ length: 30 }, (_, i) => failure(i, 'a', i)))
  // 5·ln(5/¼) − 5 + ¼ = 10.23 nats, 6·ln(24) − 5.75 = 13.32: the sixth is the first above 12
  expect(fired.map(({ signal }) => [signal.code, signal.count, signal.units])).toEqual([['brute.subject', 6, 13638]])
})

it('many subjects failing from one prefix fire; the same number from as many prefixes do not', () => {
  expect(run(Array.from({ length: 60 }, (_, i) => failure(i, `u${i}`))).map(({ signal }) => signal.code)).toEqual(['stuffing'])
  expect(run(Array.from({ length: 60 }, (_, i) => failure(i, `u${i}`, i)))).toEqual([])
})

it('successes and tries spread over hours are silent', () => {
  expect(run(Array.from({ length: 60 }, (_, i) => ({ ...failure(i, 'a'), outcome: 'success' as const })))).toEqual([])
  expect(run(Array.from({ length: 24 }, (_, i) => ({ ...failure(0, 'a'), at: start + i * 3_600_000 })))).toEqual([])
})

it('A23 clock games and nonsense are not counted, and nothing is thrown', () => {
  const v = openVolume({ key })
  for (const at of [Number.NaN, Number.POSITIVE_INFINITY, -1, start + 31_000])
    expect(reduceVolume(v, { ...failure(0, 'a'), at }, start)).toEqual({ state: v, signals: [] })
  const { state } = reduceVolume(v, failure(0, 'a'), start)
  expect(reduceVolume(state, { ...failure(0, 'a'), at: start - 301_000 }, start).state).toBe(state)
  expect(reduceVolume(state, { ...failure(0, 'a'), subject: null, prefix: null }, start).signals).toEqual([])
})

it('a handle that was used says so', () => {
  const v = openVolume({ key })
  reduceVolume(v, failure(0, 'a'), start)
  expect(() => reduceVolume(v, failure(1, 'a'), start + 10_000)).toThrow(/state/)
})

it('simulated stuffing is found while it runs, and a quiet fortnight of 200 users is nearly silent', () => {
  const watch = (attack: Parameters<typeof simulateLogins>[0]['attack'] = null) =>
    run(
      [...simulateLogins({ seed: 21, users: 200, days: 14, start, attack })].map(({ facts, outcome }) => ({
        at: facts.at,
        outcome,
        subject: id(facts.subject),
        prefix: prefixOf(facts.ip),
      })),
    )
  expect(watch().length).toBeLessThanOrEqual(2)
  const begin = start + 10 * 86_400_000 + 13 * 3_600_000
  const found = watch({ kind: 'stuffing', day: 10 }).filter(({ signal }) => signal.code === 'stuffing')
  expect(found.length).toBeGreaterThan(0)
  expect(found[0]!.event.at - begin).toBeLessThan(60 * 60_000)
  console.info(
    `stuffing: first signal ${Math.round((found[0]!.event.at - begin) / 60_000)} min after it began, 200 subjects in the hour`,
  )
})
