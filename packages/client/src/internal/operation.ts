/** One operation at a time, each of them cancellable at every await. */
import { type ErrorCode, isPosternError, PosternError } from '@postern/core/errors'
import type { Result } from '../result.js'

/** An operation under way. */
export interface Operation {
  /** Aborted when the caller gives up. */
  readonly signal: AbortSignal
  /** The value of a promise, or `client.cancelled` as soon as the caller gives up. */
  wait<T>(value: T | PromiseLike<T>): Promise<T>
}

export interface Lock {
  run<T, C extends ErrorCode>(o: RunOptions<C>, body: (op: Operation) => Promise<T>): Promise<Result<T, C>>
  /** Ends what runs, and waits for its end. */
  abort(): Promise<void>
}

export interface RunOptions<C extends ErrorCode> {
  readonly signal?: AbortSignal | undefined
  /** The codes of the operation: the keys of a table, so that the compiler finds one that is missing. */
  readonly codes: Readonly<Record<C, true>>
  /** What a refusal with a code of no operation is called. */
  readonly otherwise: C
}

/** Server codes that mean, to an app, what another code says. */
const sameAs: Readonly<Partial<Record<ErrorCode, readonly ErrorCode[]>>> = {
  'client.unknown': ['device.removed'],
  'client.credentials': ['device.removed'],
  'dpop.proof': ['device.removed', 'login.required'],
  'token.invalid': ['login.required', 'device.removed'],
  'token.missing': ['login.required'],
  'store.unavailable': ['net.limited'],
  'store.overloaded': ['net.limited'],
  'store.outcome_unknown': ['net.limited'],
  'pin.not_digits': ['pin.rejected'],
  'pin.malformed': ['pin.rejected', 'authenticator.failed'],
  'pin.suite_unsupported': ['authenticator.unsupported'],
  'enrolment.expired': ['registration.expired', 'authenticator.failed'],
  'challenge.invalid': ['net.limited'],
  'transaction.invalid': ['transaction.unknown'],
  'transaction.pending': ['net.limited'],
  'otp.too_many': ['net.limited'],
  'otp.undelivered': ['net.limited'],
  'grant.not_allowed': ['token.kind_disabled'],
}

export function createLock(): Lock {
  let running: { readonly controller: AbortController; readonly done: Promise<unknown> } | null = null

  return {
    async run({ signal, codes, otherwise }, body) {
      const shown = (error: unknown): { ok: false; error: PosternError<typeof otherwise> } => ({
        ok: false,
        error: named(error, codes, otherwise),
      })
      if (running !== null) return shown(new PosternError('client.busy'))
      const controller = new AbortController()
      const stop = (): void => controller.abort()
      if (signal?.aborted) stop()
      signal?.addEventListener('abort', stop)
      const op = operation(controller.signal)
      const work = (async () => body(op))()
      running = { controller, done: work.catch(() => undefined) }
      try {
        return { ok: true, value: await work }
      } catch (error) {
        return shown(controller.signal.aborted && !isPosternError(error) ? cancelled() : error)
      } finally {
        signal?.removeEventListener('abort', stop)
        running = null
      }
    },
    async abort() {
      running?.controller.abort()
      await running?.done
    },
  }
}

export function operation(signal: AbortSignal): Operation {
  return {
    signal,
    async wait(value) {
      if (signal.aborted) {
        void Promise.resolve(value).then(undefined, () => undefined)
        throw cancelled()
      }
      let stop: () => void = () => undefined
      const aborted = new Promise<never>((_, reject) => {
        stop = () => reject(cancelled())
        signal.addEventListener('abort', stop, { once: true })
      })
      try {
        return await Promise.race([value, aborted])
      } finally {
        signal.removeEventListener('abort', stop)
      }
    },
  }
}

/** An error by a code of the operation. What is no coded error is a fault of the host's own functions, and goes through as it is. */
export function named<C extends ErrorCode>(error: unknown, codes: Readonly<Record<C, true>>, otherwise: C): PosternError<C> {
  if (!isPosternError(error)) throw error
  if (Object.hasOwn(codes, error.code)) return error as PosternError<C>
  const same = sameAs[error.code]?.find((code) => Object.hasOwn(codes, code))
  return new PosternError((same as C | undefined) ?? otherwise, { cause: error })
}

export function cancelled(): PosternError<'client.cancelled'> {
  return new PosternError('client.cancelled')
}
