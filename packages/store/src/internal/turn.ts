/** When the event loop comes round again: the one thing the drivers ask of the platform by themselves, unless told how. */

/** Runs `task` in a later turn of the event loop, `delayMs` from now or as soon as the loop comes round. */
export type Schedule = (task: () => void, delayMs: number) => void

/** `setImmediate` where the platform has it: it runs after the sockets of this turn, so that their commits share one flush. */
export const nextTurn: Schedule = (task, delayMs) => {
  const { setImmediate, setTimeout } = globalThis as unknown as Timers
  if (delayMs > 0 || setImmediate === undefined) setTimeout(task, delayMs)
  else setImmediate(task)
}

interface Timers {
  readonly setImmediate?: (task: () => void) => unknown
  readonly setTimeout: (task: () => void, delayMs: number) => unknown
}
