/// <reference types="node" />
import { redisStore } from '@postern/store/redis'
import { storeConformance } from '@postern/testkit/conformance'
import { startRedisCluster } from '@postern/testkit/servers'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { clusterClients, skipRedis } from '../redisServer.js'

let cluster: Awaited<ReturnType<typeof startRedisCluster>>
beforeAll(async () => {
  if (!skipRedis) cluster = await startRedisCluster()
}, 300_000)
afterAll(() => cluster?.stop())

describe.skipIf(skipRedis).each(clusterClients)('redis cluster over %s', (_name, openPort) => {
  const cases = storeConformance(
    async ({ graceMs }) => {
      for (const node of cluster.nodes.slice(0, 3)) await node.cli('flushall')
      return redisStore({ port: await openPort(cluster.nodes[0]!.port), graceMs })
    },
    // Cut, killed and stalled as a single server, in redis.test.ts; slots that move are in ../unit/redisCluster.test.ts.
    { skip: ['outbox', 'sweep', 'outcome', 'exchange', 'crash', 'failover', 'pressure'], scale: 0.5 },
  )
  for (const { name, run, leftOut } of cases) (leftOut ? it.skip : it)(name, run)
})
