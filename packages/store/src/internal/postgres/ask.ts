/** One statement to the server: a session for it, its answer in time, and what it means when there is none. */
import { PosternError } from '@postern/core/errors'
import type { PgPort, PgSession } from '../../postgres.js'
import { type Timer, within } from '../timer.js'
import { causeOf, type Refusal, refusalOf, refused, worthRetrying } from './outcome.js'
import type { Row } from './rows.js'
import { KEEPS_ALL } from './schema.js'
import type { Statement } from './statements.js'

export interface AskOptions {
  readonly timer: Timer
  /** For a session, and then for each answer. */
  readonly timeoutMs: number
  /** Each statement in a SERIALIZABLE transaction of its own. */
  readonly serializable?: boolean
  /** After a write, whether the settings held until it was acknowledged. */
  readonly lossless?: boolean
}

type Kind = 'read' | 'write'

/**
 * Sends one statement.
 * @throws PosternError `store.outcome_unknown` for a write that was sent and may or may not be applied; any other: it was not
 */
export type Ask = (kind: Kind, statement: Statement, values: readonly unknown[]) => Promise<readonly Row[]>

type Answer = readonly Row[] | Refusal

const RETRIES = 3
const SETTINGS: Statement = { name: 'postern_settings', text: `select (${KEEPS_ALL})::int as kept` }
const BEGIN: Readonly<Record<Kind, Statement>> = {
  read: { name: '', text: 'begin isolation level serializable read only' },
  write: { name: '', text: 'begin isolation level serializable' },
}
const COMMIT: Statement = { name: '', text: 'commit' }
const ROLLBACK: Statement = { name: '', text: 'rollback' }

export function asker(port: PgPort, { timer, timeoutMs, serializable = false, lossless = false }: AskOptions): Ask {
  /** @param loss - what it means when there is no answer; thrown, so that the session is not used again */
  const send = async (
    session: PgSession,
    { name, text }: Statement,
    values: readonly unknown[],
    kind: Kind,
    loss: Loss,
  ): Promise<Answer> => {
    try {
      const { rows, warnings } = await within(session.query(name, text, values), timer, timeoutMs, timeout)
      // A wait for the standby that was broken off is a success with a warning.
      if (kind === 'write' && warnings.length > 0)
        throw new PosternError('store.outcome_unknown', { reason: 'the server warned' })
      return rows
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal !== null) return refusal
      throw error instanceof PosternError ? error : new PosternError(loss, { cause: causeOf(error) })
    }
  }

  const autocommit = (session: PgSession, kind: Kind, statement: Statement, values: readonly unknown[]): Promise<Answer> =>
    send(session, statement, values, kind, kind === 'write' ? 'store.outcome_unknown' : 'store.unavailable')

  const transaction = async (
    session: PgSession,
    kind: Kind,
    statement: Statement,
    values: readonly unknown[],
  ): Promise<Answer> => {
    const begun = await send(session, BEGIN[kind], [], 'read', 'store.unavailable')
    if (isRefusal(begun)) return begun
    // Until COMMIT is sent, a lost session is a transaction rolled back.
    const rows = await send(session, statement, values, kind, 'store.unavailable')
    if (isRefusal(rows)) {
      await send(session, ROLLBACK, [], 'read', 'store.unavailable')
      return rows
    }
    const committed = await autocommit(session, kind, COMMIT, [])
    return isRefusal(committed) ? committed : rows
  }

  const once = serializable ? transaction : autocommit

  /** A list of standbys that is emptied lets go, without a word, of every commit that waits for them: a younger look sees it. */
  const stillKept = async (session: PgSession): Promise<void> => {
    const seen = await autocommit(session, 'write', SETTINGS, [])
    if (isRefusal(seen) || Number(seen[0]?.['kept']) !== 1)
      throw new PosternError('store.outcome_unknown', { reason: 'the settings of replication changed while it was written' })
  }

  return async (kind, statement, values) => {
    const answer = await obtained(port, timer, timeoutMs, async (session) => {
      for (let tries = 0; ; tries++) {
        const answer = await once(session, kind, statement, values)
        if (isRefusal(answer) && worthRetrying(answer) && tries < RETRIES) continue
        if (isRefusal(answer)) return answer
        const wrote = kind === 'write' && !(statement.tellsWhenWritten && answer.length === 0)
        if (lossless && wrote) await stillKept(session)
        return answer
      }
    })
    if (isRefusal(answer)) throw refused(answer)
    return answer
  }
}

type Loss = 'store.outcome_unknown' | 'store.unavailable'

function isRefusal(answer: Answer): answer is Refusal {
  return !Array.isArray(answer)
}

function timeout(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'timeout' })
}

/** Runs `use` on a session. @throws PosternError `store.unavailable` when none could be had in time: then `use` is never run */
function obtained<T>(port: PgPort, timer: Timer, ms: number, use: (session: PgSession) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let state: 'waiting' | 'had' | 'given up' = 'waiting'
    const unavailable = (cause: unknown): void => reject(new PosternError('store.unavailable', { cause: causeOf(cause) }))
    const callOff = timer(() => {
      state = 'given up'
      unavailable(timeout())
    }, ms)
    const serve = async (session: PgSession): Promise<void> => {
      if (state === 'given up') return
      state = 'had'
      callOff()
      try {
        resolve(await use(session))
      } catch (error) {
        // Before the port closes the session, which may fail in its own way.
        reject(error)
        throw error
      }
    }
    const held = (async () => port.withSession(serve))()
    held.catch((error: unknown) => {
      callOff()
      if (state === 'waiting') unavailable(error)
    })
  })
}
