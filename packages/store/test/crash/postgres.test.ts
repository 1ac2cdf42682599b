/// <reference types="node" />
import { afterAll, beforeAll, describe } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import { judge, no } from './judge.js'
import { killed } from './postgresRigs.js'

// The server alone is killed, cut off and stalled in ../conformance.
describe.skipIf(no('postgres'))('PostgreSQL', () => {
  let host: Bundle
  beforeAll(async () => {
    host = await bundle(new URL('./postgresHost.ts', import.meta.url))
  })
  afterAll(() => host.remove())

  describe.each([
    ['client is', false],
    ['client and server are', true],
  ])('whose %s killed', (_what, serverToo) =>
    judge({ crash: () => killed(host.script, serverToo) }, /kill -9|to survive/, 'A02 '),
  )
})
