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

/** `step` of 0 to `count - 1`, each after the one before; a loop while nothing has to be waited for. */
export function inTurn(count: number, step: (i: number) => Now<unknown>): Now<void> {
  for (let i = 0; i < count; i++) {
    const done = step(i)
    if (done instanceof Promise) return theRest(done, i + 1, count, step)
  }
}

async function theRest(done: Promise<unknown>, from: number, count: number, step: (i: number) => Now<unknown>): Promise<void> {
  await done
  for (let i = from; i < count; i++) await step(i)
}
