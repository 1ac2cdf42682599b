import { setBounded } from '@postern/core/boundedMap'

/** What was found before, by its text, so that it need not be worked out again. */
export interface Recent<T> {
  get(text: string): T | undefined
  set(text: string, value: T): void
}

/** At most `max` of them; the oldest goes first. */
export function recent<T>(max: number): Recent<T> {
  const values = new Map<string, T>()
  return {
    get: (text) => values.get(text),
    set: (text, value) => setBounded(values, text, value, max),
  }
}
