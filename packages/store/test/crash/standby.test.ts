/// <reference types="node" />
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '@postern/store'
import { type PostgresPair, startPostgresPair } from '@postern/testkit/servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { judge, no } from './judge.js'
import { openPostgres, primaryIsKilled } from './postgresRigs.js'

const FAILOVER = /failover/
const [part, now] = [{ tenant: 'bank', id: 'u:1' }, 1_767_225_600_000]
const noPostgres = no('postgres')

/** Nothing reaches the standby any more, and what waits for it waits. */
const cutOff = async ({ link }: PostgresPair): Promise<void> => {
  link.stall()
  await sleep(100)
}

/** Ends waits for the standby, some by cancelling the statement, some with their session. */
const waitsEnd = async (pair: PostgresPair): Promise<void> => {
  await cutOff(pair)
  for (let i = 0; i < 10; i++)
    await pair.primary.psql(
      `select ${i % 2 ? 'pg_terminate_backend' : 'pg_cancel_backend'}(pid) from pg_stat_activity where wait_event = 'SyncRep'`,
    )
}

const emptied = async (pair: PostgresPair): Promise<void> => {
  await cutOff(pair)
  await pair.primary.set({ synchronous_standby_names: '' })
  await sleep(300)
}

const local = async (pair: PostgresPair): Promise<void> => {
  await cutOff(pair)
  await pair.primary.set({ synchronous_commit: 'local' })
  // The waits that had begun go on; new commits would not wait at all.
  await waitsEnd(pair)
}

describe.skipIf(noPostgres)('PostgreSQL, primary killed and standby promoted after trouble between them', () => {
  describe.each([
    ['waits for it are broken off', waitsEnd],
    ['the list of standbys is emptied while commits wait', emptied],
    ['synchronous_commit becomes local', local],
  ])('a synchronous standby is cut off, and %s', (_how, trouble) =>
    judge({ failover: () => primaryIsKilled({ delayMs: 0, synchronous: true, trouble }) }, FAILOVER, 'A02 '),
  )
  // The same trouble, not looked for: the harness must see what the driver's looks are for.
  describe('the list of standbys is emptied under a store that was not told of them', () =>
    judge(
      {
        failover: () =>
          primaryIsKilled({ delayMs: 0, synchronous: true, topology: 'async-standby', mustLose: true, trouble: emptied }),
      },
      FAILOVER,
    ))
})

describe.skipIf(noPostgres)('a lossless store whose standby is gone', () => {
  let pair: PostgresPair
  let store: Store
  let revs = 0
  const put = () => {
    const rev = String(++revs).padStart(16, '0')
    return {
      rev,
      key: `k/${revs}`,
      answer: store.commit(part, [{ op: 'put', key: `k/${revs}`, value: new Uint8Array(1), rev: null }], { now, rev }),
    }
  }
  beforeAll(async () => {
    if (noPostgres) return
    pair = await startPostgresPair({ synchronous: true })
    store = await openPostgres(pair.primary.url, { topology: 'sync-standby', commitTimeoutMs: 1_000 })
  })
  afterAll(async () => {
    await store?.close()
    await pair?.stop()
  })

  it('A02 says "lossless" while it has one, and what it acknowledges is on both', async () => {
    expect(store.guarantees).toEqual({ durable: 'power', failover: 'lossless' })
    const { answer, key } = put()
    expect((await answer).ok).toBe(true)
    await expect.poll(() => pair.standby.psql(`select count(*) from postern_kv where k = '${key}'`)).toBe('1')
  })

  it('A02 a wait for the standby that is cancelled is an unknown outcome, though PostgreSQL calls it a success', async () => {
    pair.link.stall()
    const { answer, key, rev } = put()
    const told = expect(answer).rejects.toMatchObject({ code: 'store.outcome_unknown', rev })
    const cancel = "select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'"
    await expect.poll(() => pair.primary.psql(cancel)).toBe('1')
    await told
    // Here it is there, on the standby it is not: success would have been a lie.
    const there = `select count(*) from postern_kv where k = '${key}'`
    expect([await pair.primary.psql(there), await pair.standby.psql(there)]).toEqual(['1', '0'])
    pair.link.resume()
  })

  it('A02 a standby that dies leaves commits unknown, none acknowledged, and reads go on', async () => {
    await pair.standby.kill()
    const tries = Array.from({ length: 8 }, put)
    const told = await Promise.allSettled(tries.map(({ answer }) => answer))
    for (const one of told)
      expect(one).toMatchObject({ status: 'rejected', reason: { code: expect.stringMatching(/outcome_unknown|overloaded/) } })
    expect(told.some((one) => one.status === 'rejected' && one.reason.code === 'store.outcome_unknown')).toBe(true)
    expect(await store.read(part, ['k/1'], { now })).toMatchObject([{ key: 'k/1' }])
    await pair.standby.start()
    await expect.poll(async () => (await put().answer.catch(() => null))?.ok, { timeout: 15_000 }).toBe(true)
  })

  it('A02 an emptied list of standbys refuses commits, and one that is filled again takes them', async () => {
    await pair.primary.set({ synchronous_standby_names: '' })
    const refused = put()
    await expect(refused.answer).rejects.toMatchObject({ code: 'store.guarantee_lost' })
    expect(await pair.primary.psql(`select count(*) from postern_kv where k = '${refused.key}'`)).toBe('0')
    await pair.primary.set({ synchronous_standby_names: 'standby' })
    expect((await put().answer).ok).toBe(true)
  })
})
