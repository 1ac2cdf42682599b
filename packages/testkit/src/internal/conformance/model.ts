/** Suite 1: whatever the order of calls, the store answers as the reference model does. */
import type { Part, Store } from '@postern/store'
import fc from 'fast-check'
import { opsOf, plannedOps } from '../../arbitraries/ops.js'
import { equal } from '../check.js'
import { type Kit, NOW, type Suite } from './kit.js'
import { type Model, referenceModel } from './reference.js'

const PARTS: readonly Part[] = [
  { tenant: 'bank', id: 'u' },
  { tenant: 'bank', id: 'u:1' },
  { tenant: 'clinic', id: 'u' },
]
const KEYS = ['a', 'b', 'f/1', 'f/10', 'e/1'] as const

interface World {
  readonly model: Model
  readonly at: { now: number }
  readonly kit: Kit
  /** Revs that stood at each key of each partition, oldest first. */
  readonly past: Map<string, string[]>
}

type Command = fc.AsyncCommand<World, Store>

export const modelSuite: Suite = (kit) => [
  {
    name: 'model: every op, rev and expiry does what the contract says, in any order',
    run: () =>
      fc.assert(
        fc.asyncProperty(
          fc.commands([commits, commits, commits, reads, ...(kit.lists ? [lists] : []), outboxes, waits], {
            maxCommands: 60,
            size: 'max',
          }),
          (commands) =>
            kit.over((store) =>
              fc.asyncModelRun(
                () => ({ model: { model: referenceModel(), at: { now: NOW }, kit, past: new Map() }, real: store }),
                commands,
              ),
            ),
        ),
        { seed: kit.seed, numRuns: Math.ceil(60 * kit.scale) },
      ),
  },
]

// Mostly one partition: mistakes show in what has a history.
const part = fc.constantFrom(PARTS[0]!, PARTS[0]!, PARTS[0]!, ...PARTS)

const commits: fc.Arbitrary<Command> = fc.tuple(part, plannedOps({ keys: KEYS })).map(([where, plan]) =>
  command(`commit ${place(where)} ${JSON.stringify(plan)}`, async ({ model, at, kit, past }, store) => {
    const { now } = at
    const rev = kit.rev()
    const ops = opsOf(plan, { now, revs: (key) => past.get(place(where, key)) ?? [] })
    const expected = model.commit(where, ops, { now, rev })
    equal(await store.commit(where, ops, { now, rev }), expected, 'commit')
    if (expected.ok) for (const { key } of ops) past.set(place(where, key), [...(past.get(place(where, key)) ?? []), rev])
  }),
)

const reads: fc.Arbitrary<Command> = fc.tuple(part, fc.array(fc.constantFrom(...KEYS), { maxLength: 6 })).map(([where, keys]) =>
  command(`read ${place(where)} ${keys}`, async ({ model, at }, store) => {
    equal(await store.read(where, keys, at), model.read(where, keys, at), 'read')
  }),
)

const lists: fc.Arbitrary<Command> = fc
  .tuple(
    part,
    fc.constantFrom('', 'f/', 'f/1', 'a', 'zz'),
    fc.constantFrom(undefined, 'a', 'f/1', 'f/2'),
    fc.integer({ min: 1, max: 5 }),
  )
  .map(([where, prefix, after, limit]) =>
    command(`list ${place(where)} ${prefix}`, async ({ model, at: { now } }, store) => {
      const o = { now, limit, ...(after === undefined ? {} : { after }) }
      equal(await store.list(where, prefix, o), model.list(where, prefix, o), 'list')
    }),
  )

const outboxes: fc.Arbitrary<Command> = fc.integer({ min: 1, max: 5 }).map((limit) =>
  command('outbox', async ({ model, at: { now } }, store) => {
    if (store.outbox) equal(await store.outbox({ now, limit }), model.outbox({ now, limit }), 'outbox')
  }),
)

const waits: fc.Arbitrary<Command> = fc.constantFrom(1, 2, 9, 70_000).map((ms) =>
  command(`wait ${ms} ms`, async ({ at }, store) => {
    at.now += ms
    await store.sweep?.(at.now, 10)
  }),
)

function command(text: string, run: (world: World, store: Store) => Promise<void>): Command {
  return { check: () => true, run, toString: () => text }
}

function place({ tenant, id }: Part, key = ''): string {
  return `${tenant}:${id} ${key}`
}
