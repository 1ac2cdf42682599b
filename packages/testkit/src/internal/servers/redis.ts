/// <reference types="node" />
import type { RedisServer } from '../../servers.js'
import { onFreePort } from './ports.js'
import { daemon } from './process.js'
import { output } from './programs.js'
import { until } from './until.js'

/** A server without snapshots; `settings` are lines of its configuration. */
export function freshRedis(settings: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
  return onFreePort(async (port) => {
    const held = daemon('redis', 'KILL')
    const cli = (...args: readonly string[]) => output('redis-cli', ['-h', '127.0.0.1', '-p', String(port), ...args])
    const lines = {
      port: String(port),
      bind: '127.0.0.1',
      dir: held.folder,
      save: '',
      'repl-diskless-sync-delay': '0',
      ...settings,
    }
    const server: RedisServer = {
      port,
      folder: held.folder,
      get pid() {
        return held.pid
      },
      cli,
      kill: held.kill,
      start: () =>
        held.launch(
          'redis-server',
          Object.entries(lines).flatMap(([name, value]) => [`--${name}`, value]),
          () =>
            cli('ping').then(
              (answer) => answer === 'PONG',
              () => false,
            ),
        ),
      stop: held.stop,
    }
    try {
      await server.start()
      return server
    } catch (error) {
      await held.stop()
      throw error
    }
  })
}

/** Joins nodes to a cluster of three primaries and three replicas, and waits until all of them see it so. */
export async function joinCluster(nodes: readonly RedisServer[]): Promise<void> {
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  await output('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'])
  for (const node of nodes) {
    await until(async () => {
      const [info, known, role] = await Promise.all([node.cli('cluster', 'info'), node.cli('cluster', 'nodes'), node.cli('role')])
      const replicas = known
        .split('\n')
        .filter((line) => / slave /.test(line.replace('myself,', ' ')) || /,slave /.test(line)).length
      return /cluster_state:ok/.test(info) && replicas === 3 && (/^master/.test(role) || /connected/.test(role))
    })
  }
}
