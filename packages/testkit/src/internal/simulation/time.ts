/** A clock that stands still and bytes that look random, both told what to do by a test. */
import type { Clock, Random } from '@postern/core/runtime'
import { drawsOf } from '../prng.js'

/** A clock that stands until it is told to move. */
export interface SimClock {
  readonly clock: Clock
  /** Moves on by `ms`; a negative step is an error, since clocks of this suite do not go back. */
  advance(ms: number): void
}

/** 2026-01-01T00:00:00Z. */
const START = 1_767_225_600_000

/** A clock that starts at `start`, milliseconds since the epoch. */
export function simClock(start: number = START): SimClock {
  let now = start
  return {
    clock: () => now,
    advance(ms) {
      if (!(ms >= 0)) throw new RangeError('a clock is advanced by 0 ms or more')
      now += ms
    },
  }
}

/** Bytes that look random and are the same for the same seed. Never for secrets. */
export function seededRandom(seed: number): Random {
  const draw = drawsOf(seed)
  return (n) => Uint8Array.from({ length: n }, () => draw() >>> 24)
}
