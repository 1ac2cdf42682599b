/** The whole kit through `sealed`: what a driver promises is promised by the sealed driver too. */
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import { memoryStore } from '@postern/store/memory'
import { dataKeys, sealed } from '@postern/store/sealed'
import { sqliteStore } from '@postern/store/sqlite'
import { type Case, storeConformance } from '@postern/testkit/conformance'
import { describe, expect, it } from 'vitest'
import { dataKey, portsOf } from '../sealing.js'
import { openLibsql } from '../sqliteFiles.js'

/** A sealed value is 33 bytes longer, so that 65,536 do not fit and are refused; that 65,503 do is among the tests of `sealed` itself. */
const tooLong = 'isolation: every byte value comes back, from none to 65,536 of them'
/** What is done to drivers is not done again to what lies over them. */
const RIGS = ['outcome', 'exchange', 'crash', 'failover', 'pressure'] as const
const keys = dataKeys([dataKey('00000001', 7)])

describe.each([
  { crypto: createNode(), scale: 1 },
  { crypto: createWeb(), scale: 0.2 },
  { crypto: createNoble(), scale: 0.2 },
])('sealed memory on $crypto.name', ({ crypto, scale }) => {
  const cases = storeConformance(async ({ graceMs }) => sealed(memoryStore({ graceMs }), keys, portsOf(crypto)), {
    scale,
    skip: RIGS,
  })
  judge(cases)
})

describe('sealed sqlite', () => {
  const cases = storeConformance(
    async ({ graceMs }) => sealed(sqliteStore(openLibsql(':memory:'), { graceMs }), async () => keys, portsOf()),
    { scale: 0.5, skip: RIGS },
  )
  judge(cases)
})

function judge(cases: readonly Case[]): void {
  for (const { name, run } of cases)
    if (name === tooLong) it(`${name}, but for the last 33`, () => expect(run()).rejects.toMatchObject({ code: 'store.invalid' }))
    else it(name, run)
}
