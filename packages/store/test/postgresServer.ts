/// <reference types="node" />
/** One throw-away PostgreSQL for the tests of a file, and stores over it: each over a table of its own, unless told otherwise. */
import type { Store } from '@postern/store'
import { fromPg, migratePostgres, type PgPort, type PostgresOptions, postgresStore } from '@postern/store/postgres'
import { type PostgresServer, present, startPostgres } from '@postern/testkit/servers'
import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'

/** Whether the tests must be left out: the machine has no PostgreSQL, and nobody insists. */
export const noPostgres: boolean = !present.postgres && process.env['POSTERN_REQUIRE'] !== 'all'

export interface PostgresWorld {
  readonly server: PostgresServer
  /** A pool that is ended with the tests. */
  pool(o?: pg.PoolConfig): pg.Pool
  /** The name of a table that is not there yet. */
  table(): string
  /** A store over a fresh table, through a pool of its own. */
  store(o?: Partial<PostgresOptions>): Promise<Store>
}

export function postgresWorld(settings: Readonly<Record<string, string>> = {}): PostgresWorld {
  let server: PostgresServer | undefined
  const pools: pg.Pool[] = []
  let tables = 0
  beforeAll(async () => {
    if (!noPostgres) server = await startPostgres({ settings })
  }, 60_000)
  afterAll(async () => {
    for (const pool of pools) if (!pool.ended) await pool.end()
    await server?.stop()
  })
  const world: PostgresWorld = {
    get server() {
      return server!
    },
    pool(o = {}) {
      const pool = new pg.Pool({ connectionString: server!.url, max: 4, ...o })
      pools.push(pool)
      return pool
    },
    table: () => `t${++tables}_kv`,
    async store(o = {}) {
      const { port = fromPg(world.pool()), table = world.table(), topology = 'single', ...rest } = o
      await migratePostgres(port, { table })
      return postgresStore({ port, table, topology, ...rest })
    },
  }
  return world
}

/** The port, which outlives the stores over it. */
export function kept(port: PgPort): PgPort {
  return { ...port, close: async () => {} }
}
