/** Promises that somebody may cease to wait for, or that may fail in one way only. */
import { PosternError } from '@postern/core/errors'

/** The promise, or the signal's reason as soon as it aborts; the fetch goes on for the others who wait. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** What `run` gives; where the signal aborts before, its reason, and `stop` is told of it so that `run` may end. */
export async function unlessStopped<T>(signal: AbortSignal, stop: (reason: unknown) => void, run: () => Promise<T>): Promise<T> {
  const abort = (): void => stop(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await run()
  } finally {
    signal.removeEventListener('abort', abort)
    signal.throwIfAborted()
  }
}

/** A part of this package that comes when it is first wanted; one that does not come is a failure of the way to it. */
export function loaded<T>(part: Promise<T>): Promise<T> {
  return part.catch((cause: unknown) => {
    throw new PosternError('payload.transport', { reason: 'a part of the client does not load', cause })
  })
}
