// @ts-check
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')

/**
 * Runs both sides in turn, in many short rounds, and takes the median of each: what else the machine does falls on both. What a round
 * leaves young is collected before the next, so that nobody pays for the other's garbage.
 * @param {string} name
 * @param {{ postern(): Promise<number>, peer(): Promise<number>, peerName: string, limit_us?: number | null, rounds?: number, note?: object }} o
 *   - each side runs one round and gives µs an operation
 */
export async function compare(name, { postern, peer, peerName, limit_us = null, rounds = 21, note = {} }) {
  /** @type {number[]} */ const ours = []
  /** @type {number[]} */ const theirs = []
  await postern()
  await peer()
  for (let i = 0; i < rounds; i++) {
    const turns =
      i % 2 ? [() => push(theirs, peer), () => push(ours, postern)] : [() => push(ours, postern), () => push(theirs, peer)]
    for (const turn of turns) await turn()
  }
  const [postern_us, peer_us] = [median(ours), median(theirs)]
  return {
    case: name,
    postern_us: round(postern_us),
    peer: peerName,
    peer_us: round(peer_us),
    ratio: round(peer_us / postern_us),
    limit_us: limit_us === null ? null : round(limit_us),
    ...note,
  }
}

/** @param {number[]} list @param {() => Promise<number>} run */
async function push(list, run) {
  collect({ type: 'minor' })
  list.push(await run())
}

/** µs an operation. @param {number} count @param {() => unknown} work */
export async function timed(count, work) {
  const start = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - start) / 1000 / count
}

/** @param {number[]} values */
export function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

/** @param {number} value */
function round(value) {
  return Number(value.toPrecision(4))
}
