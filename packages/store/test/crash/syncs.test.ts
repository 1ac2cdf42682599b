/// <reference types="node" />
import type { Store } from '@postern/store'
import { hostedStore } from '@postern/testkit/crash'
import { startPostgres, startRedis } from '@postern/testkit/servers'
import { type SyncWitness, witnessSyncs } from '@postern/testkit/syncs'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import { sqliteFiles } from '../sqliteFiles.js'
import { no } from './judge.js'
import { openPostgres } from './postgresRigs.js'
import { openRedis } from './redisRigs.js'

const COMMITS = 10
const nextFile = sqliteFiles()

/** Ten commits, one after the other, as strace sees the process that keeps them. */
async function witness(store: Store, pid: number, file: RegExp): Promise<SyncWitness & { claimed: string }> {
  onTestFinished(() => store.close())
  let revs = 0
  const add = () =>
    store.commit({ tenant: 'bank', id: 'u:1' }, [{ op: 'add', key: 'tries', by: 1, max: COMMITS + 1 }], {
      now: 1_767_225_600_000,
      rev: String(++revs).padStart(16, '0'),
    })
  await add()
  const during = async () => {
    for (let i = 0; i < COMMITS; i++) await add()
  }
  return { ...(await witnessSyncs({ pid, file, during })), claimed: store.guarantees.durable }
}

describe.skipIf(no('strace'))('SQLite, as strace sees it', () => {
  let host: Bundle
  beforeAll(async () => {
    host = await bundle(new URL('./sqliteHost.ts', import.meta.url))
  })
  afterAll(() => host.remove())

  const sqlite = async (synchronous: 'FULL' | 'NORMAL') => {
    const store = await hostedStore({ script: host.script, args: [nextFile(), synchronous] })
    return witness(store, store.pid, /\.db-wal$/)
  }

  it('A02 every acknowledged commit was synced to the disk before, as "power" says', async () => {
    expect(await sqlite('FULL')).toEqual({ synced: COMMITS, early: 0, claimed: 'power' })
  })

  it('and with synchronous NORMAL, which says "process" alone, the witness sees that none was', async () => {
    expect(await sqlite('NORMAL')).toEqual({ synced: 0, early: COMMITS, claimed: 'process' })
  })
})

describe.skipIf(no('strace') || no('postgres'))('PostgreSQL, as strace sees it', () => {
  const postgres = async (synchronous_commit: string) => {
    const server = await startPostgres({ settings: { synchronous_commit, autovacuum: 'off', wal_writer_delay: '10s' } })
    onTestFinished(server.stop)
    return witness(await openPostgres(server.url), server.pid!, /\/pg_wal\//)
  }

  it('A02 every acknowledged commit was synced to the disk before, as "power" says', async () => {
    const { synced, early, claimed } = await postgres('on')
    expect({ early, claimed }).toEqual({ early: 0, claimed: 'power' })
    expect(synced).toBeGreaterThanOrEqual(COMMITS)
  })

  it('and with synchronous_commit off, which says "none", answers do not wait', async () => {
    const { synced, claimed } = await postgres('off')
    expect(claimed).toBe('none')
    expect(synced).toBeLessThan(COMMITS)
  })
})

describe.skipIf(no('strace') || no('redis'))('Redis, as strace sees it', () => {
  const redis = async (appendfsync: string) => {
    const server = await startRedis({ settings: { appendonly: 'yes', appendfsync } })
    onTestFinished(server.stop)
    return witness(await openRedis(server.port), server.pid!, /\.aof$/)
  }

  it('A02 with appendfsync always every acknowledged commit was synced to the disk before, as "power" says', async () => {
    const { synced, early, claimed } = await redis('always')
    expect({ early, claimed }).toEqual({ early: 0, claimed: 'power' })
    expect(synced).toBeGreaterThanOrEqual(COMMITS)
  })

  it('and with everysec, which does not say so, answers do not wait', async () => {
    const { synced, claimed } = await redis('everysec')
    expect(claimed).not.toBe('power')
    expect(synced).toBeLessThan(COMMITS)
  })
})
