/** Which counters have been: a bit for each of the 1,024 up to the highest. @see RFC 4303 §3.4.3 */

export const WINDOW = 1024

export interface Window {
  /** Takes a counter, once: `false` when it was taken, or lies below the window, where nobody knows any more. Tested and set in one step. */
  take(counter: number): boolean
}

export function counterWindow(): Window {
  const taken = new Uint32Array(WINDOW / 32)
  let highest = -1
  return {
    take(counter) {
      if (counter <= highest - WINDOW) return false
      if (counter > highest) {
        if (counter - highest >= WINDOW) taken.fill(0)
        // What the window leaves behind is what its bits stand for next.
        else for (let i = highest + 1; i < counter; i++) clear(taken, i)
        clear(taken, counter)
        highest = counter
      }
      const bit = 1 << (counter & 31)
      const word = (counter & (WINDOW - 1)) >>> 5
      if ((taken[word]! & bit) !== 0) return false
      taken[word]! |= bit
      return true
    },
  }
}

function clear(taken: Uint32Array, counter: number): void {
  taken[(counter & (WINDOW - 1)) >>> 5]! &= ~(1 << (counter & 31))
}
