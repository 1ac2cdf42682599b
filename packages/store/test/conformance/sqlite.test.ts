import { type SqliteDatabase, sqliteStore } from '@postern/store/sqlite'
import { storeConformance } from '@postern/testkit/conformance'
import { describe, it } from 'vitest'
import { openLibsql, sqliteFiles } from '../sqliteFiles.js'

const nextFile = sqliteFiles()

describe('sqlite over libsql', () => {
  const cases = storeConformance(async ({ graceMs }) => sqliteStore(openLibsql(nextFile()), { graceMs }), {
    cuttable: async ({ graceMs }) => {
      const { db, cut } = cuttable(openLibsql(nextFile()))
      return { store: sqliteStore(db, { graceMs }), cut }
    },
  })
  for (const { name, run } of cases) it(name, run)
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
