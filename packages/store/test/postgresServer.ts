/// <reference types="node" />
/** One throw-away PostgreSQL for the tests of a file, and stores over it: each over a table of its own, unless told otherwise. */
import type { Store } from '@postern/store'
import {
  fromPg,
  fromPostgresJs,
  migratePostgres,
  type PgPort,
  type PgSession,
  type PostgresOptions,
  postgresStore,
} from '@postern/store/postgres'
import { type PostgresServer, present, startPostgres } from '@postern/testkit/servers'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll } from 'vitest'

/** Whether the tests must be left out: the machine has no PostgreSQL, and nobody insists. */
export const noPostgres: boolean = !present.postgres && process.env['POSTERN_REQUIRE'] !== 'all'

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A client of PostgreSQL as a host sets it up. */
export type Client = 'pg' | 'postgres'

/** @param port - where the server answers, or a link to it */
export function portTo(port: number, client: Client = 'pg', max = 4): PgPort {
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  return client === 'pg' ? fromPg(new pg.Pool({ connectionString: url, max })) : fromPostgresJs((o) => postgres(url, o), { max })
}

export interface PostgresWorld {
  readonly server: PostgresServer
  /** The name of a table that is not there yet. */
  table(): string
  /** A port that is closed with the tests, if not before. */
  port(client?: Client, max?: number): PgPort
  /** A store over a fresh table, through a port of its own. */
  store(o?: Partial<PostgresOptions>): Promise<Store>
}

export function postgresWorld(settings: Readonly<Record<string, string>> = {}): PostgresWorld {
  let server: PostgresServer | undefined
  const ports: PgPort[] = []
  let tables = 0
  beforeAll(async () => {
    if (!noPostgres) server = await startPostgres({ settings })
  }, 300_000)
  afterAll(async () => {
    for (const port of ports) await port.close()
    await server?.stop()
  })
  const world: PostgresWorld = {
    get server() {
      return server!
    },
    table: () => `t${++tables}_kv`,
    port(client, max) {
      const port = closedOnce(portTo(server!.port, client, max))
      ports.push(port)
      return port
    },
    async store(o = {}) {
      const { port = world.port(), table = world.table(), topology = 'single', ...rest } = o
      await migratePostgres(port, { table })
      return postgresStore({ port, table, topology, ...rest })
    },
  }
  return world
}

function closedOnce(port: PgPort): PgPort {
  let closing: Promise<void> | undefined
  return { ...port, close: () => (closing ??= port.close()) }
}

/** The port, which outlives the stores over it. */
export function kept(port: PgPort): PgPort {
  return { ...port, close: async () => {} }
}

/** The port with its sessions changed. */
export function over(port: PgPort, change: (session: PgSession) => PgSession): PgPort {
  return { ...port, withSession: (use) => port.withSession((session) => use(change(session))) }
}

/** A port whose next write fails as a socket does, before it is sent or after it was answered. */
export function cuttable(port: PgPort): { port: PgPort; cut(when: 'before' | 'after'): void } {
  let next: 'before' | 'after' | null = null
  return {
    cut(when) {
      next = when
    },
    port: over(port, ({ query }) => ({
      async query(name, text, values) {
        const when = /insert|update|delete|_commit/.test(text) ? next : null
        if (when !== null) next = null
        if (when === 'before') throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
        const answer = await query(name, text, values)
        if (when === 'after') throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
        return answer
      },
    })),
  }
}
