import type { PosternEvent } from '@postern/core/events'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createStaffed, loginEvent, type Staffed } from '../support/operators.js'

const MINUTE = 60_000
const runs = Number(process.env.POSTERN_RUNS ?? 100)

interface Series {
  readonly label: string
  readonly values: readonly (number | null)[]
  readonly total: number
}
interface Table {
  readonly from: number
  readonly to: number
  readonly stepMs: number
  readonly series: readonly Series[]
}

/** What the raw events in a table's range say, counted with no code of the graph's. */
function recount({ from, to, stepMs }: Table, events: readonly PosternEvent[]): Series[] {
  const steps = (to - from) / stepMs
  const logins = events.filter(({ at, type }) => type === 'login.succeeded' && at >= from && at < to)
  const step = (e: PosternEvent) => Math.floor((e.at - from) / stepMs)
  const counted = Array.from({ length: steps }, (_, i) => logins.filter((e) => step(e) === i))
  const users = (some: readonly PosternEvent[]) => new Set(some.map(({ subject }) => subject)).size
  return [
    { label: 'Logins', values: counted.map(({ length }) => length), total: logins.length },
    { label: 'Unique users', values: counted.map(users), total: users(logins) },
  ]
}

function plain(table: Table): Series[] {
  return table.series.map(({ label, values, total }) => ({ label, values: values.map((v) => v ?? 0), total }))
}

async function table(staffed: Staffed, range: string): Promise<Table> {
  return (await staffed.call('GET', `/graphs/logins?range=${range}`)).body.table
}

describe('graphs', () => {
  it('equal a recount of the raw events, in every range, before and after hours are closed', async () => {
    const minutes = fc.array(fc.integer({ min: 0, max: 2 * 24 * 60 }), { minLength: 1, maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(minutes, fc.integer({ min: 0, max: 300 }), async (ages, later) => {
        const staffed = await createStaffed()
        const now = staffed.bank.clock.clock()
        const shipped = ages.map((age, n) => loginEvent(now - age * MINUTE, n))
        await staffed.ship(shipped)
        await staffed.ship(shipped)
        for (const range of ['24h', '7d', '30d']) {
          const live = await table(staffed, range)
          expect(plain(live)).toEqual(recount(live, shipped))
        }
        staffed.bank.clock.advance(later * MINUTE)
        await staffed.bank.platform.sweep(staffed.bank.clock.clock(), 50)
        const closed = await table(staffed, '7d')
        expect(plain(closed)).toEqual(recount(closed, shipped))
      }),
      { numRuns: Math.min(runs, 12) },
    )
  })

  it('an event that arrives after its hour was closed is counted all the same', async () => {
    const staffed = await createStaffed()
    const then = staffed.bank.clock.clock()
    const early = loginEvent(then, 1)
    await staffed.ship([early])
    staffed.bank.clock.advance(3 * 60 * MINUTE)
    await staffed.bank.platform.sweep(staffed.bank.clock.clock(), 50)
    const late = loginEvent(then + MINUTE, 2)
    await staffed.ship([late])
    const seen = await table(staffed, '24h')
    expect(plain(seen)).toEqual(recount(seen, [early, late]))
  })

  it('keep what they showed after the minutes are gone', async () => {
    const staffed = await createStaffed()
    const then = staffed.bank.clock.clock()
    const shipped = Array.from({ length: 9 }, (_, n) => loginEvent(then + n * MINUTE, n))
    await staffed.ship(shipped)
    for (let day = 0; day < 5; day++) {
      staffed.bank.clock.advance(24 * 60 * MINUTE)
      await staffed.bank.platform.sweep(staffed.bank.clock.clock(), 50)
    }
    const seen = await table(staffed, '7d')
    expect(plain(seen)).toEqual(recount(seen, shipped))
  })

  it('come as a list, as numbers with a sentence, as a picture and as a table', async () => {
    const staffed = await createStaffed()
    await staffed.ship([loginEvent(staffed.bank.clock.clock(), 1)])
    const { graphs } = (await staffed.call('GET', '/graphs')).body
    expect(graphs.map(({ id }: { id: string }) => id)).toEqual(
      expect.arrayContaining(['logins', 'pin', 'device-key', 'versions']),
    )
    for (const { id } of graphs) {
      const numbers = await staffed.call('GET', `/graphs/${id}?range=7d`)
      expect(numbers.body).toMatchObject({ id, sentence: expect.any(String), table: { graph: id } })
      const svg = await staffed.call('GET', `/graphs/${id}.svg`)
      expect(svg.headers.get('content-type')).toBe('image/svg+xml')
      expect(svg.text).toMatch(/^<svg /)
      const html = await staffed.call('GET', `/graphs/${id}`, { headers: { accept: 'text/html' } })
      expect(html.text).toMatch(/^<table .*<caption>/)
    }
    expect((await staffed.call('GET', '/graphs/none')).status).toBe(404)
    expect((await staffed.call('GET', '/graphs/none.svg')).status).toBe(404)
  })

  it('H20 script in what an event says stays text in the picture and in the table', async () => {
    const staffed = await createStaffed()
    const at = staffed.bank.clock.clock()
    await staffed.ship([loginEvent(at, 1, { app: '<script>alert(1)</script>', appVersion: '"><img src=x onerror=alert(1)>' })])
    for (const [path, accept] of [
      ['/graphs/versions.svg', '*/*'],
      ['/graphs/versions', 'text/html'],
    ] as const) {
      const { text } = await staffed.call('GET', path, { headers: { accept } })
      expect(text).not.toMatch(/<script|<img/i)
    }
  })
})
