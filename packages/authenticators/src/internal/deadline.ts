/** Work of the host's under a deadline: what throws, hangs or answers late ends here as data. */

/** Runs a task after a delay; what it returns calls it off. The host passes its platform's in. */
export type Timer = (task: () => void, delayMs: number) => () => void

/** How the work ended. */
export type Ended<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: 'late' | 'threw'; readonly message: string }

const MAX_MESSAGE = 200

/** The signal is aborted at the deadline; an answer after it is heard by nobody. */
export function underDeadline<T>(work: (signal: AbortSignal) => Promise<T>, ms: number, timer: Timer): Promise<Ended<T>> {
  const controller = new AbortController()
  return new Promise((resolve) => {
    const callOff = timer(() => {
      controller.abort()
      resolve({ ok: false, why: 'late', message: `no answer within ${ms} ms` })
    }, ms)
    const end = (ended: Ended<T>): void => {
      callOff()
      resolve(ended)
    }
    // Inside a promise: what throws before it promises anything throws all the same.
    Promise.resolve()
      .then(() => work(controller.signal))
      .then(
        (value) => end({ ok: true, value }),
        (error: unknown) => end({ ok: false, why: 'threw', message: messageOf(error) }),
      )
  })
}

function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message).slice(0, MAX_MESSAGE) : typeof error
  } catch {
    return 'unreadable' // a getter of the host's threw; a rejection that nobody hears would end the process
  }
}
