/**
 * From a document to rows of bits: one bit a box, one row a class. Deciding is then a look-up and an AND per attribute.
 * Bits are sorted by effect, reason and id, so that nothing depends on the order of a document.
 */
import type { AcrLevels, PolicyDocument } from './document.js'
import { checkKinds } from './internal/checkKinds.js'
import { flatten } from './internal/conditions.js'
import { bitsOf } from './internal/rules.js'
import { type Tables, tablesOf, withoutMemory } from './internal/tables.js'
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

/** How to compile. */
export interface CompileOptions {
  /** Version id, default `draft`. */
  readonly version?: string
  /** Tables of their own for each value of the fact that tells most rules apart, where one does. Default `true`; decides the same either way. */
  readonly partitioned?: boolean
}

/**
 * Checks a document against a schema and compiles it. (`openPolicy` in /publish also checks both hashes.)
 * @throws PosternError `policy.document_invalid` (pointer in `reason`) | `policy.too_large`
 */
export function compile<S extends SchemaSpec>(schema: Schema<S>, doc: PolicyDocument, o: CompileOptions = {}): Compiled<S> {
  checkKinds(schema, doc)
  // Invariants decide nothing; one that speaks of no fact would guard nothing.
  doc.invariants.forEach(({ when }, i) => {
    flatten(schema, [{ box: when, at: `/invariants/${i}/when` }])
  })
  const { levels } = doc.acr
  const tables = tablesOf(schema, bitsOf(schema, doc), { levels, partitioned: o.partitioned ?? true })
  return { schema, document: doc, version: o.version ?? 'draft', levels, tables }
}

/** The same policy with its level table cut at `acr`: for instances whose platform is unverified. Shares the rows. */
export function capAcr<S extends SchemaSpec>(p: Compiled<S>, acr: number): Compiled<S> {
  const { capped } = (p.tables as Tables).memo
  const known = capped.get(acr) as Compiled<S> | undefined
  if (known !== undefined) return known
  const levels = Object.fromEntries(Object.entries(p.levels).map(([set, level]) => [set, Math.min(level, acr)]))
  const cut = { ...p, levels, tables: withoutMemory(p.tables as Tables) }
  if (capped.size < maxCeilings) capped.set(acr, cut)
  return cut
}

const maxCeilings = 8
