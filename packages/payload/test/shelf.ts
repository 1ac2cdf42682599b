/** Storage in memory, as an app's secure storage is: atomic for each key, and able to die after any of its calls. */
import type { RecordStorage } from '../src/records.js'

/** The app was killed. */
export class Killed extends Error {}

export interface Shelf extends RecordStorage {
  readonly data: Map<string, Uint8Array>
  /** Calls of set and remove so far. */
  readonly writes: number
}

/** @param diesAt - the write after which it dies; `before`: that one is not done any more */
export function shelfOf(
  data: Map<string, Uint8Array>,
  diesAt: number = Number.POSITIVE_INFINITY,
  before: boolean = false,
): Shelf {
  let writes = 0
  const step = (write: () => void): void => {
    if (writes >= diesAt) throw new Killed()
    writes++
    if (writes === diesAt && before) throw new Killed()
    write()
    if (writes === diesAt) throw new Killed()
  }
  return {
    data,
    get writes() {
      return writes
    },
    async get(key) {
      return data.get(key)?.slice() ?? null
    },
    async set(key, value) {
      step(() => data.set(key, value.slice()))
    },
    async remove(key) {
      step(() => data.delete(key))
    },
  }
}

/** A number that outlives storage. */
export function anchorOf(cell: { value: number }): { get(): Promise<number>; set(n: number): Promise<void> } {
  return {
    get: async () => cell.value,
    set: async (n) => {
      cell.value = n
    },
  }
}
