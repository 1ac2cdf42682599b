/// <reference types="node" />
/** Stores over PostgreSQL servers that are killed, cut off, stalled or failed over. */
import type { Store } from '@postern/store'
import { fromPg, migratePostgres, type PostgresOptions, postgresStore, type Topology } from '@postern/store/postgres'
import type { CrashRig, FailoverRig } from '@postern/testkit/conformance'
import { type HostedStore, hostedStore } from '@postern/testkit/crash'
import { type PostgresPair, startPostgres, startPostgresPair } from '@postern/testkit/servers'
import pg from 'pg'

/** A store over a database that is made ready for it. */
export async function openPostgres(
  url: string,
  { max = 4, ...o }: Partial<PostgresOptions> & { max?: number } = {},
): Promise<Store> {
  const port = fromPg(new pg.Pool({ connectionString: url, max }))
  await migratePostgres(port)
  return postgresStore({ port, topology: 'single', ...o })
}

/** @param script - the client, a process of its own @param serverToo - which dies at the same moment */
export async function killed(script: string, serverToo: boolean): Promise<CrashRig> {
  const server = await startPostgres()
  await (await openPostgres(server.url)).close()
  let hosted: HostedStore
  return {
    async store() {
      hosted = await hostedStore({ script, args: [server.url] })
      return hosted
    },
    async kill() {
      await Promise.all([hosted.kill(), serverToo && server.kill()])
    },
    restart: async () => {
      if (serverToo) await server.start()
    },
    close: server.stop,
  }
}

export interface Failover {
  /** Commits wait for the standby. */
  readonly synchronous: boolean
  readonly delayMs: number
  /** What the store is told; by default the truth. */
  readonly topology?: Topology
  readonly mustLose?: boolean
  /** What goes wrong before the primary dies, while commits are under way. */
  readonly trouble?: (pair: PostgresPair) => Promise<void>
}

export async function primaryIsKilled(o: Failover): Promise<FailoverRig> {
  const { synchronous, topology = synchronous ? 'sync-standby' : 'async-standby', mustLose = false, trouble } = o
  const pair = await startPostgresPair(o)
  const { primary, standby, stop } = pair
  return {
    mustLose,
    store: await openPostgres(primary.url, { topology, commitTimeoutMs: 1_500 }),
    async fail() {
      await trouble?.(pair)
      await primary.kill()
      await standby.promote()
      // Alone from now on: a new standby is the operator's business.
      return openPostgres(standby.url)
    },
    close: stop,
  }
}
