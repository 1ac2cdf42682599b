import { memoryStore } from '@postern/store/memory'
import { storeConformance } from '@postern/testkit/conformance'
import { describe, it } from 'vitest'

describe('memory', () => {
  for (const { name, run } of storeConformance(async ({ graceMs }) => memoryStore({ graceMs }))) it(name, run)
})
