/** Values that may be promises, without making a promise of what is there already: on Node no primitive waits, and a wait costs as much. */
import type { Now } from '@postern/core/cryptoPort'

/** `next` of the value: now where it is there, later where it is promised. */
export function chain<T, U>(value: Now<T>, next: (value: T) => Now<U>): Now<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** `next` of each value, in order. */
export function chainAll<T, U>(values: readonly T[], next: (value: T, i: number) => Now<U>): Now<readonly U[]> {
  const found: Now<U>[] = []
  let promised = false
  try {
    for (let i = 0; i < values.length; i++) {
      const one = next(values[i]!, i)
      promised ||= one instanceof Promise
      found.push(one)
    }
  } catch (error) {
    // Nobody will ask for those that are under way, and they may fail too.
    for (const one of found) if (one instanceof Promise) one.catch(() => {})
    throw error
  }
  return promised ? Promise.all(found) : (found as U[])
}
