/// <reference types="node" />
import { PGlite } from '@electric-sql/pglite'
import type { Store } from '@postern/store'
import { fromPglite, migratePostgres, type PgPort, type PostgresOptions, postgresStore } from '@postern/store/postgres'
import { type ConformanceOptions, type KitContext, storeConformance } from '@postern/testkit/conformance'
import { delayingProxy } from '@postern/testkit/proxy'
import { type PostgresServer, startPostgres } from '@postern/testkit/servers'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { type Client, cuttable, kept, noPostgres, portTo, postgresWorld, sleep } from '../postgresServer.js'

const rounds = Number(process.env['POSTERN_CRASH_ROUNDS'] ?? 5)

describe.each(['pg', 'postgres'] as const)('PostgreSQL over %s', (client) => {
  describe.skipIf(noPostgres)('with a server', () => {
    const world = postgresWorld()
    let port: PgPort | undefined
    const shared = (): PgPort => (port ??= kept(world.port(client)))
    const make =
      (o: Partial<PostgresOptions> = {}) =>
      ({ graceMs }: KitContext) =>
        world.store({ port: shared(), graceMs, ...o })
    // Failed over in ../crash/failover.test.ts.
    run(make(), { ...rigs(client, world), cuttable: withCuts(shared, world.table), skip: ['failover'] })
  })
})

/** Nothing is cut, killed or stalled here: that is done to the driver above. */
const BARE: ConformanceOptions = { skip: ['outcome', 'exchange', 'crash', 'failover', 'pressure'] }

/** What one node's queue settles, the server must settle between two: all calls go to the one and the other in turn. */
describe.skipIf(noPostgres)('PostgreSQL under two nodes', () => {
  const world = postgresWorld()
  let ports: readonly PgPort[] | undefined
  run(async ({ graceMs }) => {
    ports ??= [kept(world.port()), kept(world.port())]
    const table = world.table()
    await migratePostgres(ports[0]!, { table })
    return inTurn(await Promise.all(ports.map((port) => postgresStore({ port, table, topology: 'single', graceMs }))))
  }, BARE)
})

function inTurn(nodes: readonly Store[]): Store {
  let calls = 0
  const next = (): Store => nodes[calls++ % nodes.length]!
  return {
    guarantees: nodes[0]!.guarantees,
    read: (...call) => next().read(...call),
    commit: (...call) => next().commit(...call),
    list: (...call) => next().list(...call),
    outbox: (...call) => next().outbox!(...call),
    sweep: (...call) => next().sweep!(...call),
    close: async () => void (await Promise.all(nodes.map((node) => node.close()))),
  }
}

describe.skipIf(noPostgres)('PostgreSQL without advisory locks', () => {
  const world = postgresWorld()
  let port: PgPort | undefined
  run(({ graceMs }) => world.store({ port: (port ??= kept(world.port())), graceMs, locking: 'serializable' }), BARE)
})

/** In one process and one session: there is nothing to cut, to stall, to kill or to fail over. */
describe('PostgreSQL in PGlite', () => {
  let port: PgPort | undefined
  let db: PGlite | undefined
  let tables = 0
  const table = () => `t${++tables}_kv`
  beforeAll(async () => {
    db = await PGlite.create()
    port = kept(fromPglite(db))
  }, 300_000)
  afterAll(() => db?.close())
  run(({ graceMs }) => opened(port!, table(), { graceMs }), {
    skip: ['exchange', 'crash', 'failover', 'pressure'],
    cuttable: withCuts(() => port!, table),
  })
})

function run(make: Parameters<typeof storeConformance>[0], o: ConformanceOptions): void {
  for (const { name, run, leftOut } of storeConformance(make, { rounds, sleep, ...o }))
    (leftOut ? it.skip : it)(name, run, 120_000)
}

async function opened(port: PgPort, table: string, o: Partial<PostgresOptions>) {
  await migratePostgres(port, { table })
  return postgresStore({ port, table, topology: 'single', ...o })
}

function withCuts(port: () => PgPort, table: () => string): NonNullable<ConformanceOptions['cuttable']> {
  return async ({ graceMs }) => {
    const { port: cutPort, cut } = cuttable(port())
    return { store: await opened(cutPort, table(), { graceMs }), cut }
  }
}

function rigs(client: Client, world: { readonly server: PostgresServer; table(): string }): ConformanceOptions {
  return {
    async exchange({ graceMs }) {
      const link = await delayingProxy({ target: world.server.port })
      const store = await opened(portTo(link.port, client), world.table(), { graceMs, commitTimeoutMs: 3000 })
      return { store, link, close: () => link.close() }
    },
    async crash({ graceMs }) {
      const server = await startPostgres()
      return {
        store: () => opened(portTo(server.port, client), 'postern_kv', { graceMs }),
        kill: () => server.kill(),
        restart: () => server.start(),
        close: () => server.stop(),
      }
    },
    async pressure({ graceMs }) {
      const link = await delayingProxy({ target: world.server.port })
      const [maxQueue, maxBatch] = [8, 4]
      const store = await opened(portTo(link.port, client), world.table(), { graceMs, connections: 1, maxBatch, maxQueue })
      return {
        store,
        holds: maxQueue + maxBatch,
        stall: async () => link.stall(),
        resume: async () => link.resume(),
        close: () => link.close(),
      }
    },
  }
}
