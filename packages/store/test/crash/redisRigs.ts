/// <reference types="node" />
/** Stores over Redis servers that are killed, cut off, stalled or failed over. */
import type { Store } from '@postern/store'
import { fromIoredis, type RedisOptions, redisStore } from '@postern/store/redis'
import type { CrashRig, ExchangeRig, FailoverRig, PressureRig } from '@postern/testkit/conformance'
import { type HostedStore, hostedStore } from '@postern/testkit/crash'
import { delayingProxy } from '@postern/testkit/proxy'
import { startRedis, startRedisPair } from '@postern/testkit/servers'
import { ioredisClient } from '../redisServer.js'

const DURABLE = { appendonly: 'yes', appendfsync: 'always' }

export function openRedis(port: number, o: Partial<RedisOptions> = {}): Promise<Store> {
  return redisStore({ port: fromIoredis(ioredisClient(port)), ...o })
}

export async function serverIsKilled(): Promise<CrashRig> {
  const server = await startRedis({ settings: DURABLE })
  return { store: () => openRedis(server.port), kill: server.kill, restart: server.start, close: server.stop }
}

/** @param script - the client, a process of its own */
export async function clientIsKilled(script: string): Promise<CrashRig> {
  const server = await startRedis({ settings: DURABLE })
  let hosted: HostedStore
  return {
    async store() {
      hosted = await hostedStore({ script, args: [String(server.port)] })
      return hosted
    },
    kill: () => hosted.kill(),
    restart: async () => {},
    close: server.stop,
  }
}

async function linked(o: Partial<RedisOptions>) {
  const server = await startRedis({ settings: DURABLE })
  const link = await delayingProxy({ target: server.port })
  const store = await openRedis(link.port, o)
  const close = async (): Promise<void> => {
    await link.close()
    await server.stop()
  }
  return { store, link, close }
}

export function connectionIsCut(): Promise<ExchangeRig> {
  return linked({})
}

export async function serverStandsStill(): Promise<PressureRig> {
  const maxQueue = 50
  const { store, link, close } = await linked({ maxQueue })
  return { store, holds: maxQueue, stall: async () => link.stall(), resume: async () => link.resume(), close }
}

/** @param o.wait - commits wait for the replica; without it one behind a slow link must be seen to lose */
export async function primaryIsKilled({ delayMs, wait }: { delayMs: number; wait?: RedisOptions['wait'] }): Promise<FailoverRig> {
  const pair = await startRedisPair({ delayMs })
  return {
    store: await openRedis(pair.primary.port, wait && { wait }),
    mustLose: wait === undefined,
    async fail() {
      await pair.primary.kill()
      await pair.promote()
      return openRedis(pair.replica.port)
    },
    close: pair.stop,
  }
}
