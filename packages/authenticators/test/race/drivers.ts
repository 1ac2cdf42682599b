/// <reference types="node" />
/** Memory, SQLite on a file and PostgreSQL, each store fresh; what a machine lacks is to be skipped. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { fromPg, migratePostgres, type PgPort, postgresStore } from '@postern/store/postgres'
import { sqliteStore } from '@postern/store/sqlite'
import { type PostgresServer, present, startPostgres } from '@postern/testkit/servers'
import Database from 'libsql'
import pg from 'pg'
import { afterAll } from 'vitest'

export interface Driver {
  readonly name: string
  readonly skip: boolean
  open(): Promise<Store>
}

/** To be called once a file: what it opens ends with the file's tests. */
export function driversOf(name: string): readonly Driver[] {
  const folder = mkdtempSync(join(tmpdir(), `postern-${name}-`))
  const closing: (() => Promise<unknown>)[] = []
  let server: Promise<PostgresServer> | undefined
  let pool: pg.Pool | undefined
  let port: PgPort | undefined
  let made = 0
  afterAll(async () => {
    for (const close of closing) await close()
    await pool?.end()
    await (await server)?.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return [
    { name: 'memory', skip: false, open: async () => memoryStore() },
    {
      name: 'SQLite',
      skip: false,
      async open() {
        const store = sqliteStore(new Database(join(folder, `${made++}.db`)))
        closing.push(() => store.close())
        return store
      },
    },
    {
      name: 'PostgreSQL',
      skip: !present.postgres && process.env['POSTERN_REQUIRE'] !== 'all',
      async open() {
        server ??= startPostgres()
        pool ??= new pg.Pool({ connectionString: (await server).url })
        port ??= fromPg(pool)
        const table = `t${++made}_kv`
        await migratePostgres(port, { table })
        return postgresStore({ port, table, topology: 'single' })
      },
    },
  ]
}
