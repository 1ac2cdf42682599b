/** Reproducible choices for simulated people: one 32-bit state, the same sequence everywhere (mulberry32). Never for anything secret. */

export interface Dice {
  /** In [0, 1). */
  next(): number
  /** Whole, `least` to `most` inclusive. */
  whole(least: number, most: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** By weight. */
  weighted<T>(items: readonly { readonly weight: number; readonly value: T }[]): T
}

export function dice(seed: number): Dice {
  let state = seed | 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const whole = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1))
  return {
    next,
    whole,
    chance: (probability) => next() < probability,
    pick: (items) => items[whole(0, items.length - 1)]!,
    weighted: (items) => {
      let left = next() * items.reduce((sum, item) => sum + item.weight, 0)
      return (items.find((item) => (left -= item.weight) < 0) ?? items[items.length - 1]!).value
    },
  }
}
