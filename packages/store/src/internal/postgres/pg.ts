/** A port over `pg`: one client is checked out at a time for a statement or a transaction. */
import type { PgPort, PgSession } from '../../postgres.js'
import { type Notice, warningOf } from './ports.js'

/** What is asked of a client of `pg`. */
export interface PgClient {
  query(query: {
    readonly name?: string | undefined
    readonly text: string
    readonly values: unknown[]
    readonly types: { getTypeParser(): (value: string) => unknown }
  }): Promise<{ readonly rows: Record<string, unknown>[] }>
  on(event: 'notice', listener: (notice: Notice) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
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
/** What the host's own statements warn of is of no use, and must not pile up. */
const MOST_HEARD = 16

/** What each client was heard to warn of since its last statement; it is listened to once, since clients come and go often. */
const heard = /* @__PURE__ */ new WeakMap<PgClient, string[]>()

function listenTo(client: PgClient): string[] {
  const warnings: string[] = []
  client.on('notice', (notice) => {
    const warning = warningOf(notice)
    if (warning !== null && warnings.length < MOST_HEARD) warnings.push(warning)
  })
  client.on('error', unheard)
  heard.set(client, warnings)
  return warnings
}

export function portOfPg(pool: PgPool, prepare: boolean): PgPort {
  pool.on('error', unheard)
  let ending: Promise<void> | undefined
  return {
    async withSession(use) {
      const client = await pool.connect()
      const warnings = heard.get(client) ?? listenTo(client)
      const session: PgSession = {
        async query(name, text, values) {
          warnings.length = 0
          const named = prepare && name !== '' ? name : undefined
          const { rows } = await client.query({ name: named, text, values: values as unknown[], types: TYPES })
          return { rows, warnings: warnings.slice() }
        },
      }
      let result: Awaited<ReturnType<typeof use>>
      try {
        result = await use(session)
      } catch (error) {
        client.release(true)
        throw error
      }
      client.release()
      return result
    },
    close: () => (ending ??= pool.end()),
  }
}
