// @ts-check
import { memoryStore } from '@postern/store/memory'
import { compare, timed } from './measure.js'

const COUNT = 10_000
const now = 1_767_225_600_000
const value = new Uint8Array(300)

/** A one-op commit against what any asynchronous store in memory costs: `await`, a get and a set. */
export async function memoryCases() {
  const postern = async () => {
    const store = memoryStore()
    return timed(COUNT, async () => {
      for (let i = 0; i < COUNT; i++) {
        const part = { tenant: 'bank', id: `u:${i & 1023}` }
        await store.commit(part, [{ op: 'put', key: `marker/${i}`, value, rev: null }], { now, rev: 'AAAAAAAAAAAAAAAA' })
      }
    })
  }
  const peer = async () => {
    /** @type {Map<string, Map<string, Uint8Array>>} */
    const parts = new Map()
    return timed(COUNT, async () => {
      for (let i = 0; i < COUNT; i++) {
        const id = `bank:u:${i & 1023}`
        const part = parts.get(id) ?? new Map()
        parts.set(id, part)
        const key = `marker/${i}`
        if (part.get(key) === undefined) part.set(key, new Uint8Array(value))
        await null
      }
    })
  }
  return [await compare('memory.commit', { postern, peer, peerName: 'await + Map.get + Map.set' })]
}
