/// <reference types="node" />
import type { PosternError } from '@postern/core/errors'
import { describe, expect, it } from 'vitest'
import { type BatcherOptions, naturalBatcher, type Settled } from '../../src/internal/batch.js'
import { within } from '../../src/internal/timer.js'
import { sleep } from '../postgresServer.js'

interface Sent {
  readonly place: string
  readonly bytes: number
}

/** A batcher whose server answers when it is told to, and whose time passes when it is told to. */
function held(o: Partial<BatcherOptions<Sent, string>> = {}) {
  const flights: { batch: readonly Sent[]; land(error?: Error): void }[] = []
  const timers = new Set<{ task: () => void; delayMs: number }>()
  const batcher = naturalBatcher<Sent, string>({
    lanes: 1,
    maxBatch: 64,
    maxQueue: 100,
    maxWaitMs: 1000,
    timer(task, delayMs) {
      const timer = { task, delayMs }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    send: (batch) =>
      new Promise((resolve, reject) => {
        const outcomes = batch.map(({ place }): Settled<string> => ({ answer: place }))
        flights.push({ batch, land: (error) => (error ? reject(error) : resolve(outcomes)) })
      }),
    ...o,
  })
  /** Lets the timers of a delay run. */
  const pass = async (delayMs: number): Promise<void> => {
    for (const timer of [...timers].filter((one) => one.delayMs === delayMs)) {
      timers.delete(timer)
      timer.task()
    }
    await sleep(0)
  }
  return { ...batcher, flights, timers, turn: () => pass(0), tick: () => pass(1000) }
}
const one = (place: string, bytes = 0): Sent => ({ place, bytes })
const places = (batch: readonly Sent[]) => batch.map(({ place }) => place)

describe('natural batching', () => {
  it('an idle lane takes what the turn brought, and asks for no more time than that', async () => {
    const { push, flights, turn, timers } = held()
    void push(one('a'))
    void push(one('b'))
    expect([...timers].map(({ delayMs }) => delayMs)).toEqual([0])
    await turn()
    expect(flights.map(({ batch }) => places(batch))).toEqual([['a', 'b']])
  })

  it('what comes while all lanes are busy travels together', async () => {
    const { push, flights, turn } = held()
    void push(one('a'))
    await turn()
    for (const place of ['b', 'c', 'd']) void push(one(place))
    await turn()
    expect(flights).toHaveLength(1)
    flights[0]!.land()
    await sleep(0)
    await turn()
    expect(places(flights[1]!.batch)).toEqual(['b', 'c', 'd'])
  })

  it('a second lane leaves a partition alone that is under way on the first', async () => {
    const { push, flights, turn } = held({ lanes: 2 })
    void push(one('hot'))
    await turn()
    void push(one('hot'))
    void push(one('b'))
    await turn()
    expect(flights.map(({ batch }) => places(batch))).toEqual([['hot'], ['b']])
    flights[0]!.land()
    await sleep(0)
    await turn()
    expect(places(flights[2]!.batch)).toEqual(['hot'])
  })

  it('a batch closes at its number, and at its weight', async () => {
    const { push, flights, turn } = held({ lanes: 3, maxBatch: 2 })
    for (const place of ['a', 'b', 'c']) void push(one(place))
    await turn()
    expect(flights.map(({ batch }) => places(batch))).toEqual([['a', 'b'], ['c']])

    const heavy = held({ lanes: 3 })
    for (const place of ['a', 'b', 'c']) void heavy.push(one(place, 600_000))
    await heavy.turn()
    expect(heavy.flights.map(({ batch }) => places(batch))).toEqual([['a', 'b'], ['c']])
  })

  it('a full queue refuses at once, and has room again when a batch was taken', async () => {
    const { push, flights, turn } = held({ maxQueue: 2 })
    void push(one('a'))
    void push(one('b'))
    expect(() => push(one('c'))).toThrow('store.overloaded')
    await turn()
    expect(flights).toHaveLength(1)
    void push(one('c'))
  })

  it('what waited for a whole span between two ticks is refused, what came later goes on', async () => {
    const { push, flights, turn, tick } = held()
    const refused: string[] = []
    const note = (name: string) => (error: PosternError) => void refused.push(`${name} ${error.code}`)
    void push(one('a'))
    await turn()
    push(one('early')).catch(note('early'))
    await tick()
    push(one('late')).catch(note('late'))
    await tick()
    expect(refused).toEqual(['early store.overloaded'])
    flights[0]!.land()
    await sleep(0)
    await turn()
    expect(places(flights[1]!.batch)).toEqual(['late'])
  })

  it('with nothing waiting it leaves no timer behind', async () => {
    const { push, flights, turn, timers } = held()
    void push(one('a'))
    await turn()
    void push(one('b'))
    expect([...timers].map(({ delayMs }) => delayMs)).toEqual([1000])
    flights[0]!.land()
    await sleep(0)
    await turn()
    flights[1]!.land()
    await sleep(0)
    expect(timers.size).toBe(0)
  })

  it('a sender that throws fails its batch alone', async () => {
    const { push, flights, turn } = held()
    const answer = push(one('a')).catch((error: unknown) => error)
    await turn()
    flights[0]!.land(new Error('broken'))
    expect(await answer).toMatchObject({ message: 'broken' })
    const next = push(one('a'))
    await turn()
    flights[1]!.land()
    expect(await next).toBe('a')
  })

  it('is drained when nothing waits and nothing is under way, also when what waited was refused', async () => {
    const { push, flights, turn, tick, drained } = held()
    await drained()
    let done = false
    void push(one('a'))
    await turn()
    push(one('b')).catch(() => {})
    void drained().then(() => {
      done = true
    })
    await tick()
    await tick()
    expect(done).toBe(false)
    flights[0]!.land()
    await sleep(0)
    await turn()
    expect(done).toBe(true)
  })
})

describe('an answer in time', () => {
  const manual = () => {
    const tasks = new Set<() => void>()
    const timer = (task: () => void) => {
      tasks.add(task)
      return () => void tasks.delete(task)
    }
    return { tasks, timer }
  }

  it('calls the timer off; one that comes too late changes nothing', async () => {
    const soon = manual()
    expect(await within(Promise.resolve(1), soon.timer, 5, () => new Error('late'))).toBe(1)
    expect(soon.tasks.size).toBe(0)
    const never = manual()
    let answer = (_: number): void => {}
    const waiting = within(new Promise<number>((resolve) => (answer = resolve)), never.timer, 5, () => new Error('late'))
    for (const task of never.tasks) task()
    answer(2)
    await expect(waiting).rejects.toThrow('late')
  })
})
