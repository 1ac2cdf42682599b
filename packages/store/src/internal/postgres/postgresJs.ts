/** A port over `postgres`: an instance a connection, so that a warning belongs to one statement and one connection can be ended alone. */
import type { PgPort, PgSession } from '../../postgres.js'
import { type Notice, sessionPool, warningOf } from './ports.js'

/** What the host passes on to `postgres(url, options)`, beside its own. */
export interface PostgresJsOptions {
  readonly max: 1
  readonly idle_timeout: 0
  readonly max_lifetime: 0
  readonly fetch_types: false
  readonly onnotice: (notice: Notice) => void
  readonly onclose: () => void
}

/** What is asked of an instance of `postgres`. */
export interface PostgresJs {
  unsafe(text: string): PromiseLike<unknown>
  reserve(): Promise<PostgresJsReserved>
  end(o: { timeout: number }): Promise<void>
}

export interface PostgresJsReserved {
  unsafe(text: string, values: never[], o: { prepare: boolean; simple: false }): PromiseLike<readonly Record<string, unknown>[]>
}

type Session = PgSession & { usable(): boolean; close(): Promise<void> }

export function portOfPostgresJs(connect: (o: PostgresJsOptions) => PostgresJs, prepare: boolean, max: number): PgPort {
  const open = async (): Promise<Session> => {
    let warnings: string[] = []
    let usable = true
    const sql = connect({
      max: 1,
      idle_timeout: 0,
      max_lifetime: 0,
      fetch_types: false,
      onnotice(notice) {
        const warning = warningOf(notice)
        if (warning !== null) warnings.push(warning)
      },
      onclose() {
        usable = false
      },
    })
    const close = async (): Promise<void> => {
      usable = false
      await sql.end({ timeout: 0 })
    }
    let reserved: PostgresJsReserved
    try {
      // Without this a connection that fetches no types is never handed out.
      await sql.unsafe('select 1')
      reserved = await sql.reserve()
    } catch (error) {
      await close()
      throw error
    }
    return {
      usable: () => usable,
      close,
      async query(name, text, values) {
        warnings = []
        const rows = await reserved.unsafe(text, [...values] as never[], { prepare: prepare && name !== '', simple: false })
        return { rows, warnings }
      },
    }
  }
  const pool = sessionPool(max, open)
  return { withSession: (use) => pool.with(use), close: () => pool.close() }
}
