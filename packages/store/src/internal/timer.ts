/** What the driver asks of the platform by itself, unless told how: to be called later, and not to be. */

/** Runs `task` once `delayMs` are over, or, for 0, when the event loop comes round; what it returns calls it off. */
export type Timer = (task: () => void, delayMs: number) => () => void

/** `setTimeout`, and for 0 `setImmediate` where there is one: it runs after the sockets of this turn, so that their commits share a batch. */
export const platformTimer: Timer = (task, delayMs) => {
  const { setImmediate, clearImmediate, setTimeout, clearTimeout } = globalThis as unknown as Timers
  if (delayMs === 0 && setImmediate !== undefined) {
    const handle = setImmediate(task)
    return () => clearImmediate?.(handle)
  }
  const handle = setTimeout(task, delayMs)
  return () => clearTimeout(handle)
}

/** @throws what `late` makes, when `promise` takes longer */
export function within<T>(promise: Promise<T>, timer: Timer, ms: number, late: () => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const callOff = timer(() => reject(late()), ms)
    promise.then(
      (value) => {
        callOff()
        resolve(value)
      },
      (error: unknown) => {
        callOff()
        reject(error)
      },
    )
  })
}

interface Timers {
  readonly setImmediate?: (task: () => void) => unknown
  readonly clearImmediate?: (handle: unknown) => void
  readonly setTimeout: (task: () => void, delayMs: number) => unknown
  readonly clearTimeout: (handle: unknown) => void
}
