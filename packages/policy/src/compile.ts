/**
 * From a document to rows of bits: one bit a box, one row a class. Deciding is then a look-up and an AND per attribute.
 * Bits are sorted by effect, reason and id, so that nothing depends on the order of a document.
 */
import { type AcrLevels, type PolicyDocument, type Rule, reasons } from './document.js'
import { type Attribute, accepted, attributesOf } from './internal/attributes.js'
import { type FlatBox, flatten } from './internal/conditions.js'
import { tooLarge } from './internal/read.js'
import { neutral, type Requirement, requirementOf } from './obligations.js'
import type { Schema, SchemaSpec } from './schema.js'

/** A policy ready to decide: immutable, shared freely. */
export interface Compiled<S extends SchemaSpec = SchemaSpec> {
  readonly schema: Schema<S>
  readonly document: PolicyDocument
  /** Version id, `draft` for a document not hashed yet. */
  readonly version: string
  readonly levels: AcrLevels
  /** Rows, masks and memos; opaque. */
  readonly tables: unknown
}

/** One bit: a box of a rule. */
export interface Bit {
  readonly rule: Rule
  readonly box: FlatBox
  readonly requirement: Requirement
}

/** What the opaque `tables` hold. Rows of an attribute: its classes, *not applicable*, and missing-may; `naRow` doubles as must-in-doubt. */
export interface Tables {
  readonly attributes: readonly Attribute[]
  /** Attributes from here on are about the session's authenticators: masked when asking whether a step-up could help. */
  readonly maskable: number
  readonly words: number
  readonly bits: readonly Bit[]
  readonly rows: Uint32Array
  /** Offset of each attribute's first row. */
  readonly base: Int32Array
  readonly deny: Uint32Array
  readonly require: Uint32Array
  readonly allow: Uint32Array
  /** Bits of enforced rules; the others are shadows. */
  readonly enforced: Uint32Array
  readonly shadows: boolean
  readonly merged: Map<string, Requirement>
  /** Decisions by pattern of bits, where the pattern alone decides. */
  readonly decided: Map<number, unknown>
}

/** Row kinds after the classes. */
export const NA_ROW = 0
export const MUST_ROW = 1
export const MAY_ROW = 2

const masked = new Set(['authenticator.methods', 'authenticator.acr', 'authenticator.ageSec', 'authenticator.userVerified'])
const maxTableBytes = 64 * 1024 * 1024

/**
 * Checks a document against a schema and compiles it. (`openPolicy` in /publish also checks both hashes.)
 * @throws PosternError `policy.document_invalid` (pointer in `reason`) | `policy.too_large`
 */
export function compile<S extends SchemaSpec>(schema: Schema<S>, doc: PolicyDocument, o: { version?: string } = {}): Compiled<S> {
  const bits = bitsOf(schema, doc)
  const attributes = [
    ...attributesOf(
      schema,
      bits.map(({ box }) => box),
    ),
  ].sort((a, b) => Number(masked.has(a.fact)) - Number(masked.has(b.fact)))
  const words = Math.max(1, Math.ceil(bits.length / 32))
  const base = new Int32Array(attributes.length)
  let size = 0
  attributes.forEach((a, i) => {
    base[i] = size
    size += (a.classes + 3) * words
  })
  if (size * 4 > maxTableBytes) throw tooLarge('tables above 64 MiB')
  const tables: Tables = {
    attributes,
    maskable: attributes.filter(({ fact }) => !masked.has(fact)).length,
    words,
    bits,
    rows: new Uint32Array(size),
    base,
    deny: maskOf(bits, words, ({ rule }) => rule.effect === 'deny'),
    require: maskOf(bits, words, ({ rule }) => rule.effect === 'require'),
    allow: maskOf(bits, words, ({ rule }) => rule.effect === 'allow'),
    enforced: maskOf(bits, words, ({ rule }) => rule.mode === 'enforce'),
    shadows: bits.some(({ rule }) => rule.mode === 'shadow'),
    merged: new Map(),
    decided: new Map(),
  }
  fill(schema, tables)
  return { schema, document: doc, version: o.version ?? 'draft', levels: doc.acr.levels, tables }
}

/** The same policy with its level table cut at `acr`: for instances whose platform is unverified. Shares everything else. */
export function capAcr<S extends SchemaSpec>(p: Compiled<S>, acr: number): Compiled<S> {
  return { ...p, levels: Object.fromEntries(Object.entries(p.levels).map(([set, level]) => [set, Math.min(level, acr)])) }
}

/** Boxes of the rules in force or in shadow, deny first, then by reason, then by id. */
function bitsOf(schema: Schema, doc: PolicyDocument): readonly Bit[] {
  const bits: Bit[] = []
  doc.rules.forEach((rule, i) => {
    const at = `/rules/${i}`
    // An unwanted rule is checked like any other: switching it on must not be what breaks the document.
    const boxes = boxesOf(schema, rule, at)
    const requirement = rule.effect === 'require' ? requirementOf(rule.require, doc.fallback) : neutral
    if (rule.mode !== 'off') for (const box of boxes) bits.push({ rule, box, requirement })
  })
  const effects = { deny: 0, require: 1, allow: 2 }
  const rank = ({ rule }: Bit): number =>
    effects[rule.effect] * 100 + (rule.effect === 'allow' ? 0 : reasons.indexOf(rule.reason))
  return bits.sort((a, b) => rank(a) - rank(b) || (a.rule.id < b.rule.id ? -1 : a.rule.id > b.rule.id ? 1 : 0))
}

/** What a rule's `when`, `anyOf`, `from` and `until` mean together. */
export function boxesOf(schema: Schema, rule: Rule, at: string): readonly FlatBox[] {
  const written = [{ box: rule.when ?? {}, at: `${at}/when` }]
  if (rule.from !== undefined) written.push({ box: { 'time.at': { gte: Date.parse(rule.from) } }, at: `${at}/from` })
  if (rule.until !== undefined) written.push({ box: { 'time.at': { lt: Date.parse(rule.until) } }, at: `${at}/until` })
  if (!rule.anyOf) return flatten(schema, written)
  const boxes = rule.anyOf.flatMap((box, i) => flatten(schema, [...written, { box, at: `${at}/anyOf/${i}` }]))
  if (boxes.length > 64) throw tooLarge(`more than 64 boxes in the rule ${rule.id}`)
  return boxes
}

function maskOf(bits: readonly Bit[], words: number, is: (bit: Bit) => boolean): Uint32Array {
  const mask = new Uint32Array(words)
  bits.forEach((bit, i) => {
    if (is(bit)) mask[i >>> 5]! |= 1 << (i & 31)
  })
  return mask
}

function fill(schema: Schema, { attributes, bits, rows, base, words }: Tables): void {
  attributes.forEach((a, i) => {
    const row = (n: number): number => base[i]! + n * words
    bits.forEach(({ box }, b) => {
      const [word, bit] = [b >>> 5, 1 << (b & 31)]
      const sets = box.sets.get(a.key)
      const ok = sets ? accepted(a, schema, sets) : null
      const some = ok === null || ok.includes(1)
      for (let c = 0; c < a.classes; c++) if (ok === null || ok[c] === 1) rows[row(c) + word]! |= bit
      if (ok === null) rows[row(a.classes + NA_ROW) + word]! |= bit
      if (ok === null || !ok.includes(0)) rows[row(a.classes + MUST_ROW) + word]! |= bit
      if (some) rows[row(a.classes + MAY_ROW) + word]! |= bit
    })
  })
}
