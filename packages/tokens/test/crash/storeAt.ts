/** The store at an address: a URL is PostgreSQL's, anything else a file of SQLite. */
import type { Store } from '@postern/store'
import { fromPg, migratePostgres, postgresStore } from '@postern/store/postgres'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import pg from 'pg'

export async function storeAt(address: string): Promise<Store> {
  if (!address.startsWith('postgres://')) return sqliteStore(new Database(address))
  const port = fromPg(new pg.Pool({ connectionString: address, max: 4 }))
  await migratePostgres(port)
  return postgresStore({ port, topology: 'single' })
}
