/// <reference types="node" />
import { hostedStore } from '@postern/testkit/crash'
import { present } from '@postern/testkit/servers'
import { witnessSyncs } from '@postern/testkit/syncs'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import { sqliteFiles } from '../sqliteFiles.js'

const COMMITS = 10
const nextFile = sqliteFiles()
const all = process.env['POSTERN_REQUIRE'] === 'all'

describe.skipIf(!present.strace && !all)('SQLite, as strace sees it', () => {
  let host: Bundle
  beforeAll(async () => {
    host = await bundle(new URL('./sqliteHost.ts', import.meta.url))
  })
  afterAll(() => host.remove())

  const witness = async (synchronous: 'FULL' | 'NORMAL') => {
    const store = await hostedStore({ script: host.script, args: [nextFile(), synchronous] })
    onTestFinished(() => store.close())
    const during = async () => {
      for (let i = 0; i < COMMITS; i++)
        await store.commit({ tenant: 'bank', id: 'u:1' }, [{ op: 'add', key: 'tries', by: 1, max: COMMITS }], {
          now: 1_767_225_600_000,
          rev: String(i).padStart(16, '0'),
        })
    }
    return { ...(await witnessSyncs({ pid: store.pid, file: /\.db-wal$/, during })), claimed: store.guarantees.durable }
  }

  it('A02 every acknowledged commit was synced to the disk before, as "power" says', async () => {
    expect(await witness('FULL')).toEqual({ synced: COMMITS, early: 0, claimed: 'power' })
  })

  it('and with synchronous NORMAL, which says "process" alone, the witness sees that none was', async () => {
    expect(await witness('NORMAL')).toEqual({ synced: 0, early: COMMITS, claimed: 'process' })
  })
})
