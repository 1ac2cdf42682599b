/** Values that may be promises, without making one where none is: a synchronous backend never waits for a microtask. */
import type { Now } from '@postern/core/cryptoPort'

/** `next` of the value, at once where it is there. */
export function andThen<T, U>(value: Now<T>, next: (value: T) => Now<U>): Now<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** `value()`, and where it throws or rejects, `caught` of the error. */
export function orElse<T>(value: () => Now<T>, caught: (error: unknown) => Now<T>): Now<T> {
  try {
    const result = value()
    return result instanceof Promise ? result.catch(caught) : result
  } catch (error) {
    return caught(error)
  }
}
