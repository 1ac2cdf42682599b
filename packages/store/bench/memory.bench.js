// @ts-check
import { memoryStore } from '@postern/store/memory'
import { compare, timed } from './measure.js'

const COUNT = 10_000
const now = 1_767_225_600_000
const value = new Uint8Array(300)

/** A one-op commit against what any asynchronous store in memory costs: `await`, a get and a set. */
export async function memoryCases() {
  const lines = []
  for (const [name, inFlight, parts] of /** @type {const} */ ([
    ['memory.commit', 1, 1024],
    ['memory.commit.hot', 1, 1],
    ['memory.commit.32', 32, 1024],
    ['memory.commit.256', 256, 1024],
  ]))
    lines.push(
      await compare(name, {
        postern: ours(inFlight, parts),
        peer: peer(inFlight, parts),
        peerName: 'await + Map.get + Map.set',
        rounds: 31,
      }),
    )
  return lines
}

/** @param {number} inFlight @param {number} parts */
function ours(inFlight, parts) {
  return () => {
    const store = memoryStore()
    return rounds(inFlight, async (i) => {
      const part = { tenant: 'bank', id: `u:${i % parts}` }
      await store.commit(part, [{ op: 'put', key: `marker/${i}`, value, rev: null }], { now, rev: 'AAAAAAAAAAAAAAAA' })
    })
  }
}

/** @param {number} inFlight @param {number} parts */
function peer(inFlight, parts) {
  return () => {
    /** @type {Map<string, Map<string, Uint8Array>>} */
    const kept = new Map()
    return rounds(inFlight, async (i) => {
      const id = `bank:u:${i % parts}`
      const part = kept.get(id) ?? new Map()
      kept.set(id, part)
      const key = `marker/${i}`
      if (part.get(key) === undefined) part.set(key, new Uint8Array(value))
    })
  }
}

/** @param {number} inFlight @param {(i: number) => Promise<void>} one */
function rounds(inFlight, one) {
  let next = 0
  const each = async () => {
    while (next < COUNT) await one(next++)
  }
  return timed(COUNT, () => Promise.all(Array.from({ length: inFlight }, each)))
}
