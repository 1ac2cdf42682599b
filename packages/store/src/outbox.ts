/**
 * Events that are written with the change they tell of, and shipped afterwards: none is lost, none tells of what did not happen.
 * A process ships what it committed; `shipOutbox` finds what a crash left behind. Each event arrives at least once.
 */
import { PosternError } from '@postern/core/errors'
import { decodeEvent, type EventSink, encodeEvent, type PosternEvent } from '@postern/core/events'
import type { Op, Part, Rec, Store } from './contract.js'

export interface ShipOptions {
  /** The time by which records are live. */
  readonly now: number
}

export interface ShipOutboxOptions extends ShipOptions {
  /** Events handed to the sink at once, 1–1000. @defaultValue 256 */
  readonly limit?: number
  /** The partitions to look into, for a driver without `outbox`. */
  readonly parts?: readonly Part[]
}

/** A commit of dels leaves no `rev` behind, so that one name serves all of them. */
const SHIPPED = 'postern-shipping'

/** The op that writes an event beside the change it tells of; its id must be a lower-case ULID. */
export function eventOp(event: PosternEvent): Op {
  return { op: 'put', key: eventKey(event), value: encodeEvent(event), rev: null }
}

/**
 * Ships every unsent event, oldest first, and deletes what the sink has taken. When the sink throws, so does this, and nothing of its
 * page is deleted. Records that are no event stay where they are.
 * @returns how many events were shipped
 * @throws PosternError `store.list_disabled` when the driver has no `outbox` and no `parts` are given
 */
export async function shipOutbox(store: Store, sink: EventSink, o: ShipOutboxOptions): Promise<number> {
  const { now, limit = 256, parts } = o
  let shipped = 0
  for (const pageAfter of sources(store, parts)) {
    for (let after: string | undefined, more = true; more; ) {
      const page: readonly Unsent[] = await pageAfter({ now, limit, ...(after === undefined ? {} : { after }) })
      shipped += await ship(store, sink, page, now)
      after = page.at(-1)?.key
      more = page.length === limit
    }
  }
  return shipped
}

/** Ships the events under these keys of one partition: what a process has just committed, without a scan. */
export async function shipPart(
  store: Store,
  part: Part,
  keys: readonly string[],
  sink: EventSink,
  { now }: ShipOptions,
): Promise<number> {
  let shipped = 0
  for (const some of chunks(keys, 64)) {
    const recs = await store.read(part, some, { now })
    shipped += await ship(
      store,
      sink,
      recs.flatMap((rec) => (rec === null ? [] : [{ ...rec, part }])),
      now,
    )
  }
  return shipped
}

/** Ships events that the caller still has in hand after committing them: one round trip, to delete them. */
export async function shipEvents(
  store: Store,
  part: Part,
  events: readonly PosternEvent[],
  sink: EventSink,
  { now }: ShipOptions,
): Promise<void> {
  if (events.length === 0) return
  await sink(events)
  await forget(store, part, events.map(eventKey), now)
}

type Unsent = Rec & { readonly part: Part }
type PageOf = (o: { now: number; after?: string; limit: number }) => Promise<readonly Unsent[]>

function sources(store: Store, parts: readonly Part[] | undefined): readonly PageOf[] {
  if (parts !== undefined)
    return parts.map((part) => async (o) => (await store.list(part, 'e/', o)).map((rec) => ({ ...rec, part })))
  if (store.outbox === undefined) throw new PosternError('store.list_disabled')
  return [(o) => store.outbox!(o)]
}

async function ship(store: Store, sink: EventSink, page: readonly Unsent[], now: number): Promise<number> {
  const decoded = page.flatMap(({ key, value, part }) => {
    const event = decodeEvent(value)
    return event === null ? [] : [{ key, part, event }]
  })
  if (decoded.length === 0) return 0
  await sink(decoded.map(({ event }) => event))
  const byPart = new Map<string, { part: Part; keys: string[] }>()
  for (const { key, part } of decoded) {
    const name = `${part.tenant}:${part.id}`
    const group = byPart.get(name) ?? { part, keys: [] }
    group.keys.push(key)
    byPart.set(name, group)
  }
  for (const { part, keys } of byPart.values()) await forget(store, part, keys, now)
  return decoded.length
}

async function forget(store: Store, part: Part, keys: readonly string[], now: number): Promise<void> {
  for (const some of chunks(keys, 16)) {
    await store.commit(
      part,
      some.map((key) => ({ op: 'del', key })),
      { now, rev: SHIPPED },
    )
  }
}

function eventKey({ id }: PosternEvent): string {
  return `e/${id}`
}

function chunks<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}
