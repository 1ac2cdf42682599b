/** Broken stores: each makes one mistake that stores in the wild have made, and each must fail the suite that is named for it. */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Commit, Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import type { ConformanceOptions } from '@postern/testkit/conformance'
import { crashRig, cuttableMemory, exchangeRig, failoverRig, pressureRig, sleep } from './rigs.js'

export interface Mutant {
  readonly mistake: string
  /** How the names of the cases begin that must catch it. */
  readonly caughtBy: readonly string[]
  readonly open: () => Store
  readonly rigs?: ConformanceOptions
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
      const store = memoryStore()
      return { ...store, commit: (part, ops, o) => judgeThenWrite(store, part, ops, o, turn) }
    },
  },
  {
    mistake: 'takes no lock when a commit has several ops',
    caughtBy: ['storms: of 50 swaps', 'linearizability: 12'],
    open() {
      const store = memoryStore()
      return {
        ...store,
        commit: (part, ops, o) =>
          ops.length === 1 ? store.commit(part, ops, o) : judgeThenWrite(store, part, ops, o, () => rounds(6)),
      }
    },
  },
  {
    mistake: 'takes the lock in the path of several ops alone',
    caughtBy: ['linearizability: 12', 'linearizability: 16'],
    open() {
      const store = memoryStore()
      let lock: Promise<unknown> = Promise.resolve()
      return {
        ...store,
        commit(part, ops, o) {
          if (ops.length === 1) return store.commit(part, ops, o)
          const answer = lock.then(() => judgeThenWrite(store, part, structuredClone(ops), o, () => rounds(6)))
          lock = answer.catch(() => {})
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
    caughtBy: ['outcome:', 'all or nothing: the connection is cut'],
    open: memoryStore,
    rigs: {
      sleep,
      exchange: async () => exchangeRig('reports a lost answer as a failure'),
      async cuttable() {
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
  },
  {
    mistake: 'acknowledges before it applies',
    caughtBy: ['model:', 'storms: eight chains', 'time: live at', 'outbox: shows'],
    open() {
      const store = memoryStore()
      return {
        ...store,
        async commit(part, ops, o) {
          const trial = await judged(store, part, ops, o)
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
  {
    mistake: 'acknowledges before it flushes',
    caughtBy: ['kill -9: what was acknowledged', 'honesty: a store that claims to survive'],
    open: memoryStore,
    rigs: { sleep, rounds: 3, crash: async () => crashRig('acknowledges before it flushes') },
  },
  {
    mistake: 'logs a commit in part',
    caughtBy: ['kill -9: a commit is there whole'],
    open: memoryStore,
    rigs: { sleep, rounds: 2, crash: async () => crashRig('forgets half') },
  },
  {
    mistake: 'calls a failover that loses lossless',
    caughtBy: ['failover: a lossless store', 'honesty: a store that claims to lose nothing'],
    open: memoryStore,
    rigs: { sleep, failover: async () => failoverRig({ shipsLate: true, claims: 'lossless' }) },
  },
  {
    mistake: 'has a standby and says that there is none',
    caughtBy: ['honesty: a store that claims to lose nothing'],
    open: memoryStore,
    rigs: { sleep, failover: async () => failoverRig({ shipsLate: false, claims: 'none' }) },
  },
  {
    mistake: 'is judged by a harness that cannot see loss',
    caughtBy: ['failover: a lossless store'],
    open: memoryStore,
    rigs: { sleep, failover: async () => failoverRig({ shipsLate: false, claims: 'may-lose', mustLose: true }) },
  },
  {
    mistake: 'applies the first op of a request that is cut off',
    caughtBy: ['all or nothing: the connection is cut'],
    open: memoryStore,
    rigs: { sleep, exchange: async () => exchangeRig('applies half') },
  },
  ...(['lets any number wait', 'acknowledges what waits', 'applies what it refused'] as const).map(
    (mistake, i): Mutant => ({
      mistake: `under pressure ${mistake}`,
      caughtBy: [['pressure: while', 'pressure: nothing', 'pressure: when'][i]!],
      open: memoryStore,
      rigs: { sleep, pressure: async () => pressureRig(mistake) },
    }),
  ),
  {
    mistake: 'changes what it says of itself',
    caughtBy: ['honesty: guarantees'],
    open() {
      let asked = 0
      return {
        ...memoryStore(),
        get guarantees() {
          return { durable: asked++ > 0 ? 'process' : 'none', failover: 'none' } as const
        },
      }
    },
  },
  {
    mistake: 'answers an empty list when it has none',
    caughtBy: ['list: left out'],
    open: () => ({ ...memoryStore(), list: async () => [] }),
    rigs: { skip: ['list'] },
  },
  {
    mistake: 'takes its own commit, sent again, for the commit of another',
    caughtBy: ['faults:'],
    open() {
      const store = memoryStore()
      const renamed = <R extends import('@postern/store').Rec | null>(rec: R): R => rec && { ...rec, rev: rec.rev.toLowerCase() }
      return {
        ...store,
        async commit(part, ops, o) {
          const answer = await store.commit(part, ops, o)
          return answer.ok ? answer : { ...answer, current: renamed(answer.current) }
        },
        read: async (part, keys, o) => (await store.read(part, keys, o)).map(renamed),
      }
    },
  },
  {
    mistake: 'applies a commit again when it is sent again',
    caughtBy: ['faults:'],
    open() {
      const store = memoryStore()
      return {
        ...store,
        async commit(part, ops, o) {
          const answer = await store.commit(part, ops, o)
          if (answer.ok || answer.current?.rev !== o.rev) return answer
          return store.commit(
            part,
            ops.map((op) => (op.op === 'put' ? { ...op, rev: o.rev } : op)),
            o,
          )
        },
      }
    },
  },
]

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

/** What a commit would answer, in a copy of the records it names. */
async function judged(store: Store, part: Commits[0], ops: Commits[1], o: Commits[2]): Promise<Commit> {
  const copy = memoryStore()
  for (const [i, rec] of (await store.read(part, keysOf(ops), o)).entries()) {
    if (rec) await overwrite(copy, part, ops[i]!.key, rec, o)
  }
  return copy.commit(part, ops, o)
}

/** Judges, lets others in, and writes without a condition. */
async function judgeThenWrite(
  store: Store,
  part: Commits[0],
  ops: Commits[1],
  o: Commits[2],
  between: () => Promise<void>,
): Promise<Commit> {
  const answer = await judged(store, part, ops, o)
  if (!answer.ok) return answer
  await between()
  for (const [i, rec] of answer.recs.entries()) if (ops[i]!.op !== 'check') await overwrite(store, part, ops[i]!.key, rec, o)
  return answer
}
