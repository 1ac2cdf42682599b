import { redisStore } from '@postern/store/redis'
import { storeConformance } from '@postern/testkit/conformance'
import { delayingProxy } from '@postern/testkit/proxy'
import { type RedisServer, startRedis } from '@postern/testkit/servers'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { singleClients, skipRedis } from '../redisServer.js'

describe.skipIf(skipRedis).each(singleClients)('redis over %s', (_name, openPort) => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())

  const cases = storeConformance(
    async ({ graceMs }) => {
      await server.cli('flushall')
      return redisStore({ port: await openPort(server.port), graceMs })
    },
    {
      skip: ['outbox', 'sweep'],
      cuttable: async ({ graceMs }) => {
        await server.cli('flushall')
        const link = await delayingProxy({ target: server.port })
        const port = await openPort(link.port)
        const store = await redisStore({ port, graceMs })
        return {
          store: { ...store, close: () => store.close().finally(() => link.close()) },
          // Of the commit itself, or of its answer, a single byte gets through.
          cut: (when) => link.cutAfter(when === 'before' ? 'up' : 'down', 1),
        }
      },
    },
  )
  for (const { name, run } of cases) it(name, run)
})
