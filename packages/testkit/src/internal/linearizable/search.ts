/** The search for an order that explains the answers of one partition. */
import type { CommitEntry, Entry } from '../../linearizable.js'
import { shape } from '../check.js'
import { commitTo, entryAt, type Entry as Held, liveEntry, recOf } from '../conformance/reference.js'

/** A point of the search: which calls took effect, and the records after them. */
interface Point {
  /** All answered calls before this one took effect; those of `ahead` did, too. */
  readonly first: number
  readonly ahead: readonly number[]
  /** Which commits of unknown outcome took effect. */
  readonly applied: readonly number[]
  readonly held: readonly Held[]
}

type Found = { readonly ok: boolean | 'inconclusive'; readonly steps: number }

/** @param entries - of one partition, by their start */
export function searchOrder(entries: readonly Entry[], maxSteps: number): Found {
  const answered = entries.filter((e) => e.return !== null)
  const unknown = entries.filter((e): e is CommitEntry => e.op === 'commit' && e.return === null)
  const tried = new Set<string>()
  const open: Point[] = [{ first: 0, ahead: [], applied: [], held: [] }]
  let steps = 0

  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    at = withHarmless(answered, at)
    if (at.first === answered.length) return { ok: true, steps }
    const name = `${at.first};${at.ahead};${at.applied};${stateName(at.held)}`
    if (tried.has(name)) continue
    tried.add(name)
    if (++steps > maxSteps) return { ok: 'inconclusive', steps }
    // Last in, first out: the unknown go in first, since most histories need few of them.
    const { candidates, until } = next(answered, at)
    for (const [i, e] of unknown.entries()) {
      if (e.call > until) break
      if (at.applied.includes(i)) continue
      const { after, answer } = commitTo(at.held, e.part, e.ops, e)
      if (answer.ok) open.push({ ...at, applied: [...at.applied, i].sort((a, b) => a - b), held: after })
    }
    // Whoever was answered first was most likely the first: tried first, so pushed last.
    for (const i of candidates.toSorted((a, b) => answered[b]!.return! - answered[a]!.return!)) {
      const held = effect(answered[i]!, at.held)
      if (held) open.push({ ...took(at, i), held })
    }
  }
  return { ok: false, steps }
}

/** The calls that may be the next: those that began before any of the rest was answered, and when that was. */
function next(answered: readonly Entry[], { first, ahead }: Point): { candidates: readonly number[]; until: number } {
  const candidates: number[] = []
  let until = Number.POSITIVE_INFINITY
  for (let i = first; i < answered.length; i++) {
    const e = answered[i]!
    if (e.call > until) break
    if (ahead.includes(i)) continue
    candidates.push(i)
    until = Math.min(until, e.return!)
  }
  return { candidates, until }
}

/** Takes at once what may be next, is explained and changes nothing: whatever order follows, it does no harm here. */
function withHarmless(answered: readonly Entry[], start: Point): Point {
  let at = start
  for (;;) {
    const { held } = at
    const i = next(answered, at).candidates.find((c) => effect(answered[c]!, held) === held)
    if (i === undefined) return at
    at = took(at, i)
  }
}

function took(at: Point, i: number): Point {
  const ahead = [...at.ahead, i].sort((a, b) => a - b)
  let { first } = at
  while (ahead[0] === first) {
    ahead.shift()
    first++
  }
  return { ...at, first, ahead }
}

/** The records after the call, the same array when it changes nothing; `null` when its answer is not the one of these records. */
function effect(e: Entry, held: readonly Held[]): readonly Held[] | null {
  if (e.op === 'commit') {
    const { after, answer } = commitTo(held, e.part, e.ops, e)
    return shape(answer) === shape(e.answer) ? after : null
  }
  if (e.answer.length !== e.keys.length) return null
  const explained = e.keys.every((key, i) => {
    const rec = e.answer[i]
    // An expired record may show or not: the sweeps of a driver are no part of the history.
    if (!rec) return liveEntry(held, e.part, key, e.now) === undefined
    const stands = entryAt(held, e.part, key)
    return stands !== undefined && shape(rec) === shape(recOf(stands))
  })
  return explained ? held : null
}

const names = new WeakMap<readonly Held[], string>()

function stateName(held: readonly Held[]): string {
  const known = names.get(held)
  if (known !== undefined) return known
  const name = shape(held.toSorted((a, b) => (a.key < b.key ? -1 : 1)))
  names.set(held, name)
  return name
}
