/**
 * Rows of bits: one bit a box, one row a class. Where one fact tells most rules apart, each of its values has tables of its own.
 */
import type { AcrLevels, Rule } from '../document.js'
import type { Requirement } from '../obligations.js'
import type { FactValue, Schema } from '../schema.js'
import { type Attribute, accepted, attributesOf, MEMBER, RANGES } from './attributes.js'
import { hasBit, maskOf, popcount } from './bits.js'
import type { FlatBox } from './conditions.js'
import { type Memo, newMemo } from './memo.js'
import { tooLarge } from './read.js'
import { type SessionPlan, sessionPlanOf } from './session.js'

/** One bit: a box of a rule. */
export interface Bit {
  readonly rule: Rule
  readonly box: FlatBox
  readonly requirement: Requirement
}

/** One attribute of a box, and what was written about its fact. */
export interface Spoken {
  readonly i: number
  readonly fact: string
  readonly needed: unknown
}

/** Rows of an attribute: its classes, *not applicable* (also what must match in doubt), missing-must and missing-may. */
export interface Tables {
  readonly attributes: readonly Attribute[]
  /** Attributes from here on are about the session's authenticators: masked when asking whether a step-up could help. */
  readonly maskable: number
  readonly words: number
  readonly bits: readonly Bit[]
  readonly rows: Uint32Array
  /** Offset of each attribute's first row. */
  readonly base: Int32Array
  /** Per bit what its box speaks of, by name. */
  readonly spoken: readonly (readonly Spoken[])[]
  readonly deny: Uint32Array
  readonly require: Uint32Array
  readonly allow: Uint32Array
  /** Bits of enforced rules; the others are shadows. */
  readonly enforced: Uint32Array
  readonly shadows: boolean
  /** By class of one fact: the rules that a request with that value can meet. */
  readonly partition: { readonly attribute: Attribute; readonly parts: readonly Tables[] } | null
  readonly session: SessionPlan
  readonly memo: Memo
  /** Of a residual: the facts that are already in it. */
  readonly known: Readonly<Record<string, FactValue>> | null
  /** Written by each decision and read by it alone: deciding is synchronous. */
  readonly scratch: Scratch
}

/** What a request selects: the offset of a row per attribute, and the AND of the rows. */
export interface Scratch {
  readonly must: Uint32Array
  readonly may: Uint32Array
  readonly mustAt: Int32Array
  readonly mayAt: Int32Array
}

/** Row kinds after the classes. */
export const NA_ROW = 0
export const MUST_ROW = 1
export const MAY_ROW = 2

export const masked: ReadonlySet<string> = new Set([
  'authenticator.methods',
  'authenticator.acr',
  'authenticator.ageSec',
  'authenticator.userVerified',
])
const maxTableBytes = 64 * 1024 * 1024

export interface TableOptions {
  readonly levels: AcrLevels
  readonly known?: Readonly<Record<string, FactValue>>
  /** Default `true`. */
  readonly partitioned?: boolean
}

/** @throws PosternError `policy.too_large` above 64 MiB */
export function tablesOf(schema: Schema, bits: readonly Bit[], o: TableOptions): Tables {
  const full = flat(schema, bits, o)
  return { ...full, partition: (o.partitioned ?? true) ? partitionOf(schema, full, o) : null }
}

/** The same tables with memories of their own: what other levels would answer must not be remembered here. */
export function withoutMemory(t: Tables): Tables {
  const { partition } = t
  return {
    ...t,
    memo: newMemo(),
    partition: partition && { ...partition, parts: partition.parts.map(withoutMemory) },
  }
}

export function newScratch({ words, attributes }: Pick<Tables, 'words' | 'attributes'>): Scratch {
  return {
    must: new Uint32Array(words),
    may: new Uint32Array(words),
    mustAt: new Int32Array(attributes.length),
    mayAt: new Int32Array(attributes.length),
  }
}

function flat(schema: Schema, bits: readonly Bit[], o: TableOptions, shared: Map<string, Attribute> | null = null): Tables {
  const cut = attributesOf(
    schema,
    bits.map(({ box }) => box),
  )
  const found = shared === null ? cut : cut.map((a) => sameOf(shared, a))
  const words = Math.max(1, Math.ceil(bits.length / 32))
  if (found.reduce((sum, a) => sum + (a.classes + 3) * words, 0) * 4 > maxTableBytes) throw tooLarge('tables above 64 MiB')
  const speaking = new Map<string, number[]>(found.map(({ key }) => [key, []]))
  bits.forEach(({ box }, b) => {
    for (const key of box.sets.keys()) speaking.get(key)!.push(b)
  })
  const built = found
    .map((a) => rowsOf(schema, a, bits, words, speaking.get(a.key)!))
    .sort((x, y) => Number(masked.has(x.a.fact)) - Number(masked.has(y.a.fact)) || x.left - y.left)
  const base = new Int32Array(built.length)
  const rows = new Uint32Array(built.reduce((sum, one) => sum + one.rows.length, 0))
  let at = 0
  built.forEach((one, i) => {
    base[i] = at
    rows.set(one.rows, at)
    at += one.rows.length
  })
  const attributes = built.map(({ a }) => a)
  const spoken: Spoken[][] = bits.map(() => [])
  // By name: what explanations list must not hang on which attribute happens to be selective.
  for (const { key } of found) {
    const i = attributes.findIndex((a) => a.key === key)
    const { fact } = attributes[i]!
    for (const b of speaking.get(key)!) {
      const conditions = bits[b]!.box.source.get(fact)!
      spoken[b]!.push({ i, fact, needed: conditions.length === 1 ? conditions[0] : conditions })
    }
  }
  const mask = (is: (bit: Bit) => boolean): Uint32Array => maskOf(bits.length, words, (b) => is(bits[b]!))
  return {
    attributes,
    maskable: attributes.filter(({ fact }) => !masked.has(fact)).length,
    words,
    bits,
    rows,
    base,
    spoken,
    deny: mask(({ rule }) => rule.effect === 'deny'),
    require: mask(({ rule }) => rule.effect === 'require'),
    allow: mask(({ rule }) => rule.effect === 'allow'),
    enforced: mask(({ rule }) => rule.mode === 'enforce'),
    shadows: bits.some(({ rule }) => rule.mode === 'shadow'),
    partition: null,
    session: sessionPlanOf(schema, bits, o.levels),
    memo: newMemo(),
    known: o.known ?? null,
    scratch: newScratch({ words, attributes }),
  }
}

function sameOf(shared: Map<string, Attribute>, a: Attribute): Attribute {
  const content = JSON.stringify([a.key, a.cuts, [...a.texts]])
  const known = shared.get(content) ?? a
  shared.set(content, known)
  return known
}

/** One attribute's rows, and how many boxes a value leaves on average. */
function rowsOf(
  schema: Schema,
  a: Attribute,
  bits: readonly Bit[],
  words: number,
  speaking: readonly number[],
): { readonly a: Attribute; readonly rows: Uint32Array; readonly left: number } {
  const rows = new Uint32Array((a.classes + 3) * words)
  const silent = maskOf(bits.length, words, () => true)
  for (const b of speaking) silent[b >>> 5]! &= ~(1 << (b & 31))
  for (let n = 0; n < a.classes + 3; n++) rows.set(silent, n * words)
  let left = 0
  for (const b of speaking) {
    const ok = accepted(a, schema, bits[b]!.box.sets.get(a.key)!)
    const [word, bit] = [b >>> 5, 1 << (b & 31)]
    let count = 0
    for (let c = 0; c < a.classes; c++)
      if (ok[c] === 1) {
        rows[c * words + word]! |= bit
        count++
      }
    if (count === a.classes) rows[(a.classes + MUST_ROW) * words + word]! |= bit
    if (count > 0) rows[(a.classes + MAY_ROW) * words + word]! |= bit
    left += count / a.classes
  }
  return { a, rows, left: bits.length - speaking.length + left }
}

/** Splits where one closed or open fact without a scope tells most rules apart, and the parts together stay small. */
function partitionOf(schema: Schema, t: Tables, o: TableOptions): Tables['partition'] {
  if (t.words < 2) return null
  let best: { readonly i: number; readonly sum: number } | null = null
  t.attributes.forEach((a, i) => {
    if (a.kind === RANGES || a.kind === MEMBER || a.scoped || masked.has(a.fact)) return
    let sum = 0
    for (let n = 0; n < a.classes * t.words; n++) sum += popcount(t.rows[t.base[i]! + n]!)
    // A part of a quarter on average is worth having; parts that repeat the whole are not worth their memory.
    if (sum <= t.bits.length * 4 && sum <= (t.bits.length * a.classes) / 4 && (best === null || sum / a.classes < best.sum))
      best = { i, sum: sum / a.classes }
  })
  if (best === null) return null
  const { i } = best as { i: number }
  const attribute = t.attributes[i]!
  // Most apps cut most facts alike: what is the same is there once, and stays in the processor's cache.
  const shared = new Map<string, Attribute>()
  const parts = Array.from({ length: attribute.classes }, (_, c) => {
    const row = t.rows.subarray(t.base[i]! + c * t.words, t.base[i]! + (c + 1) * t.words)
    return flat(
      schema,
      t.bits.filter((_, b) => hasBit(row, b)).map((bit) => ({ ...bit, box: without(bit.box, [attribute.key]) })),
      o,
      shared,
    )
  })
  // Decisions are made one at a time: parts of one width write into the same place.
  const scratches = new Map<number, Scratch>()
  const widest = parts.reduce((most, part) => (part.attributes.length > most.attributes.length ? part : most))
  return {
    attribute,
    parts: parts.map((part) => {
      const scratch = scratches.get(part.words) ?? newScratch({ words: part.words, attributes: widest.attributes })
      scratches.set(part.words, scratch)
      return { ...part, scratch }
    }),
  }
}

/** A box that no longer speaks of some attributes, because they are known to fit. */
export function without(box: FlatBox, keys: readonly string[]): FlatBox {
  const sets = new Map(box.sets)
  for (const key of keys) sets.delete(key)
  return { sets, source: box.source }
}
