/** The checker against brute force: every order of every choice of unknown commits, replayed in a real store. */
import type { Op, Part, Rec } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { checkLinearizable, type Entry } from '@postern/testkit/linearizable'
import fc from 'fast-check'
import { expect, it } from 'vitest'

const PART: Part = { tenant: 'bank', id: 'u:1' }
const NOW = 1_767_225_600_000
const RUNS = Number(process.env.POSTERN_RUNS ?? 100)

/** A call with the times of its start, effect and answer; `lost` commits tell no answer and may have no effect. */
interface Plan {
  readonly kind: 'read' | 'put' | 'mark' | 'swap' | 'del' | 'add' | 'pair'
  readonly key: 'a' | 'b'
  readonly start: number
  readonly before: number
  readonly after: number
  readonly fate: 'told' | 'lost' | 'none'
}

const plan: fc.Arbitrary<Plan> = fc.record({
  kind: fc.constantFrom('read', 'read', 'put', 'mark', 'swap', 'del', 'add', 'pair'),
  key: fc.constantFrom('a', 'b'),
  start: fc.nat(20),
  before: fc.nat(6),
  after: fc.nat(6),
  fate: fc.constantFrom('told', 'told', 'told', 'lost', 'none'),
})
/** A lie: the answer of one call is put in the place of another's, or the spans of two are swapped. */
const lie = fc.option(fc.record({ what: fc.constantFrom('answer', 'span'), one: fc.nat(6), other: fc.nat(6) }))

it('the checker and brute force agree on histories of up to 7 calls, and both verdicts are met', async () => {
  const met = { true: 0, false: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 7 }), lie, async (plans, told) => {
      const history = lied(await played(plans), told)
      const verdict = checkLinearizable(history)
      const expected = await bruteForce(history)
      met[`${expected}`]++
      expect(verdict.ok).toBe(expected)
      if (verdict.ok === false) {
        expect(await bruteForce(verdict.core)).toBe(false)
        // The shortest: without its last answer an order explains it.
        const last = Math.max(...verdict.core.map((e) => e.return ?? 0))
        const shorter = verdict.core.flatMap((e): Entry[] =>
          e.return !== last ? [e] : e.op === 'read' ? [] : [{ ...e, return: null, answer: null }],
        )
        expect(await bruteForce(shorter)).toBe(true)
      }
    }),
    { numRuns: RUNS * 2, seed: 7 },
  )
  expect(Math.min(met.true, met.false)).toBeGreaterThan(RUNS / 5)
})

/** Runs the calls in a real store in the order of their effects. */
async function played(plans: readonly Plan[]): Promise<readonly Entry[]> {
  const store = memoryStore()
  // Whole times are shared; the place of a call makes its own distinct.
  const at = (time: number, i: number) => time * 32 + i
  const order = [...plans.keys()].sort((x, y) => effectOf(plans, x) - effectOf(plans, y))
  const entries: Entry[] = []
  for (const i of order) {
    const { kind, key, start, before, after, fate } = plans[i]!
    const span = { part: PART, call: at(start, i), now: NOW }
    const back = at(start + before + after + 1, i + 16)
    if (kind === 'read') {
      const keys = ['a', 'b']
      entries.push({ op: 'read', ...span, keys, return: back, answer: await store.read(PART, keys, { now: NOW }) })
      continue
    }
    const [current] = await store.read(PART, [key], { now: NOW })
    const asked = { op: 'commit', ...span, ops: opsOf(kind, key, current ?? null), rev: `r${i}`.padEnd(16, 'A') } as const
    const answer = fate === 'none' ? null : await store.commit(PART, asked.ops, asked)
    entries.push(fate === 'told' ? { ...asked, return: back, answer } : { ...asked, return: null, answer: null })
  }
  return entries.sort((x, y) => x.call - y.call)
}

function effectOf(plans: readonly Plan[], i: number): number {
  return (plans[i]!.start + plans[i]!.before) * 32 + i + 16
}

function opsOf(kind: Exclude<Plan['kind'], 'read'>, key: string, current: Rec | null): readonly Op[] {
  const value = Uint8Array.of(1)
  if (kind === 'put') return [{ op: 'put', key, value }]
  if (kind === 'mark') return [{ op: 'put', key, value, rev: null }]
  if (kind === 'swap') return [{ op: 'put', key, value, rev: current?.rev ?? null }]
  if (kind === 'del') return [{ op: 'del', key }]
  if (kind === 'add') return [{ op: 'add', key, by: 1, max: 2 }]
  return ['a', 'b'].map((both) => ({ op: 'put', key: both, value }))
}

function lied(history: readonly Entry[], told: { what: string; one: number; other: number } | null): readonly Entry[] {
  if (told === null) return history
  const one = history[told.one % history.length]!
  const other = history[told.other % history.length]!
  return history
    .map((e): Entry => {
      if (told.what === 'span' && e === one && other.return !== null && e.return !== null)
        return { ...e, call: other.call, return: other.return }
      if (told.what === 'span' && e === other && one.return !== null && e.return !== null)
        return { ...e, call: one.call, return: one.return }
      if (told.what === 'answer' && e === one && e.op === 'read' && other.op === 'read') return { ...e, answer: other.answer }
      if (told.what === 'answer' && e === one && e.op === 'commit' && e.answer?.ok)
        return { ...e, answer: { ok: false, at: 0, current: null } }
      return e
    })
    .sort((x, y) => x.call - y.call)
}

/** Whether some order of the answered calls and of some unknown ones keeps to real time and gives the answers told. */
async function bruteForce(history: readonly Entry[]): Promise<boolean> {
  const extend = async (order: readonly Entry[]): Promise<boolean> => {
    if (!(await replays(order))) return false
    const rest = history.filter((e) => !order.includes(e))
    if (rest.every((e) => e.return === null)) return true
    for (const e of rest) {
      if (rest.some((f) => f.return !== null && f.return < e.call)) continue
      if (await extend([...order, e])) return true
    }
    return false
  }
  return extend([])
}

async function replays(order: readonly Entry[]): Promise<boolean> {
  const store = memoryStore()
  for (const e of order) {
    const answer = e.op === 'read' ? await store.read(e.part, e.keys, e) : await store.commit(e.part, e.ops, e)
    if (e.return !== null && textOf(answer) !== textOf(e.answer)) return false
  }
  return true
}

function textOf(answer: unknown): string {
  return JSON.stringify(answer, (_key, v: unknown) => (v instanceof Uint8Array ? [...v] : v))
}
