import type { PosternEvent } from '@postern/core/events'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ISSUER } from '../support/bank.js'
import { createStaffed, loginEvent, type Staffed } from '../support/operators.js'

const HOUR = 3_600_000
const runs = Number(process.env.POSTERN_RUNS ?? 100)

function next(link: string | null): string | null {
  return link === null ? null : link.slice(`<${ISSUER}/admin/v1`.length, link.indexOf('>'))
}

async function pages(staffed: Staffed, first: string, between: (n: number) => Promise<void> = async () => undefined) {
  const seen: PosternEvent[] = []
  let path: string | null = first
  for (let n = 0; path !== null; n++) {
    const { body, headers } = await staffed.call('GET', path)
    seen.push(...body.events)
    path = next(headers.get('link'))
    await between(n)
  }
  return seen
}

/** `count` logins, one every 20 minutes up to now. */
function history(staffed: Staffed, count: number): PosternEvent[] {
  const now = staffed.bank.clock.clock()
  return Array.from({ length: count }, (_, i) => loginEvent(now - (count - i) * 20 * 60_000, i))
}

describe('events', () => {
  it('newest first, every one exactly once over all pages', async () => {
    const staffed = await createStaffed()
    const shipped = history(staffed, 25)
    await staffed.ship(shipped)
    const seen = await pages(staffed, '/events?type=login.succeeded&limit=4')
    expect(seen).toEqual([...shipped].reverse())
  })

  it('pages stay stable while events arrive', async () => {
    const staffed = await createStaffed()
    const shipped = history(staffed, 20)
    await staffed.ship(shipped)
    const seen = await pages(staffed, '/events?type=login.succeeded&limit=3', async (n) => {
      staffed.bank.clock.advance(1_000)
      await staffed.ship([loginEvent(staffed.bank.clock.clock(), 1000 + n)])
    })
    expect(seen).toEqual([...shipped].reverse())
  })

  it('an event that is shipped twice is there once', async () => {
    const staffed = await createStaffed()
    const [event] = history(staffed, 1)
    await staffed.ship([event!])
    await staffed.ship([event!])
    expect(await pages(staffed, '/events?type=login.succeeded')).toEqual([event])
  })

  it('an end beyond all years is no end', async () => {
    const staffed = await createStaffed()
    const shipped = history(staffed, 8)
    await staffed.ship(shipped)
    for (const parameter of ['to=999999999999999', 'from=0&to=999999999999999', `after=7${'z'.repeat(25)}`])
      expect(await pages(staffed, `/events?type=login.succeeded&${parameter}`)).toEqual([...shipped].reverse())
    expect(await pages(staffed, '/events?from=999999999999998&to=999999999999999')).toEqual([])
  })

  it('filters say exactly what they mean, whatever they are combined with', async () => {
    const staffed = await createStaffed()
    const now = staffed.bank.clock.clock()
    const shipped = Array.from({ length: 60 }, (_, i) =>
      loginEvent(now - (60 - i) * 5 * 60_000, i, {
        ...(i % 3 === 0 ? { type: 'login.failed', outcome: 'failure' } : {}),
        ...(i % 2 === 0 ? { app: 'payments' } : {}),
        ...(i % 7 === 0 ? { device: 'abcdefghijklmnopqrstuvwxyz' } : {}),
        ...(i % 4 === 0 ? { authenticator: 'biometric' } : {}),
      } as Partial<PosternEvent>),
    )
    await staffed.ship(shipped)
    const filters = fc.record(
      {
        type: fc.constantFrom('login.failed', 'login.failed,login.succeeded'),
        not_type: fc.constantFrom('login.failed', 'device.removed'),
        outcome: fc.constantFrom('success', 'failure', 'refused'),
        subject: fc.constantFrom('user-0', 'user-3', 'nobody'),
        device: fc.constant('abcdefghijklmnopqrstuvwxyz'),
        app: fc.constantFrom('retail', 'payments'),
        authenticator: fc.constantFrom('pin', 'biometric'),
        from: fc.integer({ min: 0, max: 6 }).map((h) => new Date(now - h * HOUR).toISOString()),
        to: fc.integer({ min: 0, max: 6 }).map((h) => String(now - h * HOUR)),
      },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 1, max: 20 }), async (filter, limit) => {
        const query = new URLSearchParams({ ...(filter as Record<string, string>), limit: String(limit) })
        const from = filter.from === undefined ? 0 : Date.parse(filter.from)
        const to = filter.to === undefined ? Number.POSITIVE_INFINITY : Number(filter.to)
        const wanted = shipped.filter(
          (e) =>
            (filter.type?.split(',').includes(e.type) ?? true) &&
            filter.not_type !== e.type &&
            (filter.outcome ?? e.outcome) === e.outcome &&
            (filter.subject ?? e.subject) === e.subject &&
            (filter.device ?? e.device) === e.device &&
            (filter.app ?? e.app) === e.app &&
            (filter.authenticator ?? e.authenticator) === e.authenticator &&
            e.at >= from &&
            e.at < to,
        )
        const seen = await pages(staffed, `/events?${query}`)
        const logins = seen.filter(({ type }) => type.startsWith('login.'))
        expect(logins).toEqual([...wanted].reverse())
      }),
      { numRuns: Math.min(runs, 40) },
    )
  })

  it('an unknown parameter, type, outcome, time, cursor or limit is 400, never ignored', async () => {
    const { call } = await createStaffed()
    for (const query of [
      'typ=login.failed',
      'type=login.lost',
      'outcome=ok',
      'from=yesterday',
      'after=1',
      'limit=0',
      'limit=1001',
      'subject=',
      'device=a/b',
      'app=%0d%0a',
    ])
      expect([query, (await call('GET', `/events?${query}`)).status]).toEqual([query, 400])
  })

  it('H11 line breaks in what an event says: escaped in JSON, in lines and in the stream', async () => {
    const staffed = await createStaffed()
    const event = loginEvent(staffed.bank.clock.clock(), 1, { subject: 'a\r\n\r\nevent: forged\ndata: {}', reason: 'x\u2028y' })
    await staffed.ship([event])
    const lines = await staffed.call('GET', '/events?type=login.succeeded', { headers: { accept: 'application/x-ndjson' } })
    expect(lines.text.trimEnd().split('\n')).toHaveLength(1)
    expect(JSON.parse(lines.text)).toEqual(event)
    const before = '00000000000000000000000000'
    const stream = await staffed.send('GET', '/events?type=login.succeeded', {
      headers: { accept: 'text/event-stream', 'last-event-id': before },
    })
    const text = await read(stream.body!.getReader(), 1)
    expect(text.split('\n').filter((line) => line.startsWith('event: '))).toEqual(['event: login.succeeded'])
  })

  it('lines: all that match when no limit is given, or as many as asked for', async () => {
    const staffed = await createStaffed()
    const shipped = history(staffed, 30)
    await staffed.ship(shipped)
    const accept = { headers: { accept: 'application/x-ndjson' } }
    const all = await staffed.call('GET', '/events?type=login.succeeded', accept)
    expect(all.headers.get('content-type')).toBe('application/x-ndjson')
    expect(
      all.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([...shipped].reverse())
    const seven = await staffed.call('GET', '/events?type=login.succeeded&limit=7', accept)
    expect(seven.text.trimEnd().split('\n')).toHaveLength(7)
  })

  it('a stream goes on after the last event its reader saw, and then brings what happens', async () => {
    const staffed = await createStaffed()
    const shipped = history(staffed, 6)
    await staffed.ship(shipped)
    const stream = await staffed.send('GET', '/events?type=login.succeeded', {
      headers: { accept: 'text/event-stream', 'last-event-id': shipped[3]!.id },
    })
    expect(stream.headers.get('content-type')).toBe('text/event-stream')
    const reader = stream.body!.getReader()
    expect(ids(await read(reader, 1))).toEqual([shipped[4]!.id, shipped[5]!.id])
    const now = staffed.bank.clock.clock()
    const fresh = [
      loginEvent(now, 70),
      loginEvent(now, 71, { type: 'login.failed', outcome: 'failure' } as Partial<PosternEvent>),
      loginEvent(now, 72),
    ]
    await staffed.ship(fresh)
    expect(ids(await read(reader, 1))).toEqual([fresh[0]!.id, fresh[2]!.id])
    await reader.cancel()
  })

  it('a stream ends with its token, and a listener too many is told to come back', async () => {
    const staffed = await createStaffed()
    const open = () => staffed.send('GET', '/events', { headers: { accept: 'text/event-stream' } })
    const streams = await Promise.all(Array.from({ length: 64 }, open))
    expect((await open()).status).toBe(503)
    const readers = streams.map(({ body }) => body!.getReader())
    for (const reader of readers) await reader.read()
    staffed.bank.clock.advance(HOUR + 1)
    const ended = Promise.all(readers.map((reader) => reader.read()))
    await staffed.ship([loginEvent(staffed.bank.clock.clock(), 9)])
    expect((await ended).every(({ done }) => done)).toBe(true)
    expect((await open()).status).toBe(200)
  })
})

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, chunks: number): Promise<string> {
  let out = ''
  for (let n = 0; n < chunks; n++) out += new TextDecoder().decode((await reader.read()).value)
  return out
}

function ids(text: string): readonly string[] {
  return [...text.matchAll(/^id: (.+)$/gm)].map(([, id]) => id!)
}
