/// <reference types="node" />
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore } from '@postern/store/memory'
import { type CrashRig, storeConformance } from '@postern/testkit/conformance'
import { startRedis } from '@postern/testkit/servers'
import { type SlowDisk, slowSyncs } from '@postern/testkit/syncs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import { judge, no } from './judge.js'
import { killed, openRedis } from './redisRigs.js'

// The server alone is killed, cut off and stalled in ../conformance.
describe.skipIf(no('redis'))('Redis', () => {
  let host: Bundle
  beforeAll(async () => {
    host = await bundle(new URL('./redisHost.ts', import.meta.url))
  })
  afterAll(() => host.remove())

  describe.each([
    ['client is', false],
    ['client and server are', true],
  ])('whose %s killed', (_what, serverToo) =>
    judge({ crash: () => killed(host.script, serverToo) }, /kill -9|to survive/, 'A02 '),
  )
})

/** While a sync is under way Redis holds back what it should write, for up to two seconds, and answers all the same. */
async function everysecOverStalledDisk(): Promise<CrashRig> {
  const server = await startRedis({ settings: { appendonly: 'yes', appendfsync: 'everysec' } })
  let disk: SlowDisk | undefined
  return {
    async store() {
      if (disk) return openRedis(server.port)
      disk = await slowSyncs({ pid: server.pid!, ms: 5_000 })
      // Syncs begin with a write, once a second.
      while (!/aof_pending_bio_fsync:1/.test(await server.cli('info', 'persistence'))) await server.cli('set', 'first', '1')
      return openRedis(server.port)
    },
    async kill() {
      await Promise.all([server.kill(), disk?.end()])
    },
    restart: server.start,
    close: server.stop,
  }
}

describe.skipIf(no('redis') || no('strace'))('Redis with appendfsync everysec', () => {
  it('A02 forgets what it acknowledged when it is killed over a disk that stalls, and the kit sees it', async () => {
    const cases = storeConformance(async () => memoryStore(), { sleep, rounds: 1, crash: everysecOverStalledDisk })
    const stored = cases.find(({ name }) => name.startsWith('kill -9: what was acknowledged'))!
    await expect(stored.run()).rejects.toThrow(/round 1 of 1: expected \[\], got \["marker/)
  })
})
