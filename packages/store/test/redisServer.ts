/// <reference types="node" />
/** Real Redis servers and clients for the tests: started for a file, ended after it. */
import { fromIoredis, fromNodeRedis, type NodeRedisCluster, type NodeRedisSingle, type RedisPort } from '@postern/store/redis'
import { present, type RedisServer } from '@postern/testkit/servers'
import { Cluster, Redis } from 'ioredis'
import { createClient, createCluster } from 'redis'

/** Whether tests must be left out: the machine has no Redis, and nobody insists. */
export const skipRedis: boolean = !present.redis && process.env['POSTERN_REQUIRE'] !== 'all'

/** What makes ioredis send each command once. */
export const once = { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 } as const

/** Opens a client to a port of this machine as the driver wants it. */
export type OpenPort = (port: number) => Promise<RedisPort>

export function ioredisClient(port: number, o: { readonly enableAutoPipelining?: boolean } = {}): Redis {
  const client = new Redis({ port, retryStrategy: () => 20, ...once, ...o })
  client.on('error', () => {})
  return client
}

export async function nodeRedisClient(port: number): Promise<NodeRedisSingle> {
  const client = createClient({ socket: { port, reconnectStrategy: () => 20 }, commandOptions: { timeout: 500 } })
  client.on('error', () => {})
  await client.connect()
  return client
}

export function ioredisCluster(port: number): Cluster {
  const client = new Cluster([{ host: '127.0.0.1', port }], { retryDelayOnFailover: 0, redisOptions: once })
  client.on('error', () => {})
  return client
}

export async function nodeRedisCluster(port: number): Promise<NodeRedisCluster> {
  const client = createCluster({ rootNodes: [{ socket: { host: '127.0.0.1', port } }] })
  client.on('error', () => {})
  await client.connect()
  return client
}

export const singleClients: readonly (readonly [string, OpenPort])[] = [
  ['ioredis', async (port) => fromIoredis(ioredisClient(port))],
  ['ioredis with auto-pipelining', async (port) => fromIoredis(ioredisClient(port, { enableAutoPipelining: true }))],
  ['node-redis', async (port) => fromNodeRedis(await nodeRedisClient(port))],
]

export const clusterClients: readonly (readonly [string, OpenPort])[] = [
  ['ioredis', async (port) => fromIoredis(ioredisCluster(port))],
  ['node-redis', async (port) => fromNodeRedis(await nodeRedisCluster(port))],
]

/** How often the server ran each command since its statistics were reset. */
export async function calls(server: RedisServer): Promise<ReadonlyMap<string, number>> {
  const stats = await server.cli('info', 'commandstats')
  return new Map([...stats.matchAll(/cmdstat_(\S+?):calls=([1-9]\d*)/g)].map(([, name, count]) => [name!, Number(count)]))
}
