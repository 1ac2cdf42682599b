import { fromPg } from '@postern/store/postgres'
import { storeConformance } from '@postern/testkit/conformance'
import { describe, it } from 'vitest'
import { kept, noPostgres, postgresWorld } from '../postgresServer.js'

describe.skipIf(noPostgres)('postgres over pg', () => {
  const world = postgresWorld()
  let port: ReturnType<typeof fromPg> | undefined
  const shared = () => (port ??= kept(fromPg(world.pool())))
  const cases = storeConformance(({ graceMs }) => world.store({ port: shared(), graceMs }))
  for (const { name, run, leftOut } of cases) (leftOut ? it.skip : it)(name, run)
})
