/** Broken stores: each makes one mistake that stores in the wild have made, and each must fail the suite that is named for it. */
import { isPosternError, PosternError } from '@postern/core/errors'
import { type Commit, OutcomeUnknown, type Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import type { Cuttable } from '@postern/testkit/conformance'

export interface Mutant {
  readonly mistake: string
  /** How the names of the cases begin that must catch it. */
  readonly caughtBy: readonly string[]
  readonly open: () => Store
  readonly cuttable?: () => Cuttable
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

const rounds = async (n: number) => {
  for (let i = 0; i < n; i++) await null
}

export const mutants: readonly Mutant[] = [
  {
    mistake: 'checks, then acts',
    caughtBy: ['linearizability: 12', 'storms: of 200 puts', 'storms: of 200 adds', 'storms: of 50 swaps'],
    open() {
      // One store judges, the other is written without a condition after a turn.
      const store = memoryStore()
      return {
        ...store,
        async commit(part, ops, o) {
          const shadow = memoryStore()
          const standing = await store.read(part, [...new Set(ops.map(({ key }) => key))], o)
          for (const rec of standing) {
            if (!rec) continue
            const { key, value, n, rev, expiresAt } = rec
            await shadow.commit(part, [{ op: 'put', key, value, expiresAt }], { now: o.now, rev })
            if (n > 0) await shadow.commit(part, [{ op: 'add', key, by: n, max: n }], { now: o.now, rev })
          }
          const answer = await shadow.commit(part, ops, o)
          if (!answer.ok) return answer
          await turn()
          for (const [i, rec] of answer.recs.entries()) await overwrite(store, part, ops[i]!.key, rec, o)
          return answer
        },
      }
    },
  },
  {
    mistake: 'prolongs the expiry of a counter at each add',
    caughtBy: ['time: an add keeps the expiry', 'model:'],
    open() {
      const store = memoryStore()
      return {
        ...store,
        async commit(part, ops, o) {
          const answer = await store.commit(part, ops, o)
          if (!answer.ok) return answer
          const recs = [...answer.recs]
          for (const [i, op] of ops.entries()) {
            const rec = recs[i]
            if (op.op !== 'add' || !rec || op.expiresAt === undefined) continue
            recs[i] = { ...rec, expiresAt: op.expiresAt }
            await overwrite(store, part, op.key, recs[i]!, { ...o, rev: rec.rev })
          }
          return { ok: true, recs }
        },
      }
    },
  },
  {
    mistake: 'keeps n when a record is put',
    caughtBy: ['model:'],
    open() {
      const store = memoryStore()
      return {
        ...store,
        async commit(part, ops, o) {
          const before = await store.read(part, keysOf(ops), o)
          const answer = await store.commit(part, ops, o)
          if (!answer.ok) return answer
          const recs = [...answer.recs]
          for (const [i, op] of ops.entries()) {
            const n = before[i]?.n ?? 0
            if (op.op !== 'put' || n === 0) continue
            await store.commit(part, [{ op: 'add', key: op.key, by: n, max: n }], o)
            recs[i] = { ...recs[i]!, n }
          }
          return { ok: true, recs }
        },
      }
    },
  },
  {
    mistake: 'lists what is expired',
    caughtBy: ['list: what is expired', 'model:'],
    open() {
      const store = memoryStore()
      return { ...store, list: (part, prefix, o) => store.list(part, prefix, { ...o, now: 1 }) }
    },
  },
  {
    mistake: 'reads from a replica that is behind',
    caughtBy: ['linearizability: 8', 'linearizability: 12', 'linearizability: 16'],
    open() {
      const store = memoryStore()
      const replica = memoryStore()
      let shipped: Promise<unknown> = Promise.resolve()
      return {
        ...store,
        read: replica.read,
        async commit(part, ops, o) {
          const answer = await store.commit(part, ops, o)
          shipped = shipped.then(() => rounds(6)).then(() => replica.commit(part, ops, o))
          return answer
        },
      }
    },
  },
  {
    mistake: 'reads its keys one by one',
    caughtBy: ['linearizability: 12', 'linearizability: 16'],
    open() {
      const store = memoryStore()
      return {
        ...store,
        async read(part, keys, o) {
          const recs: (import('@postern/store').Rec | null)[] = []
          for (const key of keys) {
            recs.push((await store.read(part, [key], o))[0]!)
            await rounds(6)
          }
          return recs
        },
      }
    },
  },
  {
    mistake: 'reports a lost answer as a failure',
    caughtBy: ['outcome:'],
    open: memoryStore,
    cuttable() {
      const { store, cut } = cuttableMemory()
      return {
        cut,
        store: {
          ...store,
          commit: (part, ops, o) =>
            store.commit(part, ops, o).catch((error: unknown) => {
              throw isPosternError(error, 'store.outcome_unknown') ? new PosternError('store.unavailable') : error
            }),
        },
      }
    },
  },
  {
    mistake: 'acknowledges before it applies',
    caughtBy: ['model:', 'storms: eight chains', 'time: live at', 'outbox: shows'],
    open() {
      const store = memoryStore()
      return {
        ...store,
        async commit(part, ops, o) {
          const trial = await judgeOnly(store, part, ops, o)
          if (trial.ok) setTimeout(() => void store.commit(part, ops, o).catch(() => {}), 2)
          return trial
        },
      }
    },
  },
  {
    mistake: 'applies the ops before the one that fails',
    caughtBy: ['all or nothing: a put with rev null', 'all or nothing: an add above its max', 'model:'],
    open() {
      const store = memoryStore()
      return {
        ...store,
        async commit(part, ops, o) {
          const recs: Commit & { ok: true } = { ok: true, recs: [] }
          const all: (typeof recs.recs)[number][] = []
          for (const [at, op] of ops.entries()) {
            const answer = await store.commit(part, [op], o)
            if (!answer.ok) return { ...answer, at }
            all.push(answer.recs[0]!)
          }
          return { ok: true, recs: all }
        },
      }
    },
  },
  {
    mistake: 'judges expiry by a clock of its own',
    caughtBy: ['time: live at t-1, gone at t and t+1, in 1970', 'time: a clock that goes back'],
    open() {
      const store = memoryStore()
      return { ...store, read: (part, keys, { now }) => store.read(part, keys, { now: Math.max(now, 1_767_225_600_100) }) }
    },
  },
  {
    mistake: 'forgets the tenant',
    caughtBy: ['isolation: partitions and tenants'],
    open() {
      const store = memoryStore()
      const one = <P extends { id: string }>(part: P) => ({ ...part, tenant: 'one' })
      return {
        ...store,
        read: (part, keys, o) => store.read(one(part), keys, o),
        commit: (part, ops, o) => store.commit(one(part), ops, o),
        list: (part, prefix, o) => store.list(one(part), prefix, o),
      }
    },
  },
  {
    mistake: 'sweeps without grace',
    caughtBy: ['time: a sweep inside the grace'],
    open: () => memoryStore({ graceMs: 0 }),
  },
  {
    mistake: 'keeps the array of the caller',
    caughtBy: ['isolation: neither the caller', 'limits: what is committed'],
    open() {
      const store = memoryStore()
      return {
        ...store,
        async commit(part, ops, o) {
          await turn()
          return store.commit(part, ops, o)
        },
      }
    },
  },
]

/** A memory store whose next answer can be lost, told as it should be. */
export function cuttableMemory(): Cuttable {
  const store = memoryStore()
  let next: 'before' | 'after' | null = null
  return {
    cut(when) {
      next = when
    },
    store: {
      ...store,
      async commit(part, ops, o) {
        const when = next
        next = null
        if (when !== 'before') {
          const answer = await store.commit(part, ops, o)
          if (when === null) return answer
        }
        throw new OutcomeUnknown(o.rev)
      },
    },
  }
}

type Commits = Parameters<Store['commit']>

const keysOf = (ops: Commits[1]) => ops.map(({ key }) => key)

/** Writes a record as it is, without a condition. */
async function overwrite(
  store: Store,
  part: Commits[0],
  key: string,
  rec: import('@postern/store').Rec | null,
  o: Commits[2],
): Promise<void> {
  await store.commit(part, [{ op: 'del', key }], o)
  if (rec === null) return
  const put = { op: 'put', key, value: rec.value, expiresAt: rec.expiresAt } as const
  await store.commit(part, [put], { now: o.now, rev: rec.rev })
  if (rec.n > 0) await store.commit(part, [{ op: 'add', key, by: rec.n, max: rec.n }], { now: o.now, rev: rec.rev })
}

/** What a commit would answer, in a copy of the partition. */
async function judgeOnly(store: Store, part: Commits[0], ops: Commits[1], o: Commits[2]): Promise<Commit> {
  const copy = memoryStore()
  for (const [i, rec] of (await store.read(part, keysOf(ops), o)).entries()) {
    if (rec) await overwrite(copy, part, ops[i]!.key, rec, o)
  }
  return copy.commit(part, ops, o)
}
