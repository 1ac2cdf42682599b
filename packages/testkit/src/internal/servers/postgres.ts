/// <reference types="node" />
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresServer } from '../../servers.js'
import { onFreePort } from './ports.js'
import { type Daemon, daemon } from './process.js'
import { output, postgresFolder, postgresOwner } from './programs.js'
import { until } from './until.js'

export type Settings = Readonly<Record<string, string>>

/** Small, local, and no shared memory that a kill would leave behind. */
const DEFAULTS: Settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '32MB',
  dynamic_shared_memory_type: 'mmap',
  wal_retrieve_retry_interval: '200ms',
  timezone: 'UTC',
}

/** A new cluster of its own: a copy of one that `initdb` made once for this process, since that takes longer than the rest of a start. */
export function freshPostgres(settings: Settings = {}): Promise<PostgresServer> {
  return onFreePort((port) => opened(port, settings, async (data, as) => output('cp', ['-a', await template(), data], as)))
}

let made: Promise<string> | undefined

function template(): Promise<string> {
  made ??= (async () => {
    const owner = postgresOwner()
    const data = join(daemon('postgres', 'KILL', owner).folder, 'data')
    await output(program('initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], owner)
    return data
  })()
  return made
}

/** A hot standby that follows whoever answers at `from`, under the name `standby`. */
export function standbyPostgres(from: number): Promise<PostgresServer> {
  const source = `host=127.0.0.1 port=${from} user=postgres application_name=standby`
  return onFreePort((port) =>
    opened(port, {}, (data, as) =>
      output(program('pg_basebackup'), ['-d', source, '-D', data, '-R', '-X', 'stream', '-c', 'fast', '--no-sync'], as),
    ),
  )
}

type Make = (data: string, as: ReturnType<typeof postgresOwner>) => Promise<unknown>

async function opened(port: number, settings: Settings, make: Make): Promise<PostgresServer> {
  const owner = postgresOwner()
  const held = daemon('postgres', 'QUIT', owner)
  const data = join(held.folder, 'data')
  try {
    await make(data, owner)
    const server = serverOver(held, port, { ...DEFAULTS, ...settings })
    await server.start()
    return server
  } catch (error) {
    await held.stop()
    throw error
  }
}

function serverOver(held: Daemon, port: number, settings: Settings): PostgresServer {
  const address = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres']
  const data = join(held.folder, 'data')
  const ready = () =>
    output(program('pg_isready'), address).then(
      () => true,
      () => false,
    )
  const psql = (...statements: readonly string[]) =>
    output('psql', [
      '-X',
      '-A',
      '-t',
      '-q',
      '-v',
      'ON_ERROR_STOP=1',
      ...address,
      '-d',
      'postgres',
      ...statements.flatMap((s) => ['-c', s]),
    ])
  return {
    port,
    folder: held.folder,
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    get pid() {
      return held.pid
    },
    psql: (sql) => psql(sql),
    async set(changed) {
      const before = await psql('select pg_conf_load_time()')
      await psql(
        ...Object.entries(changed).map(([name, value]) => `alter system set ${name} = '${value.replaceAll("'", "''")}'`),
        'select pg_reload_conf()',
      )
      await until(async () => (await psql('select pg_conf_load_time()')) !== before)
    },
    kill: held.kill,
    async start() {
      const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
      const launch = () => held.launch(program('postgres'), ['-D', data, '-p', String(port), ...options], ready)
      // A child that was born while its parent was killed ends by itself; until then the data is its own.
      for (let left = 50; ; left--) {
        try {
          return await launch()
        } catch (error) {
          if (left === 0 || !/shared memory block|lock file/.test(String(error))) throw error
          await sleep(100)
        }
      }
    },
    async promote() {
      // Not waiting inside: its snapshot could hold up, for 30 s, the very replay that it waits for.
      await psql('select pg_promote(false)')
      await until(async () => (await psql('select pg_is_in_recovery()')) === 'f')
    },
    stop: held.stop,
  }
}

function program(name: string): string {
  const folder = postgresFolder()
  if (folder === null) throw new Error('PostgreSQL is not installed: ask `present.postgres` first')
  return join(folder, name)
}
