/// <reference types="node" />
import { type Op, OutcomeUnknown, type Store } from '@postern/store'
import { redisStore } from '@postern/store/redis'
import { settle } from '@postern/store/settle'
import { delayingProxy } from '@postern/testkit/proxy'
import { type RedisPair, startRedisPair } from '@postern/testkit/servers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { calls, singleClients, skipRedis } from '../redisServer.js'

const part = { tenant: 'bank', id: 'u:1' }
const now = 1_767_225_600_000
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const put = (key: string, more: { value?: Uint8Array; rev?: string | null } = {}): Op => ({
  op: 'put',
  key,
  value: new Uint8Array([120]),
  ...more,
})

const opened: Store[] = []
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
})

describe.skipIf(skipRedis)('redis with a replica', () => {
  let pair: RedisPair
  beforeAll(async () => {
    pair = await startRedisPair()
  })
  afterAll(() => pair?.stop())
  beforeEach(() => pair.primary.cli('flushall'))

  describe.each(singleClients)('over %s', (_name, openPort) => {
    const openBy = async (replicas: number, timeoutMs = 300) => {
      const wait = { replicas, timeoutMs }
      const store = await redisStore({ port: await openPort(pair.primary.port), wait })
      opened.push(store)
      return store
    }

    it('commits wait for it, all of a turn once', async () => {
      const store = await openBy(1, 10_000)
      await pair.primary.cli('config', 'resetstat')
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) => store.commit({ ...part, id: `u:${i}` }, [put('k')], o())),
      )
      expect(answers.every(({ ok }) => ok)).toBe(true)
      expect((await calls(pair.primary)).get('wait')).toBe(1)
      expect((await pair.replica.cli('keys', '*k')).split('\n')).toHaveLength(40)
    })

    it('too few replicas leave an unknown outcome: the commit is there, and settling it waits again', async () => {
      const store = await openBy(1)
      pair.link.stall()
      const { rev } = o()
      const ops = [put('k', { rev: null })]
      const [error, lost] = await Promise.all([
        store.commit(part, ops, { now, rev }).catch((one) => one),
        store.commit(part, [put('k', { rev: null })], o()),
      ])
      expect(error).toBeInstanceOf(OutcomeUnknown)
      // Another's marker stood in its way: that is sure, and it wrote nothing.
      expect(lost).toMatchObject({ ok: false, current: { rev } })
      expect((await store.read(part, ['k'], { now }))[0]?.rev).toBe(rev)
      await expect(store.commit(part, ops, { now, rev })).rejects.toBeInstanceOf(OutcomeUnknown)
      pair.link.resume()
      expect(await settle(store, part, ops, { now, rev, attempts: 30 })).toMatchObject({ ok: true })
    })

    it('more replicas than there are is never a success', async () => {
      const store = await openBy(2)
      await expect(store.commit(part, [put('k')], o())).rejects.toBeInstanceOf(OutcomeUnknown)
    })

    it('what a connection took in part is not finished over another, where nobody would wait for it', async () => {
      const link = await delayingProxy({ target: pair.primary.port })
      const wait = { replicas: 1, timeoutMs: 300 }
      const store = await redisStore({ port: await openPort(link.port), wait })
      opened.push(store)
      link.cutAfter('up', 500_000)
      const value = new Uint8Array(60_000)
      const commits = Array.from({ length: 200 }, (_, i) => store.commit(part, [put(`k/${i}`, { value })], o()))
      const outcomes = await Promise.allSettled(commits)
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toEqual([])
      // Through the next connection, behind whatever the client would have sent over it.
      expect(await store.read(part, ['k/199'], { now })).toEqual([null])
      expect(Number(await pair.primary.cli('dbsize'))).toBeLessThan(20)
      await link.close()
    })

    it('a script that is missing does not slip past the wait', async () => {
      const store = await openBy(1)
      await pair.primary.cli('script', 'flush')
      pair.link.stall()
      await expect(store.commit(part, [put('k')], o())).rejects.toBeInstanceOf(OutcomeUnknown)
      pair.link.resume()
    })
  })
})
