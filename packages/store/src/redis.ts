/**
 * The Redis and Valkey driver, over a client that the host opened. One partition is one hash slot, and the commits of one turn of the
 * event loop are one write and one script; in a Cluster each is a script of its own. For markers whose loss is bounded by their own
 * expiry: at failover Redis forgets acknowledged writes whatever the settings, and `guarantees` says so.
 */
import { PosternError } from '@postern/core/errors'
import type { Store } from './contract.js'
import { liveKept, told } from './internal/judge.js'
import { commitsOver } from './internal/redis/commit.js'
import { readError } from './internal/redis/errors.js'
import { pageOf, tidySome } from './internal/redis/page.js'
import { pipeline } from './internal/redis/pipeline.js'
import type { RedisPort } from './internal/redis/ports.js'
import { probe, textOf } from './internal/redis/probe.js'
import { decodeRecord, indexOf, keyOf } from './internal/redis/record.js'
import { checkedKeys, checkedNow, checkedOps, checkedPage, placeOf } from './internal/validate.js'

export { fromIoredis, type IoredisCluster, type IoredisSingle } from './internal/redis/ioredis.js'
export { fromNodeRedis, type NodeRedisCluster, type NodeRedisSingle } from './internal/redis/nodeRedis.js'
export type { RedisArg, RedisPort } from './internal/redis/ports.js'

export interface RedisOptions {
  readonly port: RedisPort
  /** Keeps the keys of each partition in order, for `list`; all nodes alike. Stores of markers alone save it. @defaultValue true */
  readonly index?: boolean
  /**
   * Answers a commit when so many replicas have it; fewer within `timeoutMs` is an unknown outcome. It narrows what a failover
   * forgets and does not end it. A connection answers nothing else while it waits.
   */
  readonly wait?: { readonly replicas: number; readonly timeoutMs: number }
  /** How long an expired record is kept for nodes whose clocks run behind. @defaultValue 60,000 ms */
  readonly graceMs?: number
  /** Calls that may be unanswered; one more gets `store.overloaded`. @defaultValue 10,000 */
  readonly maxQueue?: number
}

/** So many expiring names in indexes that stay for ever, and some of the last one are looked at: twice as many. */
const TIDY_EVERY = 64

/**
 * A store in one Redis (6.2 or later), one Redis Cluster, or Valkey. `close()` answers what waits and closes the client.
 * It has no `sweep`, since the server removes what expired, and no `outbox`: events belong where nothing is forgotten.
 * What says that it is one server must be one: a proxy that spreads keys over several refuses scripts of several partitions.
 *
 * @example
 * const redis = new Redis({ host, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 })
 * const store = await redisStore({ port: fromIoredis(redis), index: false })
 * @throws PosternError `store.unavailable` | `store.invalid` | `store.refused_guarantee` for a replica, for a server that evicts
 * (`maxmemory-policy` other than `noeviction`), or one that is too old
 */
export async function redisStore(o: RedisOptions): Promise<Store> {
  const { port, index = true, wait, graceMs = 60_000, maxQueue = 10_000 } = o
  whole(graceMs, 0, '`graceMs`')
  if (wait !== undefined) {
    whole(wait.replicas, 1, '`wait.replicas`')
    // For Redis 0 is for ever.
    whole(wait.timeoutMs, 1, '`wait.timeoutMs`')
  }
  const { guarantees, cluster } = await probe(port)
  const acknowledged =
    wait &&
    (async (place: string) => {
      const { replicas, timeoutMs } = wait
      const have = await port.send(indexOf(place), 'WAIT', String(replicas), String(timeoutMs)).catch(() => -1)
      return Number(have) >= replicas
    })
  let names = 0
  const commits = commitsOver(port, {
    index,
    graceMs,
    once: wait !== undefined,
    oneServer: !cluster,
    named(place, count) {
      names += count
      if (names < TIDY_EVERY) return
      names = 0
      pipe.call(() => tidySome(port, place)).catch(() => {})
    },
  })
  const pipe = pipeline(commits, acknowledged, !cluster, maxQueue)
  let closed = false

  const open = (): void => {
    if (closed) throw new PosternError('store.closed')
  }

  return {
    guarantees,

    async read(part, keys, { now }) {
      open()
      const place = placeOf(part)
      const wanted = checkedKeys(keys)
      checkedNow(now)
      if (wanted.length === 0) return []
      const found = await pipe.call(() => port.mget(wanted.map((key) => keyOf(place, key)))).catch(readFailed)
      return wanted.map((key, i) => told(liveKept(found[i] ? decodeRecord(key, found[i]) : null, now)))
    },

    async commit(part, ops, { now, rev }) {
      open()
      const place = placeOf(part)
      const checked = checkedOps(ops, { now, rev })
      return pipe.commit({ place, ops: checked, now, rev })
    },

    async list(part, prefix, o) {
      open()
      const place = placeOf(part)
      const page = checkedPage(prefix, o)
      if (!index) throw new PosternError('store.list_disabled')
      return pipe.call(() => pageOf(port, place, page)).catch(readFailed)
    },

    async time() {
      open()
      const [seconds, micros] = (await pipe.call(() => port.send('', 'TIME')).catch(readFailed)) as readonly unknown[]
      return Number(textOf(seconds)) * 1000 + Math.floor(Number(textOf(micros)) / 1000)
    },

    async close() {
      if (closed) return
      closed = true
      await pipe.drain()
      await port.close()
    },
  }
}

function readFailed(error: unknown): never {
  throw readError(error)
}

function whole(value: number, least: number, name: string): void {
  if (Number.isSafeInteger(value) && value >= least) return
  throw new PosternError('store.invalid', { publicMessage: `${name} is a whole number of at least ${least}.` })
}
