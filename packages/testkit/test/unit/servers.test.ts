/// <reference types="node" />
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { killNine } from '@postern/testkit/crash'
import {
  present,
  startPostgres,
  startPostgresPair,
  startRedis,
  startRedisCluster,
  startRedisPair,
} from '@postern/testkit/servers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { bundle } from '../bundle.js'

const required = process.env['POSTERN_REQUIRE'] === 'all'

function running(pid: number | undefined): boolean {
  return pid !== undefined && existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

describe.skipIf(!present.postgres && !required)('PostgreSQL', () => {
  it('keeps what it committed through kill -9 and a new start over the same folder, and leaves nothing when stopped', async () => {
    const server = await startPostgres()
    onTestFinished(server.stop)
    expect(server.port).toBeLessThan(55_536)
    await server.psql('create table t (n int); insert into t values (7)')
    const { pid } = server
    const sleeper = server.psql('select pg_sleep(60)').catch((error: unknown) => String(error))
    await server.kill()
    expect(running(pid)).toBe(false)
    expect(await sleeper).toMatch(/server closed the connection|could not connect|refused/)
    await server.start()
    expect(await server.psql('select n from t')).toBe('7')
    await server.set({ synchronous_commit: 'off' })
    expect(await server.psql('show synchronous_commit')).toBe('off')
    const second = server.pid
    await server.stop()
    expect([running(second), existsSync(server.folder)]).toEqual([false, false])
  })

  it('a synchronous standby has what was committed, and takes over', async () => {
    const pair = await startPostgresPair({ synchronous: true, delayMs: 25 })
    onTestFinished(pair.stop)
    const { primary, standby } = pair
    await primary.psql('create table t (n int)')
    const began = performance.now()
    await primary.psql('insert into t values (7)')
    expect(performance.now() - began).toBeGreaterThan(50)
    await primary.kill()
    await standby.promote()
    expect(await standby.psql('insert into t values (8); select sum(n) from t')).toBe('15')
  })
})

describe.skipIf(!present.redis && !required)('Redis', () => {
  it('keeps an append-only file through kill -9 and a new start', async () => {
    const server = await startRedis({ settings: { appendonly: 'yes', appendfsync: 'always' } })
    onTestFinished(server.stop)
    await server.cli('set', 'a', '1')
    await server.kill()
    await server.start()
    expect(await server.cli('get', 'a')).toBe('1')
  })

  it('a replica hears its primary through the link, and takes over', async () => {
    const pair = await startRedisPair({ delayMs: 200 })
    onTestFinished(pair.stop)
    const { primary, replica } = pair
    await primary.cli('set', 'early', '1')
    await expect.poll(() => replica.cli('get', 'early')).toBe('1')
    await primary.cli('set', 'late', '1')
    await primary.kill()
    await pair.promote()
    // It was still on the link when the primary died.
    expect(await replica.cli('get', 'late')).toBe('')
    expect(await replica.cli('set', 'own', '1')).toBe('OK')
  })

  it('a server ends, and its folder goes, when the tests that started it are killed', async () => {
    const child = await bundle(new URL('../children/abandons.ts', import.meta.url))
    onTestFinished(child.remove)
    const [line = ''] = await killNine({ script: child.script, afterLines: 1 })
    const [pid, folder] = [Number(line.split(' ')[0]), line.split(' ')[1]!]
    await expect.poll(() => running(pid) || existsSync(folder), { timeout: 10_000 }).toBe(false)
  })

  it('whoever waits for the end of a server is not over before it', async () => {
    const child = await bundle(new URL('../children/stops.ts', import.meta.url))
    onTestFinished(child.remove)
    const { status, stdout } = spawnSync(process.execPath, [child.script], { encoding: 'utf8', timeout: 20_000 })
    expect([status, stdout]).toEqual([0, 'stopped\n'])
  })

  it('six nodes are a cluster of three primaries and three replicas', async () => {
    const { nodes, stop } = await startRedisCluster()
    onTestFinished(stop)
    const roles = await Promise.all(nodes.map((node) => node.cli('role')))
    expect(roles.map((role) => role.split('\n')[0])).toEqual(['master', 'master', 'master', 'slave', 'slave', 'slave'])
  })
})
