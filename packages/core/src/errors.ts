/** The one error class of the suite. Programs branch on `code`; people read `publicMessage`; neither ever carries a secret. */
import { type ErrorCode, errorCodes } from './errorCodes.js'

export type { ErrorCode } from './errorCodes.js'

/** What a thrower may say beyond the code. */
export interface ErrorOptions {
  /** HTTP status where the registry's default does not fit. */
  readonly status?: number
  /** Whether the same call may succeed later, unchanged. */
  readonly retryable?: boolean
  /** Words for a person: what to do, with the limit and the size or type given, never the value. */
  readonly publicMessage?: string
  /** The true reason, for events and the host's own logs; never sent out. */
  readonly reason?: string
  readonly cause?: unknown
}

/**
 * An error with a code of the registry.
 *
 * @example
 * if (error instanceof PosternError && error.code === 'store.outcome_unknown') await settle(…)
 */
export class PosternError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C
  readonly status: number
  readonly retryable: boolean
  readonly publicMessage: string
  readonly reason: string | null

  constructor(code: C, options: ErrorOptions = {}) {
    const known: { readonly status: number; readonly retryable: boolean; readonly message: string } = errorCodes[code]
    const publicMessage = options.publicMessage ?? known.message
    super(`${code}: ${publicMessage}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'PosternError'
    this.code = code
    this.status = options.status ?? known.status
    this.retryable = options.retryable ?? known.retryable
    this.publicMessage = publicMessage
    this.reason = options.reason ?? null
  }
}

/** Whether something thrown is a {@link PosternError}, optionally with one of these codes. */
export function isPosternError<C extends ErrorCode>(error: unknown, ...codes: readonly C[]): error is PosternError<C> {
  return error instanceof PosternError && (codes.length === 0 || (codes as readonly ErrorCode[]).includes(error.code))
}
