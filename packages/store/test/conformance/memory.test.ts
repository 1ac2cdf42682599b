import { memoryStore } from '@postern/store/memory'
import { storeConformance } from '@postern/testkit/conformance'
import { describe, it } from 'vitest'

describe('memory', () => {
  // One process, no wire: there is no answer to lose, and what dies takes everything along, as `durable: 'none'` says.
  const cases = storeConformance(async ({ graceMs }) => memoryStore({ graceMs }), {
    skip: ['outcome', 'exchange', 'crash', 'failover', 'pressure'],
  })
  for (const { name, run, leftOut } of cases) it.skipIf(leftOut)(name, run)
})
