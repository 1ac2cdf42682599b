/** Suite 2: what many clients see at once is what they would have seen one after the other. */
import { isPosternError } from '@postern/core/errors'
import type { Op, Part, Rec, Store } from '@postern/store'
import { faultyStore } from '../../faulty.js'
import { slowStore } from '../../latency.js'
import { checkLinearizable, recorder, timeline } from '../../linearizable.js'
import { holds } from '../check.js'
import { between, type Draw, drawsOf, fraction } from '../prng.js'
import { type Kit, NOW, type Suite } from './kit.js'

interface Setting {
  readonly what: string
  readonly clients: number
  readonly keys: number
  /** How often each client calls. */
  readonly calls: number
  /** Clients take turns in so many partitions; one by default. */
  readonly parts?: number
  /** Puts the link in front of the store. */
  readonly link: (store: Store, seed: number) => Store
}

const SETTINGS: readonly Setting[] = [
  { what: '8 clients over 3 keys', clients: 8, keys: 3, calls: 12, link: (store) => store },
  { what: '12 clients over 4 keys, far away', clients: 12, keys: 4, calls: 12, link: far },
  { what: '32 clients over 6 keys in two partitions', clients: 32, keys: 6, calls: 6, parts: 2, link: far },
  // A commit applied twice is its client's doing, and no order explains it: so none is doubled.
  {
    what: '16 clients over 6 keys, with lost and late answers',
    clients: 16,
    keys: 6,
    calls: 12,
    link: (store, seed) =>
      faultyStore(far(store, seed), { seed, plan: { delay: 0.2, dropBefore: 0.03, dropAfter: 0.03, late: 0.03 } }),
  },
]

export const linearizabilitySuite: Suite = (kit) =>
  SETTINGS.map((setting) => ({
    name: `linearizability: ${setting.what}`,
    async run() {
      for (let i = 0; i < Math.ceil(3 * kit.scale); i++)
        await kit.over((store) => runHistory(kit, setting, store, kit.seed * 1000 + i))
    },
  }))

async function runHistory(kit: Kit, setting: Setting, bare: Store, seed: number): Promise<void> {
  const { clients, parts = 1, link } = setting
  const { store, history } = recorder(link(bare, seed))
  await Promise.all(
    Array.from({ length: clients }, (_, i) =>
      client(kit, store, { tenant: 'bank', id: `u:${i % parts}` }, setting, drawsOf(seed * 100 + i)),
    ),
  )
  const verdict = checkLinearizable(history())
  holds(verdict.ok !== 'inconclusive', `seed ${seed}: the history is too large to be judged; the store may well be right`)
  if (verdict.ok === false) throw new Error(`seed ${seed}: no order explains these calls:\n${timeline(verdict.core)}`)
}

/** One client: reads several keys, and commits on what it saw last. */
async function client(kit: Kit, store: Store, part: Part, { keys: most, calls }: Setting, draw: Draw): Promise<void> {
  const names = Array.from({ length: most }, (_, i) => `k/${i}`)
  const seen = new Map<string, Rec | null>()
  for (let i = 0; i < calls; i++) {
    const from = between(draw, 0, names.length - 1)
    const keys = Array.from({ length: between(draw, 1, 3) }, (_, k) => names[(from + k) % names.length]!)
    try {
      if (fraction(draw) < 0.4) {
        const recs = await store.read(part, keys, { now: NOW })
        for (const [k, key] of keys.entries()) seen.set(key, recs[k] ?? null)
      } else {
        const ops = keys.map((key) => opOf(draw, key, seen.get(key) ?? null))
        const answer = await store.commit(part, ops, { now: NOW, rev: kit.rev() })
        if (answer.ok) for (const [k, key] of keys.entries()) seen.set(key, answer.recs[k] ?? null)
        else seen.set(keys[answer.at]!, answer.current)
      }
    } catch (error) {
      if (!isPosternError(error, 'store.unavailable') && !isPosternError(error, 'store.outcome_unknown')) throw error
    }
  }
}

/** Mostly conditional on what was seen; adds go up and down under a bound that is met. */
function opOf(draw: Draw, key: string, seen: Rec | null): Op {
  const choice = fraction(draw)
  const value = Uint8Array.of(between(draw, 0, 255))
  if (choice < 0.3) return { op: 'put', key, value, rev: seen?.rev ?? null }
  if (choice < 0.4) return { op: 'put', key, value }
  if (choice < 0.5) return { op: 'check', key, rev: seen?.rev ?? null }
  if (choice < 0.6) return seen ? { op: 'del', key, rev: seen.rev } : { op: 'del', key }
  return { op: 'add', key, by: choice < 0.9 ? 1 : -1, max: 5 }
}

/** A link whose round trips differ, in rounds of promise callbacks: the kit has no timers. */
function far(store: Store, seed: number): Store {
  const draw = drawsOf(seed)
  return slowStore(store, {
    ms: 1,
    async sleep() {
      for (let left = between(draw, 0, 12); left > 0; left--) await null
    },
  })
}
