import type { Store } from '@postern/store'
import { sqliteStore } from '@postern/store/sqlite'
import { seededRandom } from '@postern/testkit/simulation'
import fc from 'fast-check'
import Database from 'libsql'
import { expect, it } from 'vitest'
import { type Walk, walk } from './walk.js'

const numRuns = Math.ceil(Number(process.env.POSTERN_RUNS ?? 100) / 10)
const STEPS = 40
/** One printed seed, to be replayed: `POSTERN_SEED=… npx vitest run …`. */
const replayed = process.env.POSTERN_SEED === undefined ? [] : [[Number(process.env.POSTERN_SEED)] as [number]]

async function walked(seed: number, over?: Store): Promise<Walk> {
  const random = seededRandom(seed)
  const server = await walk(seed, (n) => new DataView(random(4).buffer).getUint32(0) % n, over)
  for (let i = 0; i < STEPS; i++) await server.step()
  await server.calm()
  return server
}

it('under one seed and a lying network: what counts once counts once, nothing is issued before its commit, and what was revoked is over', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const server = await walked(seed)
      await server.judge()
    }),
    { numRuns, examples: replayed },
  )
}, 300_000)

it('a seed replays: the same faults, the same answers', async () => {
  const [first, second] = [await walked(20_260_101), await walked(20_260_101)]
  expect(second.story).toEqual(first.story)
  expect(second.bank.faulty.log).toEqual(first.bank.faulty.log)
})

it('over SQLite as over memory, keys and clients included', async () => {
  for (const seed of [1, 2, 3]) {
    const store = sqliteStore(new Database(':memory:'))
    const server = await walked(seed, store)
    await server.judge()
    expect(server.roots.length).toBeGreaterThan(0)
    await store.close()
  }
})

it('nothing that was given out stands in the store: no token, no code, no secret', async () => {
  let [given, written] = [0, 0]
  for (const seed of [7, 8, 9]) {
    const { secrets, bank } = await walked(seed)
    const all = bank.rest.join('\n')
    // Whole or in part: the end of it, which no two share.
    expect([...secrets].filter((secret) => all.includes(secret.slice(-40)))).toEqual([])
    given += secrets.size
    written += bank.rest.length
  }
  expect([given > 100, written > 300]).toEqual([true, true])
})
