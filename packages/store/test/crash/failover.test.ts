/// <reference types="node" />
import { describe } from 'vitest'
import { judge, no } from './judge.js'
import { primaryIsKilled } from './postgresRigs.js'
import { primaryIsKilled as redisPrimaryIsKilled } from './redisRigs.js'

const FAILOVER = /failover/

describe.skipIf(no('postgres'))('PostgreSQL, primary killed and standby promoted behind 25 ms', () => {
  const behind = { delayMs: 25 }
  describe('a synchronous standby', () =>
    judge({ failover: () => primaryIsKilled({ ...behind, synchronous: true }) }, FAILOVER, 'A02 '))
  describe('an asynchronous one, which loses', () =>
    judge({ failover: () => primaryIsKilled({ ...behind, synchronous: false, mustLose: true }) }, FAILOVER))
})

describe.skipIf(no('redis'))('Redis, primary killed and replica promoted behind 25 ms', () => {
  describe('without WAIT acknowledged commits are lost', () =>
    judge({ failover: () => redisPrimaryIsKilled({ delayMs: 25 }) }, FAILOVER))
  describe('with WAIT 1', () =>
    judge({ failover: () => redisPrimaryIsKilled({ delayMs: 25, wait: { replicas: 1, timeoutMs: 1_000 } }) }, FAILOVER))
})
