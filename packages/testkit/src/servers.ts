/// <reference types="node" />
/**
 * Throw-away PostgreSQL and Redis, for Node on Linux: real servers on free ports, each over a folder of its own. `stop` ends a server by
 * its process id and removes the folder; so does the death of the tests, however they die.
 */
import { freshPostgres, type Settings, standbyPostgres } from './internal/servers/postgres.js'
import { postgresFolder, runs } from './internal/servers/programs.js'
import { freshRedis, joinCluster } from './internal/servers/redis.js'
import { until } from './internal/servers/until.js'
import { type DelayingProxy, delayingProxy } from './proxy.js'

/** Which programs this machine has: a test skips, visibly, what is absent. Asked when read, not when loaded. */
export const present: { readonly postgres: boolean; readonly redis: boolean; readonly strace: boolean } = {
  get postgres() {
    return postgresFolder() !== null && runs('psql', '--version')
  },
  get redis() {
    return runs('redis-server', '--version') && runs('redis-cli', '--version')
  },
  get strace() {
    return runs('strace', '-V')
  },
}

interface Server {
  /** On 127.0.0.1, below 22,000. */
  readonly port: number
  readonly folder: string
  /** The process id while it runs. */
  readonly pid: number | undefined
  /** SIGKILL of the server and every child; when it returns, none of them is left. */
  kill(): Promise<void>
  /** Runs it again over the same folder. */
  start(): Promise<void>
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

export interface PostgresServer extends Server {
  /** For a client: user and database `postgres`, no password. */
  readonly url: string
  /** What `psql` prints, unaligned and without headings: the oracle. @throws Error with the server's message */
  psql(sql: string): Promise<string>
  /** `alter system`, and waits until it is in force. */
  set(settings: Settings): Promise<void>
  /** Makes a standby a primary, and waits until it is one. */
  promote(): Promise<void>
}

export interface RedisServer extends Server {
  /** What `redis-cli` prints: the oracle. */
  cli(...args: readonly string[]): Promise<string>
}

/** A fresh PostgreSQL with `fsync` and `synchronous_commit` on, as they come. @param o.settings - of the command line: `set` does not change these */
export function startPostgres(o: { settings?: Settings } = {}): Promise<PostgresServer> {
  return freshPostgres(o.settings)
}

export interface PostgresPair {
  readonly primary: PostgresServer
  readonly standby: PostgresServer
  /** What the standby hears the primary through. */
  readonly link: DelayingProxy
  stop(): Promise<void>
}

/**
 * A primary and a hot standby that follows it through a link.
 * @param o.synchronous - commits wait until the standby has them on disk (`synchronous_standby_names`)
 * @param o.delayMs - of each direction of the link; 0 by default
 */
export async function startPostgresPair(o: { synchronous: boolean; delayMs?: number }): Promise<PostgresPair> {
  const { synchronous, delayMs = 0 } = o
  const started: { stop?(): Promise<void>; close?(): Promise<void> }[] = []
  try {
    const primary = keep(started, await freshPostgres())
    const link = keep(started, await delayingProxy({ target: primary.port }))
    takeAlong(primary, link)
    const standby = keep(started, await standbyPostgres(link.port))
    if (synchronous) await primary.set({ synchronous_standby_names: 'standby', synchronous_commit: 'on' })
    const wanted = `streaming ${synchronous ? 'sync' : 'async'}`
    await until(async () => (await primary.psql(`select state || ' ' || sync_state from pg_stat_replication`)) === wanted)
    link.delay(delayMs)
    return { primary, standby, link, stop: () => endAll(started) }
  } catch (error) {
    await endAll(started)
    throw error
  }
}

/** A fresh Redis without snapshots. @param o.settings - lines of its configuration, `{ appendonly: 'yes' }` */
export function startRedis(o: { settings?: Settings } = {}): Promise<RedisServer> {
  return freshRedis(o.settings)
}

export interface RedisPair {
  readonly primary: RedisServer
  readonly replica: RedisServer
  /** What the replica hears the primary through. */
  readonly link: DelayingProxy
  /** Makes the replica a primary. */
  promote(): Promise<void>
  stop(): Promise<void>
}

/** A primary and a replica that follows it through a link. @param o.delayMs - of each direction of the link; 0 by default */
export async function startRedisPair(o: { delayMs?: number; settings?: Settings } = {}): Promise<RedisPair> {
  const { delayMs = 0, settings } = o
  const started: { stop?(): Promise<void>; close?(): Promise<void> }[] = []
  try {
    const primary = keep(started, await freshRedis(settings))
    const link = keep(started, await delayingProxy({ target: primary.port }))
    takeAlong(primary, link)
    const replica = keep(started, await freshRedis({ ...settings, replicaof: `127.0.0.1 ${link.port}` }))
    // `master_link_status:up` on the replica comes a second too early: the primary sends nothing before the first acknowledgement.
    await until(async () => /^slave0:.*state=online/m.test(await primary.cli('info', 'replication')))
    link.delay(delayMs)
    const promote = async (): Promise<void> => void (await replica.cli('replicaof', 'no', 'one'))
    return { primary, replica, link, promote, stop: () => endAll(started) }
  } catch (error) {
    await endAll(started)
    throw error
  }
}

/** A Redis Cluster: the first three nodes are the primaries, the others their replicas. */
export async function startRedisCluster(): Promise<{ readonly nodes: readonly RedisServer[]; stop(): Promise<void> }> {
  const nodes: RedisServer[] = []
  const stop = () => endAll(nodes)
  try {
    while (nodes.length < 6) nodes.push(await freshRedis({ 'cluster-enabled': 'yes', 'cluster-node-timeout': '2000' }))
    await joinCluster(nodes)
    return { nodes, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A dead machine sends nothing more; a dying process on a busy one may take longer than the link to be seen dead. */
function takeAlong(primary: Server, link: DelayingProxy): void {
  const { kill } = primary
  Object.assign(primary, {
    async kill() {
      const dead = kill()
      link.cut()
      await dead
    },
  })
}

function keep<T>(list: unknown[], one: T): T {
  list.push(one)
  return one
}

/** The last started ends first. */
async function endAll(started: readonly { stop?(): Promise<void>; close?(): Promise<void> }[]): Promise<void> {
  for (const one of started.toReversed()) await (one.stop ?? one.close)?.()
}
