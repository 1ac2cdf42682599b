/// <reference types="node" />
import { setTimeout as sleep } from 'node:timers/promises'
import { type SqliteDatabase, sqliteStore } from '@postern/store/sqlite'
import { storeConformance } from '@postern/testkit/conformance'
import { describe, it } from 'vitest'
import { openLibsql, sqliteFiles } from '../sqliteFiles.js'

const nextFile = sqliteFiles()

describe('sqlite over libsql', () => {
  // A file has no connection to cut and no standby; it is killed in ../crash/sqlite.test.ts.
  const cases = storeConformance(async ({ graceMs }) => sqliteStore(openLibsql(nextFile()), { graceMs }), {
    skip: ['exchange', 'crash', 'failover'],
    sleep,
    cuttable: async ({ graceMs }) => {
      const { db, cut } = cuttable(openLibsql(nextFile()))
      return { store: sqliteStore(db, { graceMs }), cut }
    },
    pressure: async () => {
      const file = nextFile()
      const store = sqliteStore(openLibsql(file), { maxQueue: 50 })
      // Another process in the middle of a transaction: the file is busy.
      const other = openLibsql(file)
      return {
        store,
        holds: 50,
        stall: async () => void other.exec('begin immediate'),
        resume: async () => void other.exec('rollback'),
        close: async () => void other.close(),
      }
    },
  })
  for (const { name, run, leftOut } of cases) it.skipIf(leftOut)(name, run)
})

/** A handle whose next `commit` throws, before or after the transaction is committed: a disk that fails while it syncs. */
function cuttable(db: SqliteDatabase): { db: SqliteDatabase; cut(when: 'before' | 'after'): void } {
  let next: 'before' | 'after' | null = null
  return {
    cut(when) {
      next = when
    },
    db: {
      exec: (sql) => db.exec(sql),
      close: () => db.close(),
      prepare(sql) {
        const statement = db.prepare(sql)
        if (sql !== 'commit') return statement
        return {
          get: (...values) => statement.get(...values),
          all: (...values) => statement.all(...values),
          run() {
            const when = next
            next = null
            if (when === 'before') throw new Error('disk I/O error')
            const done = statement.run()
            if (when === 'after') throw new Error('disk I/O error')
            return done
          },
        }
      },
    },
  }
}
