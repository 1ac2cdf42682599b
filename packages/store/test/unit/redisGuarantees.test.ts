/// <reference types="node" />
import { requireGuarantee } from '@postern/store'
import { fromIoredis, fromNodeRedis, type RedisPort, redisStore } from '@postern/store/redis'
import { type RedisServer, startRedis } from '@postern/testkit/servers'
import { Cluster, Redis } from 'ioredis'
import { createClient, createClientPool, createCluster, createSentinel } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ioredisClient, once, singleClients, skipRedis } from '../redisServer.js'

describe.skipIf(skipRedis)('what a server says of itself', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())

  const guaranteesOver = async (port: RedisPort) => {
    const store = await redisStore({ port })
    await store.close()
    return store.guarantees
  }

  it.each([
    [{ appendonly: 'no' }, 'none'],
    [{ appendonly: 'yes', appendfsync: 'everysec' }, 'none'],
    [{ appendonly: 'yes', appendfsync: 'always', 'no-appendfsync-on-rewrite': 'yes' }, 'process'],
    [{ appendonly: 'yes', appendfsync: 'always', 'no-appendfsync-on-rewrite': 'no' }, 'power'],
    [{ appendonly: 'yes', appendfsync: 'no' }, 'none'],
  ])('%j is durable: %s, and at failover it may lose', async (settings, durable) => {
    for (const [name, value] of Object.entries(settings)) await server.cli('config', 'set', name, value)
    for (const [, openPort] of singleClients)
      expect(await guaranteesOver(await openPort(server.port))).toEqual({ durable, failover: 'may-lose' })
    await server.cli('config', 'set', 'appendonly', 'no')
  })

  it('what CONFIG does not show counts as the worst', async () => {
    for (const [name, value] of [
      ['appendonly', 'yes'],
      ['appendfsync', 'always'],
    ])
      await server.cli('config', 'set', name!, value!)
    await server.cli('acl', 'setuser', 'app', 'on', 'nopass', '~*', '+@all', '-config')
    const client = new Redis({ port: server.port, username: 'app', password: 'any', ...once })
    expect(await guaranteesOver(fromIoredis(client))).toEqual({ durable: 'none', failover: 'may-lose' })
    await server.cli('config', 'set', 'appendonly', 'no')
  })

  it('kinds that must not be forgotten refuse it', async () => {
    const store = await redisStore({ port: fromIoredis(ioredisClient(server.port)) })
    expect(() => requireGuarantee(store, 'fam', { failover: 'none' })).toThrow('fam needs a store')
    await store.close()
  })

  const refusal = async (port: RedisPort) => {
    const error = await redisStore({ port }).catch((one) => one)
    await port.close()
    return error
  }

  it.each(['allkeys-lru', 'volatile-ttl'])('a server that evicts (%s) is refused, with what to set', async (policy) => {
    await server.cli('config', 'set', 'maxmemory-policy', policy)
    const error = await refusal(fromIoredis(ioredisClient(server.port)))
    expect(error).toMatchObject({
      code: 'store.refused_guarantee',
      publicMessage: expect.stringContaining('set maxmemory-policy to noeviction'),
    })
    await server.cli('config', 'set', 'maxmemory-policy', 'noeviction')
  })

  it('a replica is refused', async () => {
    await server.cli('replicaof', '127.0.0.1', '1')
    const error = await refusal(fromIoredis(ioredisClient(server.port)))
    expect(error).toMatchObject({ code: 'store.refused_guarantee', publicMessage: expect.stringContaining('primary') })
    await server.cli('replicaof', 'no', 'one')
  })

  it.each([
    ['6.0.16', 'redis_version:6.0.16', false],
    ['6.2', 'redis_version:6.2.14', true],
    ['Valkey', 'redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0', true],
    ['one that does not say', 'redis_build_id:1', false],
  ])('version %s is taken or refused by what INFO shows', async (_name, says, taken) => {
    const port = fromIoredis(ioredisClient(server.port))
    const dressed: RedisPort = {
      ...port,
      async send(key, ...args) {
        const reply = await port.send(key, ...args)
        return args[0] === 'INFO' ? new TextDecoder().decode(reply as Uint8Array).replace(/redis_version:.*/, says) : reply
      },
    }
    if (taken) {
      const store = await redisStore({ port: dressed, index: false })
      const marker = { op: 'put', key: 'j', value: new Uint8Array(0), rev: null } as const
      const o = { now: 1, rev: 'A'.repeat(16) }
      await server.cli('flushall')
      expect([
        await store.commit({ tenant: 'a', id: 'b' }, [marker], o),
        await store.commit({ tenant: 'a', id: 'b' }, [marker], o),
      ]).toMatchObject([{ ok: true }, { ok: false }])
      await store.close()
    } else
      expect(await refusal(dressed)).toMatchObject({
        code: 'store.refused_guarantee',
        publicMessage: expect.stringContaining('Redis 6.2'),
      })
  })

  it('nobody there is unavailable', async () => {
    const error = await refusal(fromIoredis(new Redis({ port: 1, retryStrategy: null, ...once }).on('error', () => {})))
    expect(error).toMatchObject({ code: 'store.unavailable' })
  })
})

describe('clients that send a commit twice, or to a replica, are refused with what to set', () => {
  const refused = (open: () => unknown, words: string) => {
    let error: unknown
    try {
      open()
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'store.refused_guarantee', publicMessage: expect.stringContaining(words) })
  }

  it.each([
    [{}, 'maxRetriesPerRequest: 0'],
    [{ autoResendUnfulfilledCommands: false }, 'maxRetriesPerRequest: 0'],
    [{ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: null }, 'maxRetriesPerRequest: 0'],
    [{ maxRetriesPerRequest: 0 }, 'autoResendUnfulfilledCommands: false'],
    [{ ...once, keyPrefix: 'app:' }, 'keyPrefix'],
    [{ ...once, readOnly: true }, 'primary'],
    [{ ...once, sentinels: [{ host: '127.0.0.1', port: 1 }], name: 'x', role: 'slave' as const }, 'primary'],
  ])('ioredis with %j', (options, words) => {
    const client = new Redis({ lazyConnect: true, ...options })
    refused(() => fromIoredis(client), words)
    client.disconnect()
  })

  it.each([
    [{}, 'redisOptions'],
    [{ redisOptions: once }, 'retryDelayOnFailover: 0'],
    [{ redisOptions: once, retryDelayOnFailover: 0, scaleReads: 'slave' as const }, 'scaleReads'],
    [{ redisOptions: once, retryDelayOnFailover: 0, keyPrefix: 'app:' }, 'keyPrefix'],
  ])('ioredis Cluster with %j', (options, words) => {
    const client = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true, ...options })
    refused(() => fromIoredis(client), words)
    client.disconnect()
  })

  it('node-redis: a Sentinel client, a pool, a prefix', () => {
    const sentinel = createSentinel({ name: 'x', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] })
    refused(() => fromNodeRedis(sentinel as never), 'createClient')
    refused(() => fromNodeRedis(createClientPool() as never), 'createClient')
    refused(() => fromNodeRedis(createClient({ keyPrefix: 'app:' })), 'keyPrefix')
    refused(() => fromNodeRedis(createCluster({ rootNodes: [], keyPrefix: 'app:' })), 'keyPrefix')
  })
})
