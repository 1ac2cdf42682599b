/// <reference types="node" />
import { afterAll, beforeAll, describe } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import { judge, no } from './judge.js'
import { clientIsKilled, connectionIsCut, serverIsKilled, serverStandsStill } from './redisRigs.js'

describe.skipIf(no('redis'))('Redis', () => {
  let host: Bundle
  beforeAll(async () => {
    host = await bundle(new URL('./redisHost.ts', import.meta.url))
  })
  afterAll(() => host.remove())

  describe('whose server is killed', () => judge({ crash: serverIsKilled }, /kill -9|to survive/, 'A02 '))
  describe('whose client is killed', () => judge({ crash: () => clientIsKilled(host.script) }, /kill -9|to survive/, 'A02 '))
  describe('behind a link that breaks', () => judge({ exchange: connectionIsCut }, /connection is cut/))
  describe('behind a link that stalls', () => judge({ pressure: serverStandsStill }, /pressure/))
})
