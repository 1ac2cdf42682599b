/** What a user can change, and to what: classes that the rules still in play tell apart. */
import type { JsonValue } from '@postern/core/json'
import { type Attribute, INDEX, MEMBER, RANGES, sample } from './attributes.js'
import { classOf, isUnsure, NOT_APPLICABLE, type Slots } from './slots.js'
import { MAY_ROW, type Tables } from './tables.js'

/** What one fact must become: `{ fact: 'app.version', op: 'gte', value: '5.2.0' }`. `between`: from the first, below the second. */
export interface RemedyStep {
  readonly fact: string
  readonly op: 'oneOf' | 'noneOf' | 'gte' | 'lt' | 'lte' | 'between' | 'has' | 'hasNot' | 'hasAll'
  readonly value: JsonValue
}

export interface Move {
  readonly step: RemedyStep
  readonly cost: number
  /** Whether it can join these: each attribute changes once, and each combination is made once. */
  after(chosen: readonly Move[]): boolean
  apply(input: Record<string, unknown>): void
}

/** Needs the request matched into the scratch of `t`. */
export function movesOf(t: Tables, f: Slots, secretsFixed: boolean): readonly Move[] {
  const { attributes, base, rows, words } = t
  const { facts } = f.schema.spec
  const free = attributes.map((a) => {
    const { mutability, secret, derive } = facts[a.fact]!
    return mutability === 'user' && !derive && !(secretsFixed && secret) && f.values[a.slot] !== NOT_APPLICABLE
  })
  // Boxes that the fixed facts leave in play.
  const alive = new Uint32Array(words).fill(-1)
  attributes.forEach((_, i) => {
    if (!free[i]) for (let w = 0; w < words; w++) alive[w]! &= rows[t.scratch.mayAt[i]! + w]!
  })
  const order = new Map<Move, number>()
  attributes.forEach((a, i) => {
    if (!free[i]) return
    const row = (n: number): string =>
      rows
        .subarray(base[i]! + n * words, base[i]! + (n + 1) * words)
        .map((word, w) => word & alive[w]!)
        .join()
    const value = f.values[a.slot]!
    const now = isUnsure(value) ? -1 : classOf(a, value)
    const here = now < 0 ? row(a.classes + MAY_ROW) : row(now)
    const groups = new Map<string, number[]>()
    for (let c = 0; c < a.classes; c++) {
      const key = row(c)
      if (now >= 0 && key === here) continue
      const known = groups.get(key)
      if (known) known.push(c)
      else groups.set(key, [c])
    }
    for (const classes of groups.values()) {
      const [from, to] = a.kind === RANGES ? nearest(classes, now) : [classes[0]!, classes[0]!]
      const next = a.kind === MEMBER ? from === 1 : sample(a, f.schema, from)
      const move: Move = {
        step: stepOf(a, f, a.kind === RANGES ? [from, to] : classes),
        cost: facts[a.fact]!.weight ?? 1,
        after: (chosen) => chosen.every((one) => order.get(one)! < i),
        apply: (input) => {
          if (a.kind !== MEMBER) input[a.fact] = next
          else {
            const others = ((input[a.fact] ?? []) as readonly string[]).filter((member) => member !== a.member)
            input[a.fact] = next === true ? [...others, a.member] : others
          }
        },
      }
      order.set(move, i)
    }
  })
  return [...order.keys()]
}

/** The run of neighbouring classes that is nearest to where the request stands, upwards first. */
function nearest(classes: readonly number[], now: number): readonly [number, number] {
  const runs: [number, number][] = []
  for (const c of classes) {
    const last = runs[runs.length - 1]
    if (last && last[1] === c - 1) last[1] = c
    else runs.push([c, c])
  }
  return runs.find(([from]) => from > now) ?? runs[runs.length - 1]!
}

function stepOf(a: Attribute, f: Slots, classes: readonly number[]): RemedyStep {
  const { fact } = a
  const value = (c: number): string | number | boolean => sample(a, f.schema, c)
  if (a.kind === MEMBER) return { fact, op: classes[0] === 1 ? 'has' : 'hasNot', value: a.member }
  if (a.kind === RANGES) {
    const [from, to] = classes as readonly [number, number]
    if (to === a.classes - 1 && from > 0) return { fact, op: 'gte', value: value(from) }
    if (to === a.classes - 1) return { fact, op: 'noneOf', value: [] }
    return from === 0 ? { fact, op: 'lt', value: value(to + 1) } : { fact, op: 'between', value: [value(from), value(to + 1)] }
  }
  if (a.kind === INDEX || !classes.includes(a.classes - 1)) return { fact, op: 'oneOf', value: classes.map(value) }
  return { fact, op: 'noneOf', value: [...a.texts].filter(([, c]) => !classes.includes(c)).map(([text]) => text) }
}
