// @ts-check
// The SQLite driver over each client that a runtime has, on files. Nothing native is loaded before a case asks for it.
import { sqliteStore } from '@postern/store/sqlite'
import { conformance } from './store.js'

/** @typedef {import('@postern/store/sqlite').SqliteDatabase} Handle */

/** There for Node 20 alone, and optional. */
const betterSqlite = 'better-sqlite3'

/** @type {Record<string, { only: readonly import('../suite.js').Runtime[], open: (file: string) => Promise<Handle> }>} */
const clients = {
  libsql: {
    only: ['node20', 'node22', 'node24', 'deno', 'bun'],
    open: async (file) => new (await import('libsql')).default(file),
  },
  'node:sqlite': {
    only: ['node22', 'node24', 'deno', 'bun'],
    open: async (file) => new (await import('node:sqlite')).DatabaseSync(file),
  },
  'bun:sqlite': {
    only: ['bun'],
    // @ts-expect-error The module is Bun's own.
    open: async (file) => new (await import('bun:sqlite')).Database(file),
  },
  [betterSqlite]: {
    only: installed(betterSqlite) ? ['node20'] : [],
    // Required and not imported, so that no bundler follows it.
    open: async (file) => new ((await import('node:module')).createRequire(import.meta.url)(betterSqlite))(file),
  },
}

export const cases = Object.entries(clients).flatMap(([name, { only, open }]) =>
  conformance(name, async ({ graceMs }) => onFile(open, graceMs), { only }),
)

/** A store on a file of its own, which goes with it. @param {(file: string) => Promise<Handle>} open @param {number} graceMs */
async function onFile(open, graceMs) {
  const { mkdtempSync, rmSync } = await import('node:fs')
  const { tmpdir } = await import('node:os')
  const folder = mkdtempSync(`${tmpdir()}/postern-runtime-`)
  const store = sqliteStore(await open(`${folder}/store.db`), { graceMs })
  return {
    ...store,
    async close() {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** @param {string} name */
function installed(name) {
  try {
    return Boolean(import.meta.resolve?.(name))
  } catch {
    return false
  }
}
