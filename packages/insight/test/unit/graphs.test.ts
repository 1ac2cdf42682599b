import type { PosternEvent } from '@postern/core/events'
import { memoryStore } from '@postern/store/memory'
import { beforeAll, describe, expect, it } from 'vitest'
import { graphOf, graphs } from '../../src/graphs.js'
import { query, type Table } from '../../src/query.js'
import { renderSvg } from '../../src/svg.js'
import { renderTable } from '../../src/table.js'
import { simulatedEvents, start } from './events.js'
import { sealAll } from './world.js'

const DAY = 86_400_000
const end = start + 14 * DAY
let events: readonly PosternEvent[] = []
const tables = new Map<string, Table>()
const store = memoryStore()

beforeAll(async () => {
  events = simulatedEvents({ users: 80, days: 14, attack: { kind: 'stuffing', day: 10 } }).filter((e) => e.at < end)
  await sealAll(store, events, start, end)
  for (const { id } of graphs) tables.set(id, await query(store, { tenant: 'demo', graph: id, from: start, to: end, now: end }))
})

/** An independent recount, straight from the events. */
const perDay = (wanted: (e: PosternEvent) => boolean) =>
  Array.from({ length: 14 }, (_, d) => events.filter((e) => Math.floor((e.at - start) / DAY) === d && wanted(e)))
const valuesOf = (graph: string, label: string) => tables.get(graph)!.series.find((s) => s.label === label)!.values

describe('N9 a graph equals a recount of the raw events', () => {
  it('logins and unique users', () => {
    const days = perDay((e) => e.type === 'login.succeeded')
    expect(valuesOf('logins', 'Logins')).toEqual(days.map((day) => day.length))
    expect(valuesOf('logins', 'Unique users')).toEqual(days.map((day) => new Set(day.map((e) => e.subject)).size))
  })

  it('PIN success and failure', () => {
    expect(valuesOf('pin', 'Succeeded')).toEqual(perDay((e) => e.type === 'pin.succeeded').map((day) => day.length))
    expect(valuesOf('pin', 'Failed')).toEqual(perDay((e) => e.type === 'pin.failed').map((day) => day.length))
  })

  it('OS and app versions, by device', () => {
    const ok = events.filter((e) => e.type === 'login.succeeded')
    const devices = (wanted: (e: PosternEvent) => boolean) => new Set(ok.filter(wanted).map((e) => e.device)).size
    for (const s of tables.get('versions')!.series) {
      const wanted =
        s.group === 'App version'
          ? (e: PosternEvent) => `bank ${e.appVersion}` === s.label
          : (e: PosternEvent) => `${e.platform === 'ios' ? 'iOS' : 'Android'} ${e.osVersion!.split('.')[0]}` === s.label
      expect(s.total, s.label).toBe(devices(wanted))
    }
  })

  it('anomalies: every login of raised or high risk is there once, under the reason that weighed most', () => {
    const odd = perDay((e) => e.type.startsWith('login.') && e.risk !== undefined && e.risk.band !== 'low')
    const { series } = tables.get('anomalies')!
    expect(odd.map((day) => day.length)).toEqual(
      Array.from({ length: 14 }, (_, d) => series.reduce((sum, s) => sum + (s.values[d] ?? 0), 0)),
    )
    expect(odd[10]!.length).toBeGreaterThan(60)
  })
})

it('N11 no subject, device or address is in any row, graph or table', async () => {
  const texts = graphs.map((g) => renderSvg(g, tables.get(g.id)!, { mode: 'standalone' }) + renderTable(g, tables.get(g.id)!))
  const rows = await store.list({ tenant: 'demo', id: 'ins:20261011:0' }, 'h/', { now: end, limit: 1000 })
  expect(rows.length).toBe(240)
  for (const text of [...texts, ...rows.map((rec) => new TextDecoder().decode(rec.value))])
    for (const secret of ['user-', 'phone-', 'farm-', '52.5']) expect(text).not.toContain(secret)
})

it('only one app is counted when one is asked for', async () => {
  const other = await query(store, { tenant: 'demo', graph: 'logins', app: 'nobank', from: start, to: end, now: end })
  expect(other.series.map((s) => s.total)).toEqual([0, 0])
})

it('every graph has an id of its own and names families that exist', () => {
  expect(new Set(graphs.map((g) => g.id)).size).toBe(graphs.length)
  for (const id of ['logins', 'pin', 'versions', 'anomalies']) expect(graphOf(id)?.id).toBe(id)
  expect(graphOf('constructor')).toBeNull()
})
