/**
 * Histories of concurrent calls, and whether some order of them, one after the other, explains every answer: Wing and Gong's search, with
 * Lowe's memory of what was tried. A call takes effect between its start and its answer; one of unknown outcome at any later point or never.
 */
import { isPosternError } from '@postern/core/errors'
import type { Commit, Op, Part, Rec, Store } from '@postern/store'
import { searchOrder } from './internal/linearizable/search.js'

interface Span {
  readonly part: Part
  /** Logical time of the start of the call; no two events share one. */
  readonly call: number
}

/** A read that was answered. */
export interface ReadEntry extends Span {
  readonly op: 'read'
  readonly keys: readonly string[]
  readonly now: number
  readonly return: number
  readonly answer: readonly (Rec | null)[]
}

/** A commit; without `return` its outcome is unknown. */
export interface CommitEntry extends Span {
  readonly op: 'commit'
  readonly ops: readonly Op[]
  readonly now: number
  readonly rev: string
  readonly return: number | null
  /** `null` while the outcome is unknown. */
  readonly answer: Commit | null
}

/** One call of a history. */
export type Entry = ReadEntry | CommitEntry

/**
 * What the checker found. `core`: the shortest prefix of the history of `part` that no order explains, for {@link timeline};
 * `'inconclusive'`: too many orders for `maxSteps`, which says nothing about the store.
 */
export type Verdict =
  | { readonly ok: true; readonly steps: number }
  | { readonly ok: false; readonly part: string; readonly core: readonly Entry[] }
  | { readonly ok: 'inconclusive'; readonly steps: number }

/** A store whose calls are written down, and what was written so far. */
export interface Recorder {
  readonly store: Store
  /** The reads that were answered and the commits that were, may have been or may yet be applied, by their start. */
  history(): readonly Entry[]
}

/** Refusals that promise that nothing was applied, now or later. */
const NOT_APPLIED = ['store.unavailable', 'store.overloaded', 'store.invalid', 'store.closed'] as const

/**
 * Writes down the reads and commits of every client of the store it gives back.
 * @param store - fresh and empty, since every history starts from nothing
 */
export function recorder(store: Store): Recorder {
  const entries = new Set<{ entry: Entry }>()
  let time = 0
  return {
    history: () => [...entries].map(({ entry }) => entry).sort((a, b) => a.call - b.call),
    store: {
      ...store,
      async read(part, keys, { now }) {
        const asked = { op: 'read', part: { ...part }, keys: [...keys], now, call: ++time } as const
        const answer = await store.read(part, keys, { now })
        entries.add({ entry: { ...asked, return: ++time, answer: structuredClone(answer) } })
        return answer
      },
      async commit(part, ops, { now, rev }) {
        const asked = { op: 'commit', part: { ...part }, ops: structuredClone(ops), now, rev, call: ++time } as const
        const kept: { entry: Entry } = { entry: { ...asked, return: null, answer: null } }
        entries.add(kept)
        try {
          const answer = await store.commit(part, ops, { now, rev })
          kept.entry = { ...asked, return: ++time, answer: structuredClone(answer) }
          return answer
        } catch (error) {
          if (NOT_APPLIED.some((code) => isPosternError(error, code))) entries.delete(kept)
          throw error
        }
      },
    },
  }
}

/**
 * Judges a history, each partition for itself, from an empty store.
 * @param o.maxSteps - states to visit in a partition before giving up; 200,000 by default
 */
export function checkLinearizable(history: readonly Entry[], { maxSteps = 200_000 }: { maxSteps?: number } = {}): Verdict {
  const parts = new Map<string, Entry[]>()
  for (const e of history) {
    const name = `${e.part.tenant}:${e.part.id}`
    parts.set(name, [...(parts.get(name) ?? []), e])
  }
  let steps = 0
  let inconclusive = false
  for (const [part, unsorted] of parts) {
    const entries = unsorted.toSorted((a, b) => a.call - b.call)
    const found = searchOrder(entries, maxSteps)
    steps += found.steps
    if (found.ok === false) return { ok: false, part, core: shortestFailing(entries, maxSteps) }
    inconclusive ||= found.ok === 'inconclusive'
  }
  return { ok: inconclusive ? 'inconclusive' : true, steps }
}

/** The history, one call a line, with the time it took as a bar; `~` is an outcome that is unknown. */
export function timeline(entries: readonly Entry[]): string {
  const times = entries.flatMap((e) => (e.return === null ? [e.call] : [e.call, e.return])).sort((a, b) => a - b)
  const column = (time: number): number => Math.round((times.indexOf(time) * 40) / Math.max(40, times.length))
  const width = times.length === 0 ? 0 : column(times.at(-1)!) + 1
  return entries
    .map((e) => {
      const from = column(e.call)
      const bar = e.return === null ? `|${'~'.repeat(width - from)}` : `|${'-'.repeat(column(e.return) - from)}|`
      return `${' '.repeat(from)}${bar}`.padEnd(width + 3) + textOf(e)
    })
    .join('\n')
}

/** Prefixes of a linearizable history are linearizable, so the first that fails is found by halving. */
function shortestFailing(entries: readonly Entry[], maxSteps: number): readonly Entry[] {
  const ends = entries.flatMap((e) => (e.return === null ? [] : [e.return])).sort((a, b) => a - b)
  let [low, high] = [0, ends.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (searchOrder(prefix(entries, ends[middle]!), maxSteps).ok === false) high = middle
    else low = middle + 1
  }
  return prefix(entries, ends[high]!)
}

/** What was known at a time: a commit that was still under way is unknown, a read is none. */
function prefix(entries: readonly Entry[], end: number): readonly Entry[] {
  return entries.flatMap((e): Entry[] => {
    if (e.call > end) return []
    if (e.return !== null && e.return <= end) return [e]
    return e.op === 'read' ? [] : [{ ...e, return: null, answer: null }]
  })
}

function textOf(e: Entry): string {
  if (e.op === 'read') return `read ${e.keys.map((key, i) => `${key} = ${recText(e.answer[i] ?? null)}`).join(', ')}`
  const ops = e.ops.map(opText).join(', ')
  if (e.answer === null) return `commit ${e.rev}: ${ops} → unknown`
  if (!e.answer.ok) return `commit ${e.rev}: ${ops} → refused at ${e.answer.at} by ${recText(e.answer.current)}`
  return `commit ${e.rev}: ${ops} → ${e.answer.recs.map(recText).join(', ')}`
}

function opText(op: Op): string {
  if (op.op === 'add') return `add ${op.key} ${op.by} ≤ ${op.max}`
  return `${op.op} ${op.key}${op.rev === undefined ? '' : ` if ${op.rev ?? 'absent'}`}`
}

function recText(rec: Rec | null): string {
  if (rec === null) return 'nothing'
  return `${rec.rev} n=${rec.n}${rec.expiresAt === 0 ? '' : ` until ${rec.expiresAt}`}`
}
