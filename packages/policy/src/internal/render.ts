/**
 * Rules as text of another language, from what was written and not from what was compiled: the text is an independent witness of the rows.
 * A dialect says how a value is read, compared and looked for.
 */
import { PosternError } from '@postern/core/errors'
import type { Box, Condition, Range, Rule, Scalar } from '../document.js'
import type { FactSpec, OrderedSpec, Schema } from '../schema.js'
import { indexes } from './conditions.js'
import { boxesOf } from './rules.js'

export type Bound = 'lt' | 'lte' | 'gt' | 'gte'
export interface Dialect {
  readonly literal: (value: Scalar) => string
  /** Whether the fact exists here at all. */
  readonly exists: (fact: string) => string
  readonly equals: (fact: string, spec: FactSpec, value: Scalar) => string
  /** One of at least two. */
  readonly oneOf: (fact: string, values: readonly Scalar[]) => string
  readonly bound: (fact: string, spec: FactSpec, op: Bound, value: Scalar) => string
  readonly has: (fact: string, member: string) => string
}

/**
 * The condition of a rule.
 * @throws PosternError `policy.document_invalid` for a rule that does not fit the schema | `policy.render_unsupported`
 */
export function ruleText(schema: Schema, rule: Rule, d: Dialect): string {
  boxesOf(schema, rule, '')
  const at = (bound: Range): string => boxText(schema, { 'time.at': bound }, d)
  const parts = [boxText(schema, rule.when ?? {}, d)]
  if (rule.from !== undefined) parts.push(at({ gte: Date.parse(rule.from) }))
  if (rule.until !== undefined) parts.push(at({ lt: Date.parse(rule.until) }))
  if (rule.anyOf) parts.push(or(rule.anyOf.map((box) => boxText(schema, box, d))))
  return and(parts)
}

function boxText(schema: Schema, box: Box, d: Dialect): string {
  return and(
    Object.entries(box).map(([fact, condition]) => {
      const spec = schema.spec.facts[fact]!
      const said = conditionText(fact, spec, condition, d)
      // Outside its scope a fact is matched by no condition, a negated one included.
      return spec.scope ? and([d.exists(fact), said]) : said
    }),
  )
}

function conditionText(fact: string, spec: FactSpec, condition: Condition, d: Dialect): string {
  if (typeof condition !== 'object') return anyOf(fact, spec, [condition], d)
  if (Array.isArray(condition)) return anyOf(fact, spec, condition as readonly Scalar[], d)
  return and(
    Object.entries(condition).map(([op, operand]: [string, unknown]) => {
      const all = (Array.isArray(operand) ? operand : [operand]) as readonly Scalar[]
      const members = (): string[] => all.map((member) => d.has(fact, member as string))
      switch (op) {
        case 'in':
          return anyOf(fact, spec, all, d)
        case 'not':
          return not(anyOf(fact, spec, all, d))
        case 'ranges':
          return or((operand as readonly Range[]).map((range) => conditionText(fact, spec, range, d)))
        case 'has':
        case 'hasAll':
          return and(members())
        case 'hasAny':
          return or(members())
        case 'hasNone':
          return not(or(members()))
        default:
          return bound(fact, spec, op as Bound, all[0]!, d)
      }
    }),
  )
}

function anyOf(fact: string, spec: FactSpec, values: readonly Scalar[], d: Dialect): string {
  // Values of one rank are one value.
  const ranked = indexes(spec)
  const wanted =
    spec.type === 'ordered' ? [...ranked!].filter(([, rank]) => values.some((v) => ranked!.get(v as string) === rank)) : null
  return wanted
    ? listed(
        fact,
        spec,
        wanted.map(([value]) => value),
        d,
      )
    : listed(fact, spec, values, d)
}

function listed(fact: string, spec: FactSpec, values: readonly Scalar[], d: Dialect): string {
  if (values.length === 0) return 'false'
  if (values.length === 1 || spec.type === 'version') return or(values.map((value) => d.equals(fact, spec, value)))
  return d.oneOf(fact, values)
}

function bound(fact: string, spec: FactSpec, op: Bound, value: Scalar, d: Dialect): string {
  if (spec.type !== 'ordered') return d.bound(fact, spec, op, value)
  const ranked = indexes(spec as OrderedSpec)!
  const limit = ranked.get(value as string)!
  const holds = {
    lt: (n: number) => n < limit,
    lte: (n: number) => n <= limit,
    gt: (n: number) => n > limit,
    gte: (n: number) => n >= limit,
  }
  return listed(
    fact,
    spec,
    [...ranked].filter(([, rank]) => holds[op](rank)).map(([name]) => name),
    d,
  )
}

export const symbols: Readonly<Record<Bound, string>> = { lt: '<', lte: '<=', gt: '>', gte: '>=' }

/** A conjunction: `true` where it is empty. */
export function and(parts: readonly string[]): string {
  const said = parts.filter((part) => part !== 'true')
  if (said.includes('false')) return 'false'
  return said.length === 0 ? 'true' : said.length === 1 ? said[0]! : said.map(grouped).join(' && ')
}

/** A disjunction: `false` where it is empty. */
export function or(parts: readonly string[]): string {
  if (parts.includes('true')) return 'true'
  const said = parts.filter((part) => part !== 'false')
  return said.length === 0 ? 'false' : said.length === 1 ? said[0]! : said.map(grouped).join(' || ')
}

export function not(part: string): string {
  return part === 'true' ? 'false' : part === 'false' ? 'true' : `!(${part})`
}

function grouped(part: string): string {
  return / (?:&&|\|\|) /.test(part) ? `(${part})` : part
}

/** A string that no well-formed JSON holds. */
export function wellFormed(text: string): string {
  if (/[\ud800-\udfff]/u.test(text)) throw new PosternError('policy.render_unsupported', { reason: 'lone surrogate' })
  return text
}
