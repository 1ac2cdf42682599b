/** What an error of a client says about the statement that was sent: that it was not applied, or that nobody can know. */
import { PosternError } from '@postern/core/errors'
import type { StoreCommitCode } from '../../errors.js'
import { GUARANTEE_LOST, TOO_LATE } from './schema.js'

/** Of an error that was raised before or instead of the commit. */
export interface Refusal {
  readonly code: Exclude<StoreCommitCode, 'store.outcome_unknown'>
  readonly state: string
}

/** SQLSTATEs that come with ERROR alone, whatever language the severity is written in: the transaction was rolled back. */
const REFUSALS: Readonly<Record<string, Refusal['code']>> = {
  // lock_not_available, query_canceled
  '55P03': 'store.overloaded',
  '57014': 'store.overloaded',
  // serialization_failure, deadlock_detected: after the retries
  '40001': 'store.overloaded',
  '40P01': 'store.overloaded',
  // too_many_connections
  '53300': 'store.unavailable',
  [TOO_LATE]: 'store.overloaded',
  [GUARANTEE_LOST]: 'store.guarantee_lost',
}

/**
 * The refusal, or `null` when the outcome is unknown: no SQLSTATE (the socket broke), a connection exception (08…), the server going down
 * (57P…), and whatever ends a session instead of a statement.
 */
export function refusalOf(error: unknown): Refusal | null {
  const { code: state, severity } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown
    severity?: unknown
  }
  if (typeof state !== 'string') return null
  const known = REFUSALS[state]
  if (known !== undefined) return { code: known, state }
  // Socket errors have codes of five capitals, too (EPIPE), but no severity.
  return severity === 'ERROR' && !/^(08|57P)/.test(state) ? { code: 'store.unavailable', state } : null
}

/** Whether the same statement may be sent again at once: it lost to another transaction, and was rolled back. */
export function worthRetrying({ state }: Refusal): boolean {
  return state === '40001' || state === '40P01'
}

/** Whether it was a lock that did not come: of a batch, perhaps of one partition alone. */
export function isLockTimeout(error: unknown): boolean {
  return error instanceof PosternError && (error.cause as { code?: unknown } | undefined)?.code === '55P03'
}

/** The error that a caller gets. */
export function refused({ code, state }: Refusal): PosternError<Refusal['code']> {
  return new PosternError(code, {
    cause: blank(state),
    ...(state === '42P01' || state === '42883' ? { publicMessage: UNMIGRATED } : {}),
  })
}

const UNMIGRATED = 'The table of the store or its function is not there; run migratePostgres.'

/**
 * What of a client's error may be kept: its code. A server's message can quote keys and values.
 */
export function causeOf(error: unknown): Error {
  if (error instanceof PosternError) return error
  const { code, name } = (typeof error === 'object' && error !== null ? error : {}) as { code?: unknown; name?: unknown }
  return blank(typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown')
}

function blank(code: string): Error {
  return Object.assign(new Error(`PostgreSQL or its client says ${code}`), { code })
}
