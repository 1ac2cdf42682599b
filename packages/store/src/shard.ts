/**
 * Many stores as one. A partition lives in one of them, whole: no commit ever spans two, because none can be written that would.
 */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Clock } from '@postern/core/runtime'
import type { Guarantees, Part, Rec, Store } from './contract.js'
import { checkedPage, checkedPart, type Page } from './internal/validate.js'

/** A map entry whose logical shard is being moved: it answers `store.unavailable` until the entry names a store again. */
export const MOVING = 0xffff

export interface RoutedOptions {
  /** By this clock `time()` tells which member's is the furthest off; without it there is none. */
  readonly clock?: Clock
}

/**
 * Stores behind a map of logical shards: `map[shardOf(part, map.length)]` is the index of the store.
 *
 * The map is read at each call and not copied. To move a logical shard: replicate it, set its entry to {@link MOVING} on every node, let the
 * replication catch up, set the entry to the new store. To double the map, repeat it: every logical shard splits into itself and its upper half.
 *
 * @param map - store by logical shard; 64 to 1024 entries, a power of two
 * @throws PosternError `store.invalid` for a map of another length, or an entry that names no store
 */
export function sharded(shards: readonly Store[], map: Uint16Array, o: RoutedOptions = {}): Store {
  const members = [...shards]
  const { length } = map
  if (!(length >= 64 && length <= 1024) || (length & (length - 1)) !== 0)
    throw invalid(`a map has 64 to 1024 entries, a power of two, not ${length}`)
  if (map.some((index) => index !== MOVING && index >= members.length))
    throw invalid(`an entry names none of ${members.length} stores`)
  const pick = (part: Part): Store => {
    const store = members[map[shardOf(part, length)]!]
    if (store === undefined) throw new PosternError('store.unavailable', { reason: 'the logical shard is being moved' })
    return store
  }
  return routed(pick, members, o)
}

/**
 * The logical shard of a partition: FNV-1a (32 bits) over the ASCII bytes of `tenant:id`, through the finalizer of MurmurHash3, and of that
 * the low bits. It never changes: it says where every record is.
 * @param shards - how many logical shards there are, a power of two
 */
export function shardOf({ tenant, id }: Part, shards: number): number {
  let hash = fnv1a(0x811c9dc5, tenant)
  hash = fnv1a(fnv1a(hash, ':'), id)
  // The lowest bit of FNV is the parity of the characters' lowest bits: names with a check digit would leave half of the shards empty.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) & (shards - 1)) >>> 0
}

/**
 * Stores behind a choice of the host's. Its guarantees are those of the weakest member; `outbox` merges the members' in order, of each the
 * events of partitions that are its own, and is there when all have one; `sweep` goes through the members that have one, each with an equal share of the budget.
 *
 * @param pick - the partition's store, the same at each call and on each node; one of `all`
 * @param all - every member, for what concerns all of them
 * @throws PosternError `store.invalid` when there is no member, and from a call whose `pick` is none of them
 */
export function routed(pick: (part: Part) => Store, all: readonly Store[], { clock }: RoutedOptions = {}): Store {
  const known = new Set(all)
  const members = [...known]
  if (members.length === 0) throw invalid('there is at least one store')
  const outboxes = members.flatMap((store) => (store.outbox ? [store] : []))
  const sweeps = members.flatMap((store) => (store.sweep ? [store] : []))
  const clocks = clock === undefined ? [] : members.flatMap((store) => (store.time ? [store] : []))

  let closing: Promise<void> | undefined

  const storeOf = (part: Part): Store => {
    const store = pick(part)
    if (!known.has(store)) throw invalid('`pick` gives one of the members')
    return store
  }

  const owns = (store: Store, part: Part): boolean => {
    try {
      return pick(part) === store
    } catch (error) {
      if (isPosternError(error, 'store.unavailable')) return false
      throw error
    }
  }

  /** A page of a member's own events. A partition that moved leaves copies behind, which nobody would delete and all would ship again. */
  const ownEvents = async (store: Store, { now, after, limit }: Page): Promise<readonly Unsent[]> => {
    const own: Unsent[] = []
    for (let from = after; ; ) {
      const page = await store.outbox!({ now, limit, ...(from !== '' && { after: from }) })
      own.push(...page.filter(({ part }) => owns(store, part)))
      if (page.length < limit || own.length >= limit) return own
      from = page.at(-1)!.key
    }
  }

  return {
    guarantees: weakest(members.map(({ guarantees }) => guarantees)),

    async read(part, keys, o) {
      const own = checkedPart(part)
      return storeOf(own).read(own, keys, o)
    },
    async commit(part, ops, o) {
      const own = checkedPart(part)
      return storeOf(own).commit(own, ops, o)
    },
    async list(part, prefix, o) {
      const own = checkedPart(part)
      return storeOf(own).list(own, prefix, o)
    },

    ...(outboxes.length === members.length && {
      async outbox(o: OutboxOptions) {
        const page = checkedPage('e/', o)
        const pages = await Promise.all(members.map((store) => ownEvents(store, page)))
        return pages.flat().sort(byKeyThenPart).slice(0, page.limit)
      },
    }),

    ...(sweeps.length > 0 && {
      async sweep(now: number, budgetMs: number) {
        const failures: unknown[] = []
        let swept = 0
        for (const store of sweeps) {
          try {
            swept += await store.sweep!(now, budgetMs / sweeps.length)
          } catch (error) {
            // One that cannot be reached must not keep the others from their sweep.
            failures.push(error)
          }
        }
        if (failures.length > 0) throw failures[0]
        return swept
      },
    }),

    ...(clocks.length > 0 && {
      async time() {
        const offsets = await Promise.all(clocks.map(async (store) => (await store.time!()) - clock!()))
        return clock!() + offsets.reduce((worst, offset) => (Math.abs(offset) > Math.abs(worst) ? offset : worst))
      },
    }),

    close() {
      closing ??= closeAll(members)
      return closing
    },
  }
}

type OutboxOptions = Parameters<NonNullable<Store['outbox']>>[0]

const DURABLE = ['none', 'process', 'power'] as const
/** From what forgets to what does not: a single store loses nothing at a failover that it cannot make. */
const FAILOVER = ['may-lose', 'none', 'lossless'] as const

function weakest(all: readonly Guarantees[]): Guarantees {
  const least = <T>(order: readonly T[], of: (guarantees: Guarantees) => T): T =>
    order[Math.min(...all.map((one) => order.indexOf(of(one))))]!
  return { durable: least(DURABLE, ({ durable }) => durable), failover: least(FAILOVER, ({ failover }) => failover) }
}

type Unsent = Rec & { readonly part: Part }

async function closeAll(stores: readonly Store[]): Promise<void> {
  const all = await Promise.allSettled(stores.map((store) => store.close()))
  for (const one of all) if (one.status === 'rejected') throw one.reason
}

/** The order of every outbox: by key, then by the partition's name. */
function byKeyThenPart(a: Unsent, b: Unsent): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1
  const [one, two] = [a, b].map(({ part }) => `${part.tenant}:${part.id}`) as [string, string]
  return one < two ? -1 : one > two ? 1 : 0
}

function fnv1a(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

function invalid(rule: string): PosternError<'store.invalid'> {
  return new PosternError('store.invalid', { publicMessage: `Stores behind one: ${rule}.` })
}
