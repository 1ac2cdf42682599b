/// <reference types="node" />
/** The rows over two nodes on one PostgreSQL: what one node's order of commits settles must hold between two. */
import { migratePostgres, type PostgresOptions, postgresStore } from '@postern/store/postgres'
import { describe, expect, it } from 'vitest'
import { kept, noPostgres, postgresWorld } from '../postgresServer.js'
import { attackRows, commit, fifty, now, user, won } from './rows.js'

describe.skipIf(noPostgres)('over PostgreSQL', () => {
  const world = postgresWorld()
  const ports: Record<string, ReturnType<typeof world.port>[]> = {}
  const nodes = async (o: Partial<PostgresOptions> = {}, client: 'pg' | 'postgres' = 'pg') => {
    const both = (ports[client] ??= [kept(world.port(client)), kept(world.port(client))])
    const table = world.table()
    await migratePostgres(both[0]!, { table })
    return Promise.all(both.map((port) => postgresStore({ port, table, topology: 'single', ...o })))
  }

  describe('two nodes over pg', () => attackRows(() => nodes()))
  describe('two nodes over postgres.js', () => attackRows(() => nodes({}, 'postgres')))
  // Each commit on its way alone, so that the server orders all of them.
  describe('two nodes that do not batch', () => attackRows(() => nodes({ maxBatch: 1, connections: 4 })))

  it('T31 replay after a restart: the marker outlives the node that wrote it', async () => {
    const port = kept(world.port())
    const table = world.table()
    await migratePostgres(port, { table })
    const use = async () => {
      const store = await postgresStore({ port, table, topology: 'single' })
      const answer = await commit(store, [
        { op: 'put', key: 'j/1', value: new Uint8Array(0), rev: null, expiresAt: now + 60_000 },
      ])
      await store.close()
      return answer.ok
    }
    expect([await use(), await use(), await use()]).toEqual([true, false, false])
  })

  it('A01 guesses taken one by one and guesses taken two by two share one limit', async () => {
    const [one, two] = await nodes()
    const answers = await fifty((i) =>
      i % 2
        ? commit(one!, [{ op: 'add', key: 'pin', by: 1, max: 5 }])
        : commit(two!, [
            { op: 'add', key: 'pin', by: 1, max: 5 },
            { op: 'add', key: 'pin/failed', by: 1, max: 30 },
          ]),
    )
    expect(won(answers)).toBe(5)
    expect((await one!.read(user, ['pin'], { now }))[0]?.n).toBe(5)
  })
})
