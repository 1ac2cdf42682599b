import { attackKinds, type SimulatedLogin, simulateLogins } from '@postern/testkit/logins'
import { expect, it } from 'vitest'

const start = Date.UTC(2026, 9, 1)
const run = (o: Partial<Parameters<typeof simulateLogins>[0]> = {}): readonly SimulatedLogin[] => [
  ...simulateLogins({ seed: 1, users: 60, days: 14, start, ...o }),
]

it('the same seed gives the same stream, another seed another', () => {
  expect(run()).toEqual(run())
  expect(run({ seed: 2 })).not.toEqual(run())
})

it('the stream ascends in time within a day and stays within its days', () => {
  const all = run({ attack: { kind: 'spraying', day: 3 } })
  const dayOf = (s: SimulatedLogin) => Math.floor((s.facts.at - start) / 86_400_000)
  for (const [i, s] of all.entries())
    if (i > 0 && dayOf(s) === dayOf(all[i - 1]!)) expect(s.facts.at).toBeGreaterThanOrEqual(all[i - 1]!.facts.at)
  expect(all[0]!.facts.at).toBeGreaterThanOrEqual(start)
})

it('failures before a try are counted for the subject, and a success ends them', () => {
  const failures = new Map<string, number>()
  for (const { facts, outcome } of run({ attack: { kind: 'stolen-phone', day: 7 } })) {
    expect(facts.failuresBefore).toBe(failures.get(facts.subject) ?? 0)
    failures.set(facts.subject, outcome === 'success' ? 0 : facts.failuresBefore + 1)
  }
})

it('without an attack nobody attacks, and an attack changes no honest login', () => {
  const quiet = run()
  expect(quiet.every(({ truth }) => truth.attack === null)).toBe(true)
  const honest = run({
    attack: [
      { kind: 'stuffing', day: 5 },
      { kind: 'naive', day: 9 },
    ],
  }).filter(({ truth }) => truth.attack === null)
  expect(honest.map(({ facts }) => ({ ...facts, failuresBefore: 0 }))).toEqual(
    quiet.map(({ facts }) => ({ ...facts, failuresBefore: 0 })),
  )
})

it.each(attackKinds)('%s happens on its day, with its truth told apart from its facts', (kind) => {
  const attack = run({ attack: { kind, day: 6, victims: 10 } }).filter(({ truth }) => truth.attack !== null)
  expect(new Set(attack.map(({ facts }) => facts.subject)).size).toBe(10)
  for (const { facts, truth } of attack) {
    expect(truth.attack).toBe(kind)
    expect(facts.at - start).toBeGreaterThanOrEqual(6 * 86_400_000)
    expect(JSON.stringify(Object.keys(facts))).not.toContain('truth')
  }
})

it('most logins succeed, weekends are quieter, and every fact is in range', () => {
  const all = run({ users: 200, days: 28 })
  expect(all.filter(({ outcome }) => outcome === 'success').length / all.length).toBeGreaterThan(0.9)
  const perDay = new Map<number, number>()
  for (const { facts } of all) perDay.set(new Date(facts.at).getUTCDay(), (perDay.get(new Date(facts.at).getUTCDay()) ?? 0) + 1)
  expect(perDay.get(0)!).toBeLessThan(perDay.get(2)! * 0.8)
  for (const { facts } of all) {
    expect(facts.ip.length).toBe(4)
    expect(Math.abs(facts.place.lat)).toBeLessThanOrEqual(90)
    expect(facts.deviceAgeDays).toBeGreaterThanOrEqual(0)
  }
})
