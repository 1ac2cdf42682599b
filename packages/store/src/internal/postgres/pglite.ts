/** A port over PGlite, which is one session in this process. */
import type { PgPort } from '../../postgres.js'
import { type Notice, sessionPool, warningOf } from './ports.js'

/** What is asked of a PGlite. */
export interface PgliteDatabase {
  query(text: string, values: unknown[], o: { onNotice(notice: Notice): void }): Promise<{ readonly rows: unknown[] }>
  close(): Promise<void>
}

export function portOfPglite(db: PgliteDatabase): PgPort {
  const session = {
    usable: () => true,
    close: async () => {},
    async query(_name: string, text: string, values: readonly unknown[]) {
      const warnings: string[] = []
      const { rows } = await db.query(text, [...values], {
        onNotice(notice) {
          const warning = warningOf(notice)
          if (warning !== null) warnings.push(warning)
        },
      })
      return { rows: rows as Record<string, unknown>[], warnings }
    },
  }
  const pool = sessionPool(1, async () => session)
  let closing: Promise<void> | undefined
  return { durable: 'none', withSession: (use) => pool.with(use), close: () => (closing ??= db.close()) }
}
