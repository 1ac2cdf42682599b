/// <reference types="node" />
/** Stores over Redis servers that are killed, cut off, stalled or failed over. */
import type { Store } from '@postern/store'
import { fromIoredis, type RedisOptions, redisStore } from '@postern/store/redis'
import type { CrashRig, FailoverRig } from '@postern/testkit/conformance'
import { type HostedStore, hostedStore } from '@postern/testkit/crash'
import { startRedis, startRedisPair } from '@postern/testkit/servers'
import { ioredisClient } from '../redisServer.js'

export function openRedis(port: number, o: Partial<RedisOptions> = {}): Promise<Store> {
  return redisStore({ port: fromIoredis(ioredisClient(port)), ...o })
}

/** @param script - the client, a process of its own @param serverToo - which dies at the same moment */
export async function killed(script: string, serverToo: boolean): Promise<CrashRig> {
  const server = await startRedis({ settings: { appendonly: 'yes', appendfsync: 'always' } })
  let hosted: HostedStore
  return {
    async store() {
      hosted = await hostedStore({ script, args: [String(server.port)] })
      return hosted
    },
    async kill() {
      await Promise.all([hosted.kill(), serverToo && server.kill()])
    },
    restart: async () => {
      if (serverToo) await server.start()
    },
    close: server.stop,
  }
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
