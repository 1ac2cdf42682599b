/** Ids that sort by time and fit a store key. */
import type { Clock, Random } from './runtime.js'

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'

/** A lower-case ULID: 48 bits of milliseconds, 80 random bits, 26 characters that sort by time. */
export function ulid(clock: Clock, random: Random): string {
  let time = clock()
  let head = ''
  for (let i = 0; i < 10; i++) {
    head = CROCKFORD[time % 32]! + head
    time = Math.floor(time / 32)
  }
  let tail = ''
  for (const byte of random(16)) tail += CROCKFORD[byte & 31]!
  return head + tail
}
