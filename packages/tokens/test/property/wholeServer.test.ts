import { seededRandom } from '@postern/testkit/simulation'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Walk, walk } from './walk.js'

const numRuns = Math.ceil(Number(process.env.POSTERN_RUNS ?? 100) / 8)
const STEPS = 40
/** One printed seed, to be replayed: `POSTERN_SEED=… npx vitest run …`. */
const replayed = process.env.POSTERN_SEED === undefined ? [] : [[Number(process.env.POSTERN_SEED)] as [number]]

async function walked(seed: number): Promise<Walk> {
  const random = seededRandom(seed)
  const server = await walk(seed, (n) => new DataView(random(4).buffer).getUint32(0) % n)
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
}, 120_000)

it('a seed replays: the same faults, the same answers', async () => {
  const [first, second] = [await walked(20_260_101), await walked(20_260_101)]
  expect(second.story).toEqual(first.story)
  expect(second.bank.faulty.log).toEqual(first.bank.faulty.log)
})
