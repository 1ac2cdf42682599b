/** A store with a lying network in front of it: every choice comes from one seed, and the same seed makes the same choices. */
import { PosternError } from '@postern/core/errors'
import { type Op, OutcomeUnknown, type Part, type Store } from '@postern/store'
import { between, type Draw, drawsOf, fraction } from './internal/prng.js'

/** The chance, 0 to 1, of each fate of a call; what is left is delivered as it should be. */
export interface FaultPlan {
  /** Takes longer than others, and is so overtaken. */
  readonly delay?: number
  /** Never arrives: `store.unavailable`, not applied. */
  readonly dropBefore?: number
  /** Is applied and its answer lost: `OutcomeUnknown`. */
  readonly dropAfter?: number
  /** `OutcomeUnknown` first, and applied only after some later calls. */
  readonly late?: number
  /** `OutcomeUnknown`, applied now and once more later, as by a client that sends again on its own. */
  readonly duplicate?: number
}

export interface FaultyOptions {
  readonly seed: number
  /** @defaultValue 10 % delays, 5 % of each other fault */
  readonly plan?: FaultPlan
  /** Waits for a delay; the default lets `ms` rounds of promise callbacks pass. */
  readonly pause?: (ms: number) => Promise<void>
}

export interface FaultyStore extends Store {
  readonly seed: number
  /** What befell each call, in order: print it beside the seed. */
  readonly log: readonly string[]
  /** Applies every commit that is still under way. */
  drain(): Promise<void>
}

type Fate = 'deliver' | keyof FaultPlan

const PLAN: Required<FaultPlan> = { delay: 0.1, dropBefore: 0.05, dropAfter: 0.05, late: 0.05, duplicate: 0.05 }
const FATES = ['delay', 'dropBefore', 'dropAfter', 'late', 'duplicate'] as const
/** The longest delay, and the most calls that a late commit is behind. */
const MOST = 8

/** Wraps a store; reads and lists are delayed or dropped, commits suffer every fate. */
export function faultyStore(store: Store, { seed, plan = PLAN, pause = rounds }: FaultyOptions): FaultyStore {
  const draw = drawsOf(seed)
  const log: string[] = []
  let underWay: { due: number; readonly send: () => Promise<unknown> }[] = []

  const decide = (what: string): Fate => {
    const fate = fateOf(draw, plan)
    log.push(`${log.length} ${what} ${fate}`)
    return fate
  }
  const arrive = async (): Promise<void> => {
    const due = underWay.filter((late) => --late.due <= 0)
    underWay = underWay.filter((late) => late.due > 0)
    for (const { send } of due) await send().catch(() => {})
  }
  const unavailable = (): PosternError<'store.unavailable'> =>
    new PosternError('store.unavailable', { reason: `fault ${log.length - 1} of seed ${seed}` })
  const ask = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
    const fate = decide(what)
    await arrive()
    if (fate === 'delay') await pause(between(draw, 1, MOST))
    if (fate === 'dropBefore' || fate === 'dropAfter') throw unavailable()
    return call()
  }

  return {
    seed,
    log,
    guarantees: store.guarantees,
    read: (part, keys, o) => ask('read', () => store.read(part, keys, o)),
    list: (part, prefix, o) => ask('list', () => store.list(part, prefix, o)),
    ...(store.outbox && { outbox: (o) => ask('outbox', () => store.outbox!(o)) }),
    ...(store.sweep && { sweep: (now, budgetMs) => store.sweep!(now, budgetMs) }),
    ...(store.time && { time: () => store.time!() }),

    async commit(part, ops, o) {
      const fate = decide('commit')
      const due = between(draw, 1, MOST)
      // What is sent later is what was asked now, whatever the caller does to it since.
      const copy = copied(part, ops)
      const send = () => store.commit(copy.part, copy.ops, o)
      await arrive()
      if (fate === 'deliver') return send()
      if (fate === 'dropBefore') throw unavailable()
      if (fate === 'delay') {
        await pause(due)
        return send()
      }
      if (fate !== 'late') await send()
      if (fate !== 'dropAfter') underWay.push({ due, send })
      throw new OutcomeUnknown(o.rev, new Error(`fault ${log.length - 1} of seed ${seed}`))
    },

    async drain() {
      for (const { send } of underWay.splice(0)) await send().catch(() => {})
    },
    close: () => store.close(),
  }
}

/** One draw decides, so that a changed plan moves no later choice. */
function fateOf(draw: Draw, plan: FaultPlan): Fate {
  let left = fraction(draw)
  for (const fate of FATES) {
    left -= plan[fate] ?? 0
    if (left < 0) return fate
  }
  return 'deliver'
}

function copied(part: Part, ops: readonly Op[]): { readonly part: Part; readonly ops: readonly Op[] } {
  return { part: { ...part }, ops: ops.map((op) => (op.op === 'put' ? { ...op, value: new Uint8Array(op.value) } : { ...op })) }
}

async function rounds(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await null
}
