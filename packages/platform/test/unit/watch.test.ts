import { memoryStore } from '@postern/store/memory'
import { type SimPorts, seededRandom, simPorts } from '@postern/testkit/simulation'
import { describe, expect, it } from 'vitest'
import { createEventLog } from '../../src/internal/events/log.js'
import { createWatch, type Watch } from '../../src/internal/events/watch.js'
import { loginEvent } from '../support/operators.js'

const HOUR = 3_600_000

/** Nodes that share a store and a clock. */
function nodes(count: number): { readonly watches: readonly Watch[]; readonly ports: SimPorts } {
  const ports = simPorts({ seed: 4 })
  const store = memoryStore()
  const watches = Array.from({ length: count }, (_, i) => {
    const runtime = { ...ports, random: seededRandom(100 + i), store }
    const log = createEventLog({ store, tenant: 'bank', random: runtime.random, userName: async (subject) => subject })
    return createWatch({ runtime, tenant: 'bank', log })
  })
  return { watches, ports }
}

async function logins(watch: Watch): Promise<number | undefined> {
  return (await watch.graph('logins', '24h'))?.table.series[0]?.total
}

describe('watching on several nodes', () => {
  it('an event that reaches every node is counted by one', async () => {
    const { watches, ports } = nodes(3)
    const events = Array.from({ length: 30 }, (_, n) => loginEvent(ports.time.clock() - n * 60_000, n))
    await Promise.all(watches.map((watch) => watch.accept(events)))
    for (const watch of watches) await watch.flush(ports.time.clock())
    for (const watch of watches) expect(await logins(watch)).toBe(30)
  })

  it('a late event on a node that never closed an hour is counted in the hour that another closed', async () => {
    const { watches, ports } = nodes(2)
    const [first, second] = watches as [Watch, Watch]
    const then = ports.time.clock()
    await first.accept([loginEvent(then, 1)])
    ports.time.advance(3 * HOUR)
    await first.flush(ports.time.clock())
    await second.accept([loginEvent(then + 1000, 2)])
    await second.flush(ports.time.clock())
    expect(await logins(first)).toBe(2)
  })

  it('writes no more than once a second while events come, and all of it when asked', async () => {
    const { watches, ports } = nodes(1)
    const [watch] = watches as [Watch]
    for (let n = 0; n < 50; n++) {
      ports.time.advance(100)
      await watch.accept([loginEvent(ports.time.clock(), n)])
    }
    expect(await logins(watch)).toBe(50)
    expect(await watch.graph('nothing', '24h')).toBeNull()
  })

  it('a listener that leaves too much unread is ended, and the others go on', async () => {
    const { watches, ports } = nodes(1)
    const [watch] = watches as [Watch]
    const [lazy, keen] = [watch.subscribe()!, watch.subscribe()!]
    let seen = 0
    for (let n = 0; n < 1100; n += 100) {
      await watch.accept(Array.from({ length: 100 }, (_, i) => loginEvent(ports.time.clock(), n + i)))
      seen += (await keen.next())!.length
    }
    expect(seen).toBe(1100)
    expect(await lazy.next()).toBeNull()
    keen.end()
    expect(await keen.next()).toBeNull()
  })
})
