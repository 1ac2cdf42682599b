/// <reference types="node" />
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isPosternError } from '@postern/core/errors'
import type { Random } from '@postern/core/runtime'
import { openPolicy, type PolicyRepository, publish, rollback } from '@postern/policy/publish'
import type { Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { sqliteStore } from '@postern/store/sqlite'
import fc from 'fast-check'
import Database from 'libsql'
import { afterAll, expect, it } from 'vitest'
import { context, crypto, version } from '../publishing.js'
import { type StoredPolicies, storeRepository } from '../repository.js'
import { small } from '../small.js'

const numRuns = Math.ceil(Number(process.env['POSTERN_RUNS'] ?? 100) / 5)
const folder = mkdtempSync(join(tmpdir(), 'postern-policy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let drawn = 0
const random: Random = (n) => Uint8Array.from({ length: n }, (_, i) => (drawn++ * 31 + i * 7) & 255)
let files = 0
/** Two nodes on one store. */
const nodes: Readonly<Record<string, () => readonly [Store, Store]>> = {
  memory: () => {
    const store = memoryStore()
    return [store, store]
  },
  sqlite: () => {
    const file = join(folder, `${files++}.db`)
    return [sqliteStore(new Database(file)), sqliteStore(new Database(file))]
  },
}

/** The trail is one line: each entry replaced the one before it, the head is the last, and every entry has its event and its bytes. */
async function proven(repository: StoredPolicies): Promise<number> {
  const entries = await repository.entries()
  const head = await repository.head('retail')
  expect(entries.map(({ previous }) => previous)).toEqual([null, ...entries.slice(0, -1).map((entry) => entry.version)])
  expect(head?.version ?? null).toBe(entries.at(-1)?.version ?? null)
  expect(await repository.events()).toEqual(entries.map((entry) => entry.version))
  for (const entry of entries) {
    const bytes = (await repository.load(entry.version))!
    expect((await openPolicy(small, { version: entry.version, bytes }, crypto)).version).toBe(entry.version)
  }
  return entries.length
}

it.each(Object.keys(nodes))('%s: of publishers and rollbacks from one head exactly one wins, in every order of steps', (name) =>
  fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(fc.boolean(), { minLength: 2, maxLength: 5 }), async (schedule, racers) => {
      const stores = nodes[name]!()
      const [a, b] = stores.map((store) => storeRepository(store, random)) as [StoredPolicies, StoredPolicies]
      const first = await publish(await version(1, null), context(a))
      const second = await publish(await version(2, first.version), context(a))
      const slow = (repository: PolicyRepository): PolicyRepository => ({
        head: (id) => schedule.schedule(repository.head(id), 'head'),
        load: (id) => schedule.schedule(repository.load(id), 'load'),
        save: async (entry, expect) => {
          await schedule.schedule(Promise.resolve(), 'save')
          return repository.save(entry, expect)
        },
      })
      const tries = await schedule.waitFor(
        Promise.allSettled(
          racers.map(async (back, i) =>
            back
              ? rollback('retail', first.version, context(slow(i % 2 ? a : b)))
              : publish(await version(10 + i, second.version), context(slow(i % 2 ? a : b))),
          ),
        ),
      )
      const won = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      // A rollback begins at the head it finds: it may follow the winner instead of losing to it.
      expect(won.filter(({ previous }) => previous === second.version).length).toBe(1)
      for (const one of tries)
        if (one.status === 'rejected') {
          expect(isPosternError(one.reason, 'policy.head_conflict')).toBe(true)
          const base = (one.reason as Error).cause as { version: string }
          expect((await a.entries()).map((entry) => entry.version)).toContain(base.version)
          expect(base.version).not.toBe(second.version)
        }
      expect(await proven(b)).toBe(2 + won.length)
      for (const store of new Set(stores)) await store.close()
    }),
    { numRuns: name === 'sqlite' ? Math.ceil(numRuns / 2) : numRuns },
  ),
)

it.each(Object.keys(nodes))('%s: the loser edits from the new head and publishes', async (name) => {
  const [a, b] = nodes[name]!().map((store) => storeRepository(store, random)) as [StoredPolicies, StoredPolicies]
  const first = await publish(await version(1, null), context(a))
  await publish(await version(2, first.version), context(a))
  const lost = await publish(await version(3, first.version), context(b)).catch((error: unknown) => error)
  expect(lost).toMatchObject({ code: 'policy.head_conflict' })
  const { version: base } = (lost as Error).cause as { version: string }
  await publish(await version(3, base), context(b))
  expect(await proven(a)).toBe(3)
})
