/** Answers of a port that may be there already: where they are, nothing waits, for a turn of the event loop costs as much as a short hash. */
import type { Now } from '../cryptoPort.js'

export function isLater<T>(value: Now<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
