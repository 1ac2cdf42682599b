/** A port over `pg`: one client is checked out at a time for a statement or a transaction. */
import type { PgPort } from '../../postgres.js'
import { type Notice, warningOf } from './ports.js'

/** What is asked of a client of `pg`. */
export interface PgClient {
  query(query: {
    readonly name?: string
    readonly text: string
    readonly values: unknown[]
    readonly types: { getTypeParser(): (value: string) => unknown }
  }): Promise<{ readonly rows: Record<string, unknown>[] }>
  on(event: 'notice', listener: (notice: Notice) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'notice' | 'error', listener: (notice: Notice) => void): unknown
  release(destroy?: boolean): void
}

/** A pool of `pg`. */
export interface PgPool {
  connect(): Promise<PgClient>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** Everything as text, whatever parsers the host has set for itself. */
const TYPES = { getTypeParser: () => (value: string) => value }
/** A connection that breaks is seen by the statement on it, or is gone from the pool; unheard, the event would end the process. */
const unheard = (): void => {}

export function portOfPg(pool: PgPool, prepare: boolean): PgPort {
  pool.on('error', unheard)
  return {
    async withSession(use) {
      const client = await pool.connect()
      let warnings: string[] = []
      const note = (notice: Notice): void => {
        const warning = warningOf(notice)
        if (warning !== null) warnings.push(warning)
      }
      client.on('notice', note)
      client.on('error', unheard)
      const release = (destroy: boolean): void => {
        client.removeListener('notice', note)
        client.release(destroy)
        if (!destroy) client.removeListener('error', unheard)
      }
      let result: Awaited<ReturnType<typeof use>>
      try {
        result = await use({
          async query(name, text, values) {
            warnings = []
            const named = prepare && name !== '' ? { name } : {}
            const { rows } = await client.query({ ...named, text, values: [...values], types: TYPES })
            return { rows, warnings }
          },
        })
      } catch (error) {
        release(true)
        throw error
      }
      release(false)
      return result
    },
    close: () => pool.end(),
  }
}
