/// <reference types="node" />
/** Stores by URL, over drivers that are loaded when they are asked for: whoever uses none has none to install. */
import { existsSync } from 'node:fs'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Store } from '@postern/store'
import type { OpenedStore } from './io.js'
import { Usage } from './usage.js'

/**
 * `sqlite:<file>` or `postgres://…`; `@<file>` reads the URL from a file, for a password that no list of processes shows.
 * @throws Usage for another URL, one with a password that was typed, a file that cannot be read, or a driver that is not installed
 * @throws PosternError `store.unavailable`
 */
export async function openStore(url: string, read: (path: string) => Promise<string>): Promise<OpenedStore> {
  const named = url.startsWith('@') ? await lineOf(url.slice(1), read) : url
  if (named === url && hasPassword(url))
    throw new Usage('A password that is typed stands in every list of processes: write the URL into a file, and --store @<file>.')
  if (named.startsWith('sqlite:')) return openSqlite(named.slice('sqlite:'.length))
  if (/^postgres(ql)?:\/\//.test(named)) return openPostgres(named)
  throw new Usage('--store is sqlite:<file>, postgres://… or @<file> with one of them.')
}

async function openSqlite(file: string): Promise<OpenedStore> {
  const { default: Database } = await driver('libsql', () => import('libsql'))
  const { sqliteStore } = await import('@postern/store/sqlite')
  let held: Store | undefined
  // Opening it makes its table, and the file where there is none.
  const open = () => (held ??= reached(() => sqliteStore(new Database(file))))
  return {
    async migrate() {
      open()
      return `${file}: up to date`
    },
    async store() {
      // Where a name is mistyped, the right database would stay as it was.
      if (!existsSync(file))
        throw new PosternError('store.unavailable', { publicMessage: `There is no database ${file}; store migrate makes one.` })
      return open()
    },
    close: async () => held?.close(),
  }
}

async function openPostgres(url: string): Promise<OpenedStore> {
  const { default: pg } = await driver('pg', () => import('pg'))
  const { fromPg, migratePostgres, postgresStore } = await import('@postern/store/postgres')
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  // A connection that breaks while nobody uses it is met by the next query.
  pool.on('error', () => undefined)
  const port = fromPg(pool)
  return {
    async migrate() {
      await reachedLater(() => migratePostgres(port))
      return 'up to date'
    },
    store: () => reachedLater(() => postgresStore({ port })),
    async close() {
      await pool.end()
    },
  }
}

async function lineOf(path: string, read: (path: string) => Promise<string>): Promise<string> {
  try {
    return (await read(path)).trim()
  } catch (cause) {
    throw new Usage(`${path} cannot be read.`, { cause })
  }
}

function hasPassword(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { password, searchParams } = new URL(url)
  return password !== '' || searchParams.has('password')
}

async function driver<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw new Usage(`The driver ${name} is not installed here; npm install ${name}.`, { cause })
  }
}

function reached<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw unavailable(cause)
  }
}

async function reachedLater<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw unavailable(cause)
  }
}

/** What a driver says may carry the URL; only that it failed goes on. */
function unavailable(cause: unknown): PosternError {
  return isPosternError(cause) ? cause : new PosternError('store.unavailable', { cause })
}
