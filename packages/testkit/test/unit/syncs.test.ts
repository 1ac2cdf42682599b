import { present, startPostgres } from '@postern/testkit/servers'
import { witnessSyncs } from '@postern/testkit/syncs'
import { describe, expect, it, onTestFinished } from 'vitest'

const all = process.env['POSTERN_REQUIRE'] === 'all'

describe.skipIf((!present.strace || !present.postgres) && !all)('PostgreSQL, as strace sees it', () => {
  it.each([
    ['on', 'each of five inserts is answered after the journal was synced for it'],
    ['off', 'the witness sees that answers do not wait for the journal'],
  ])('synchronous_commit %s: %s', async (setting) => {
    // Nobody else syncs the journal in the meantime, however slow the machine is.
    const quiet = { autovacuum: 'off', wal_writer_delay: '10s' }
    const server = await startPostgres({ settings: { synchronous_commit: setting, ...quiet } })
    onTestFinished(server.stop)
    await server.psql('create table t (n int); checkpoint')
    const during = async () => {
      for (let i = 0; i < 5; i++) await server.psql(`insert into t values (${i})`)
    }
    const { synced, early } = await witnessSyncs({ pid: server.pid!, file: /\/pg_wal\//, during })
    expect(early).toBe(0)
    if (setting === 'on') expect(synced).toBeGreaterThanOrEqual(5)
    else expect(synced).toBeLessThan(5)
  })
})
