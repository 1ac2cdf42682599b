// @ts-check
// The PostgreSQL and Redis drivers over their clients, against servers that the runner started. Nothing is loaded before a case asks for it.
import { fromPg, fromPostgresJs, migratePostgres, postgresStore } from '@postern/store/postgres'
import { fromIoredis, fromNodeRedis, redisStore } from '@postern/store/redis'
import { conformance } from './store.js'

/** Their ports on 127.0.0.1, from the runner; a machine without a server leaves its cases out, and the runner says so. */
const { POSTERN_TEST_POSTGRES: postgres, POSTERN_TEST_REDIS: redis } = globalThis.process?.env ?? {}

/** @type {readonly import('../suite.js').Runtime[]} */
const served = ['node20', 'node22', 'node24', 'deno', 'bun']
const url = `postgres://postgres@127.0.0.1:${postgres}/postgres`

/** @type {Record<string, () => Promise<import('@postern/store/postgres').PgPort>>} */
const postgresClients = {
  pg: async () => fromPg(new (await import('pg')).default.Pool({ connectionString: url })),
  postgres: async () => {
    const { default: connect } = await import('postgres')
    return fromPostgresJs((o) => connect(url, o), { max: 4 })
  },
}

/** @type {Record<string, () => Promise<import('@postern/store/redis').RedisPort>>} */
const redisClients = {
  ioredis: async () => {
    const { Redis } = await import('ioredis')
    return fromIoredis(new Redis({ port: Number(redis), autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 }))
  },
  'node-redis': async () => {
    const client = (await import('redis')).createClient({ socket: { port: Number(redis) } })
    await client.connect()
    return fromNodeRedis(client)
  },
}

let tables = 0

export const cases = [
  ...Object.entries(postgresClients).flatMap(([name, open]) =>
    conformance(
      `postgres over ${name}`,
      async ({ graceMs }) => {
        const port = await open()
        // A name of its own for each store of each runtime: they share the server.
        const table = `t${Math.trunc(performance.timeOrigin).toString(36)}_${name}_${++tables}`
        await migratePostgres(port, { table })
        return postgresStore({ port, table, topology: 'single', graceMs })
      },
      { only: postgres ? served : [] },
    ),
  ),
  ...Object.entries(redisClients).flatMap(([name, open]) =>
    conformance(
      `redis over ${name}`,
      async ({ graceMs }) => {
        const port = await open()
        await port.send('', 'FLUSHALL')
        return redisStore({ port, graceMs })
      },
      { only: redis ? served : [], skip: ['outbox', 'sweep'] },
    ),
  ),
]
