import { memoryStore } from '@postern/store/memory'
import { opsOf, plannedOps } from '@postern/testkit/arbitraries/ops'
import fc from 'fast-check'
import { expect, it } from 'vitest'

const [part, now, rev] = [{ tenant: 'bank', id: 'u:1' }, 1_767_225_600_000, 'AAAAAAAAAAAAAAAA']
const numRuns = Number(process.env['POSTERN_RUNS'] ?? 300)
const plan = plannedOps({ keys: ['a', 'b', 'c'] })

it('every plan is a commit that a store judges, and none is refused for its form', () =>
  fc.assert(
    fc.asyncProperty(plan, fc.array(fc.constantFrom(rev, 'BBBBBBBBBBBBBBBB')), async (planned, revs) => {
      const ops = opsOf(planned, { now, revs: () => revs })
      expect(ops.map(({ key }) => key)).toEqual(planned.map(({ key }) => key))
      expect(typeof (await memoryStore().commit(part, ops, { now, rev })).ok).toBe('boolean')
    }),
    { numRuns },
  ))

it('every op, every condition and every expiry is tried', () => {
  const seen = new Set<string>()
  for (const planned of fc.sample(plan, { numRuns: 1000, seed: 1 }))
    for (const op of opsOf(planned, { now, revs: () => ['old_old_old_old_', rev] }))
      seen.add(`${op.op} ${'rev' in op ? op.rev : '-'} ${'expiresAt' in op && op.expiresAt! > 0 ? 'expires' : 'stays'}`)
  const conditions = [null, rev, 'old_old_old_old_', 'zzzzzzzzzzzzzzzz']
  expect([...seen].sort()).toEqual(
    [
      ...conditions.map((one) => `check ${one} stays`),
      ...[...conditions, '-'].flatMap((one) => [`put ${one} stays`, `put ${one} expires`]),
      ...[...conditions.slice(1), '-'].map((one) => `del ${one} stays`),
      'add - stays',
      'add - expires',
    ].sort(),
  )
})
