import { memoryStore } from '@postern/store/memory'
import { type Case, storeConformance } from '@postern/testkit/conformance'
import { describe, expect, it } from 'vitest'
import { cuttableMemory, mutants } from './stores.js'

describe('a broken store fails the suite that is named for its mistake', () => {
  it.each(mutants)('$mistake', async ({ caughtBy, open, cuttable }) => {
    const cases = storeConformance(async () => open(), { ...(cuttable && { cuttable: async () => cuttable() }) })
    for (const name of caughtBy) {
      const suite = cases.filter((one) => one.name.startsWith(name))
      expect(suite.length, `no case is named "${name}"`).toBeGreaterThan(0)
      expect(await failures(suite), `"${name}" let it pass`).not.toEqual([])
    }
  })

  it('and the sound one, through the same door, fails none', async () => {
    const cases = storeConformance(async () => memoryStore(), { cuttable: async () => cuttableMemory() })
    expect(await failures(cases)).toEqual([])
  })
})

async function failures(cases: readonly Case[]): Promise<readonly string[]> {
  const failed: string[] = []
  for (const { name, run } of cases)
    await run().catch(() => {
      failed.push(name)
    })
  return failed
}
