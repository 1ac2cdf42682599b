/// <reference types="node" />
import { setTimeout as sleep } from 'node:timers/promises'
import { type RedisOptions, redisStore } from '@postern/store/redis'
import { type ConformanceOptions, type KitContext, storeConformance } from '@postern/testkit/conformance'
import { type DelayingProxy, delayingProxy } from '@postern/testkit/proxy'
import { type RedisServer, startRedis } from '@postern/testkit/servers'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { type OpenPort, singleClients, skipRedis } from '../redisServer.js'

let server: RedisServer
beforeAll(async () => {
  if (!skipRedis) server = await startRedis()
})
afterAll(() => server?.stop())

describe.skipIf(skipRedis).each(singleClients)('redis over %s', (_name, openPort) => {
  const cases = storeConformance(freshStore(openPort), {
    ...rigs(openPort),
    // Failed over in ../crash/failover.test.ts.
    skip: ['outbox', 'sweep', 'failover'],
    rounds: 3,
  })
  for (const { name, run, leftOut } of cases) (leftOut ? it.skip : it)(name, run, 120_000)
})

describe.skipIf(skipRedis).each(singleClients)('redis without an index, over %s', (_name, openPort) => {
  const cases = storeConformance(freshStore(openPort, { index: false }), {
    skip: ['list', 'outbox', 'sweep', 'outcome', 'exchange', 'crash', 'failover', 'pressure'],
  })
  for (const { name, run, leftOut } of cases) (leftOut ? it.skip : it)(name, run)
})

/** An empty server, and a client of its own. */
function freshStore(openPort: OpenPort, o: Partial<RedisOptions> = {}) {
  return async ({ graceMs }: KitContext) => {
    await server.cli('flushall')
    return redisStore({ port: await openPort(server.port), graceMs, ...o })
  }
}

function rigs(openPort: OpenPort): ConformanceOptions {
  const linked = async (o: Partial<RedisOptions> = {}) => {
    await server.cli('flushall')
    const link = await delayingProxy({ target: server.port })
    return { link, store: await redisStore({ port: await openPort(link.port), ...o }) }
  }
  return {
    sleep: (ms) => sleep(ms),

    cuttable: async () => {
      const { link, store } = await linked()
      return {
        store: { ...store, close: () => store.close().finally(() => link.close()) },
        cut: (when) => lose(link, when),
      }
    },

    exchange: async () => {
      const { link, store } = await linked()
      return { store, link, close: () => link.close() }
    },

    pressure: async () => {
      const { link, store } = await linked({ maxQueue: 50 })
      return {
        store,
        holds: 50,
        stall: async () => link.stall(),
        resume: async () => link.resume(),
        close: () => link.close(),
      }
    },

    crash: async () => {
      const mortal = await startRedis({ settings: { appendonly: 'yes', appendfsync: 'always' } })
      return {
        store: async () => redisStore({ port: await openPort(mortal.port) }),
        kill: () => mortal.kill(),
        restart: () => mortal.start(),
        close: () => mortal.stop(),
      }
    },
  }
}

/** Of the commit, or of its answer, a single byte gets through. */
function lose(link: DelayingProxy, when: 'before' | 'after'): void {
  link.cutAfter(when === 'before' ? 'up' : 'down', 1)
}
