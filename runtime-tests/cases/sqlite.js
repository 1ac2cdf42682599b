// @ts-check
// The SQLite driver over each client that a runtime has. Nothing native is loaded before a case asks for it.
import { sqliteStore } from '@postern/store/sqlite'
import { conformance } from './store.js'

/** @type {Record<string, { only: readonly import('../suite.js').Runtime[], open: () => Promise<import('@postern/store/sqlite').SqliteDatabase> }>} */
const clients = {
  libsql: {
    only: ['node20', 'node22', 'node24', 'deno', 'bun'],
    open: async () => new (await import('libsql')).default(':memory:'),
  },
  'node:sqlite': {
    only: ['node22', 'node24', 'deno', 'bun'],
    open: async () => new (await import('node:sqlite')).DatabaseSync(':memory:'),
  },
  'bun:sqlite': {
    only: ['bun'],
    // @ts-expect-error The module is Bun's own.
    open: async () => new (await import('bun:sqlite')).Database(':memory:'),
  },
}

export const cases = Object.entries(clients).flatMap(([name, { only, open }]) =>
  conformance(name, async ({ graceMs }) => sqliteStore(await open(), { graceMs }), { only }),
)
