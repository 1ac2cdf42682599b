/// <reference types="node" />
/** The rows over two nodes on one Redis: two stores, each through a client of its own. */
import { redisStore } from '@postern/store/redis'
import { type RedisServer, startRedis } from '@postern/testkit/servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OpenPort, singleClients, skipRedis } from '../redisServer.js'
import { attackRows, commit, fifty, now, user, won } from './rows.js'

describe.skipIf(skipRedis)('over Redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis({ settings: { appendonly: 'yes', appendfsync: 'always' } })
  })
  afterAll(() => server?.stop())
  const nodes = async (openPort: OpenPort, index = true) => {
    await server.cli('flushall')
    return Promise.all([0, 1].map(async () => redisStore({ port: await openPort(server.port), index })))
  }

  describe.each(singleClients)('two nodes over %s', (_name, openPort) => {
    attackRows(() => nodes(openPort))

    it('T31 DPoP proof, replayed to two nodes that keep no index, 50 parallel: one success, while it lasts and until the grace is over', async () => {
      const stores = await nodes(openPort, false)
      const marker = { op: 'put', key: 'j/1', value: new Uint8Array(0), rev: null, expiresAt: now + 60_000 } as const
      expect(won(await fifty((i) => commit(stores[i % 2]!, [marker])))).toBe(1)
      // A node whose clock runs 30 s behind, when the marker is over for the other.
      const late = { ...marker, expiresAt: now + 120_000 }
      expect(await stores[1]!.commit(user, [marker], { now: now + 59_999, rev: 'R'.repeat(16) })).toMatchObject({ ok: false })
      expect(await stores[0]!.commit(user, [late], { now: now + 60_000, rev: 'S'.repeat(16) })).toMatchObject({ ok: true })
      expect(await stores[1]!.commit(user, [late], { now: now + 30_000, rev: 'T'.repeat(16) })).toMatchObject({ ok: false })
      for (const store of stores) await store.close()
    })

    it('T31 replay after a restart: with appendfsync always the marker outlives its server', async () => {
      const use = async () => {
        const store = await redisStore({ port: await openPort(server.port) })
        const answer = await commit(store, [
          { op: 'put', key: 'j/1', value: new Uint8Array(0), rev: null, expiresAt: now + 60_000 },
        ])
        await store.close()
        await server.kill()
        await server.start()
        return answer.ok
      }
      await server.cli('flushall')
      expect([await use(), await use(), await use()]).toEqual([true, false, false])
    })

    it('A01 guesses counted alone and guesses counted with others share one limit, over two nodes', async () => {
      const [one, two] = await nodes(openPort)
      const answers = await fifty((i) =>
        i % 2
          ? commit(one!, [{ op: 'add', key: 'pin', by: 1, max: 5 }])
          : commit(two!, [
              { op: 'add', key: 'pin', by: 1, max: 5 },
              { op: 'add', key: 'pin/failed', by: 1, max: 30 },
            ]),
      )
      expect(won(answers)).toBe(5)
      expect((await one!.read(user, ['pin'], { now }))[0]?.n).toBe(5)
      for (const store of [one!, two!]) await store.close()
    })
  })
})
