import { memoryStore } from '@postern/store/memory'
import { type Case, storeConformance } from '@postern/testkit/conformance'
import { describe, expect, it } from 'vitest'
import { crashRig, cuttableMemory, exchangeRig, failoverRig, pressureRig, sleep } from './rigs.js'
import { mutants } from './stores.js'

describe('a broken store fails the suite that is named for its mistake', () => {
  it.each(mutants)('$mistake', async ({ caughtBy, open, rigs }) => {
    const cases = storeConformance(async () => open(), rigs)
    for (const name of caughtBy) {
      const suite = cases.filter((one) => one.name.startsWith(name))
      expect(suite.length, `no case is named "${name}"`).toBeGreaterThan(0)
      const failed = await failures(suite)
      expect(failed, `"${name}" let it pass`).not.toEqual([])
      // Caught by a verdict: a suite that fell over, or gave up, has caught nothing.
      for (const { error } of failed)
        expect(
          [TypeError, ReferenceError].some((slip) => error instanceof slip),
          String(error),
        ).toBe(false)
      if (name.startsWith('linearizability')) for (const { error } of failed) expect(String(error)).toContain('no order explains')
    }
  })

  it('and the sound one, through the same door, fails none', async () => {
    const rigs = {
      sleep,
      rounds: 3,
      cuttable: async () => cuttableMemory(),
      exchange: async () => exchangeRig(),
      crash: async () => crashRig(),
      failover: async () => failoverRig({ shipsLate: false, claims: 'lossless' }),
      pressure: async () => pressureRig(),
    } as const
    const cases = storeConformance(async () => memoryStore(), rigs)
    expect(cases.filter(({ leftOut }) => leftOut)).toEqual([])
    expect(await failures(cases)).toEqual([])
    const lossy = failoverRig({ shipsLate: true, claims: 'may-lose', mustLose: true })
    const honest = storeConformance(async () => memoryStore(), { sleep, failover: async () => lossy })
    expect(await failures(honest.filter(({ name }) => /failover/.test(name)))).toEqual([])
  })
})

async function failures(cases: readonly Case[]): Promise<readonly { name: string; error: unknown }[]> {
  const failed: { name: string; error: unknown }[] = []
  for (const { name, run } of cases)
    await run().catch((error: unknown) => {
      failed.push({ name, error })
    })
  return failed
}
