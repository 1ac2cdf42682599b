/** A value that lives elsewhere and is read again by its age: one read for all who wait, and the last one a while longer where there is none to be had. */
import type { Now } from './cryptoPort.js'
import type { Clock } from './runtime.js'

export interface ReadByAgeOptions {
  readonly clock: Clock
  /** So old (ms) a value may be before it is read again. */
  readonly maxAgeMs: number
  /** So old (ms) it may be while reading fails; default: no older than that. */
  readonly maxStaleMs?: number
  /** So long (ms) nobody reads again after a failure; default: the next caller does. */
  readonly retryMs?: number
}

export interface ReadByAge<T> {
  /** @throws what reading threw, where nothing young enough was read before */
  current(): Promise<T>
  /** Nothing that was read, or is being read, counts any more: for whoever has written. */
  forget(): void
}

/**
 * Keeps what `read` gives. A value counts from before its reading began, an older reading never takes the place of a younger, and a clock that
 * steps back makes nothing younger.
 * @param read - gets what is held, so that it can give the same again where nothing has changed
 *
 * @example
 * const config = readByAge((held) => load(held), { clock, maxAgeMs: 1000 })
 * const now = await config.current()
 */
export function readByAge<T>(read: (held: T | null) => Now<T>, o: ReadByAgeOptions): ReadByAge<T> {
  const { clock, maxAgeMs, maxStaleMs = 0, retryMs = 0 } = o
  let held: { readonly value: T; readonly at: number } | null = null
  let failed: { readonly error: unknown; readonly at: number } | null = null
  let reading: Promise<T> | null = null
  let generation = 0

  const within = (at: number, ms: number): boolean => {
    const age = clock() - at
    return age >= 0 && age < ms
  }

  async function load(): Promise<T> {
    const [at, own] = [clock(), generation]
    try {
      const value = await read(held?.value ?? null)
      if (own === generation) [held, failed] = [{ value, at }, null]
      return value
    } catch (error) {
      if (own === generation) failed = { error, at: clock() }
      throw error
    } finally {
      if (own === generation) reading = null
    }
  }

  return {
    async current() {
      if (held !== null && within(held.at, maxAgeMs)) return held.value
      try {
        if (failed !== null && within(failed.at, retryMs)) throw failed.error
        return await (reading ??= load())
      } catch (error) {
        if (held !== null && within(held.at, maxStaleMs)) return held.value
        throw error
      }
    },
    forget() {
      generation++
      held = failed = reading = null
    },
  }
}
