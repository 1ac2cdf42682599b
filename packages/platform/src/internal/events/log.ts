/**
 * The log of shipped events: by time, by user, by device. Idempotent by id: the node whose insertion wins counts the event, so that rollups
 * count each once. Keys are the complement of the ULID, so that an ascending list gives the newest first.
 */
import { decodeEvent, encodeEvent, type PosternEvent } from '@postern/core/events'
import type { Random } from '@postern/core/runtime'
import { newRev, type Part, type Store } from '@postern/store'
import { partition } from '../partition.js'

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'
const KEPT_MS = 400 * 86_400_000

export interface EventLog {
  /** Inserts events; returns those that were new. */
  insert(events: readonly PosternEvent[], now: number): Promise<readonly PosternEvent[]>
  /** Newest first, from the place after `after` (an event id), while `wanted` says so. */
  query(q: EventQuery, now: number): Promise<EventPage>
}

export interface EventQuery {
  readonly types?: readonly string[]
  readonly notTypes?: readonly string[]
  readonly outcome?: string
  readonly subject?: string
  readonly device?: string
  readonly app?: string
  readonly authenticator?: string
  readonly transaction?: string
  /** Ms, inclusive. */
  readonly from?: number
  /** Ms, exclusive. */
  readonly to?: number
  readonly after?: string
  readonly limit: number
}

export interface EventPage {
  readonly events: readonly PosternEvent[]
  /** The id to go on after, `null` at the end. */
  readonly next: string | null
}

export function createEventLog(o: {
  store: Store
  tenant: string
  random: Random
  userName: (subject: string) => Promise<string>
}): EventLog {
  const { store, tenant, random, userName } = o
  const hours: Part = { tenant, id: 'ev' }
  const known = new Set<string>()

  /** Puts events into one partition, 16 a commit; where one was there already, one by one. Returns those that were new. */
  async function put(part: Part, events: readonly PosternEvent[], now: number): Promise<readonly PosternEvent[]> {
    const ops = events.map((event) => ({
      op: 'put' as const,
      key: `n/${invert(event.id)}`,
      value: encodeEvent(event),
      rev: null,
      expiresAt: Math.max(event.at + KEPT_MS, now + 60_000),
    }))
    const done = await store.commit(part, ops, { now, rev: newRev(random) })
    if (done.ok) return events
    if (events.length === 1) return []
    return (await Promise.all(events.map((event) => put(part, [event], now)))).flat()
  }

  /** The same for many partitions at once: a driver that groups commits writes them together. */
  async function putAll(placed: ReadonlyMap<string, readonly PosternEvent[]>, now: number): Promise<readonly PosternEvent[]> {
    const pages = [...placed].flatMap(([id, events]) => pagesOf(events, 16).map((page) => put({ tenant, id }, page, now)))
    return (await Promise.all(pages)).flat()
  }

  async function noteHours(events: readonly PosternEvent[], now: number): Promise<void> {
    for (const hour of new Set(events.map(({ at }) => hourOf(at)))) {
      if (known.has(hour)) continue
      await store.commit(hours, [{ op: 'put', key: `h/${invert(hour)}`, value: new Uint8Array(0) }], { now, rev: newRev(random) })
      known.add(hour)
    }
  }

  return {
    async insert(sent, now) {
      // The same event twice in one call is one event.
      const events = [...new Map(sent.map((event) => [event.id, event])).values()]
      await noteHours(events, now)
      const fresh = await putAll(
        grouped(events, ({ at }) => partition.eventsOfHour(tenant, hourOf(at)).id),
        now,
      )
      const users = new Map<string, string>()
      for (const { subject } of fresh)
        if (subject !== undefined && !users.has(subject)) users.set(subject, await userName(subject))
      await putAll(
        grouped(fresh, ({ device }) => (device === undefined ? null : partition.eventsOfDevice(tenant, device).id)),
        now,
      )
      await putAll(
        grouped(fresh, ({ subject }) => (subject === undefined ? null : partition.eventsOfUser(tenant, users.get(subject)!).id)),
        now,
      )
      return fresh
    },
    async query(q, now) {
      const found: PosternEvent[] = []
      for await (const event of walk(q, now)) {
        if (q.from !== undefined && event.at < q.from) break
        if (!matches(event, q)) continue
        found.push(event)
        if (found.length > q.limit) return { events: found.slice(0, q.limit), next: found[q.limit - 1]!.id }
      }
      return { events: found, next: null }
    },
  }

  async function* walk(q: EventQuery, now: number): AsyncGenerator<PosternEvent> {
    const after = q.after === undefined ? undefined : `n/${invert(q.after)}`
    if (q.subject !== undefined) return yield* one(partition.eventsOfUser(tenant, await userName(q.subject)), after, now)
    if (q.device !== undefined) return yield* one(partition.eventsOfDevice(tenant, q.device), after, now)
    if (q.from !== undefined && q.to !== undefined && hourOf(q.from) === hourOf(q.to - 1))
      return yield* one(partition.eventsOfHour(tenant, hourOf(q.from)), after, now)
    let mark: string | undefined
    for (;;) {
      const page = await store.list(hours, 'h/', { now, limit: 100, ...(mark === undefined ? {} : { after: mark }) })
      for (const { key } of page) {
        const hour = invert(key.slice(2))
        if (q.to !== undefined && hour > hourOf(q.to)) continue
        if (q.after !== undefined && hour > hourOf(timeOf(q.after))) continue
        yield* one(partition.eventsOfHour(tenant, hour), after, now)
      }
      if (page.length < 100) return
      mark = page.at(-1)!.key
    }
  }

  async function* one(part: Part, after: string | undefined, now: number): AsyncGenerator<PosternEvent> {
    let mark = after
    for (;;) {
      const page = await store.list(part, 'n/', { now, limit: 200, ...(mark === undefined ? {} : { after: mark }) })
      for (const { value } of page) {
        const event = decodeEvent(value)
        if (event !== null) yield event
      }
      if (page.length < 200) return
      mark = page.at(-1)!.key
    }
  }
}

/** Events by the partition that `place` names; those without one are left out. */
function grouped(
  events: readonly PosternEvent[],
  place: (event: PosternEvent) => string | null,
): ReadonlyMap<string, readonly PosternEvent[]> {
  const groups = new Map<string, PosternEvent[]>()
  for (const event of events) {
    const id = place(event)
    if (id === null) continue
    const group = groups.get(id)
    if (group) group.push(event)
    else groups.set(id, [event])
  }
  return groups
}

function pagesOf<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}

/** Whether an event is one that a query asks for; `from` and the place in the order are the walk's. */
export function matches(event: PosternEvent, q: EventQuery): boolean {
  return (
    (q.types === undefined || q.types.includes(event.type)) &&
    (q.notTypes === undefined || !q.notTypes.includes(event.type)) &&
    (q.outcome === undefined || event.outcome === q.outcome) &&
    (q.subject === undefined || event.subject === q.subject) &&
    (q.device === undefined || event.device === q.device) &&
    (q.app === undefined || event.app === q.app) &&
    (q.authenticator === undefined || event.authenticator === q.authenticator) &&
    (q.transaction === undefined || event.transaction === q.transaction) &&
    (q.to === undefined || event.at < q.to)
  )
}

/** Beyond it a year has more than four digits, and sorts before them. */
const LAST_MS = Date.UTC(9999, 11, 31, 23)

/** `2026112409`: the hour, as digits that sort. */
function hourOf(at: number): string {
  return new Date(Math.min(at, LAST_MS)).toISOString().slice(0, 13).replace(/[-T]/g, '')
}

/** Milliseconds of a ULID. */
function timeOf(id: string): number {
  let at = 0
  for (const character of id.slice(0, 10)) at = at * 32 + CROCKFORD.indexOf(character)
  return at
}

/** Each character's complement in the alphabet: what sorted last sorts first. Its own inverse. */
function invert(text: string): string {
  let out = ''
  for (const character of text) out += CROCKFORD[31 - CROCKFORD.indexOf(character)] ?? character
  return out
}
