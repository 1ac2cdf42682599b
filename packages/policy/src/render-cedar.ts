/**
 * Rules as Cedar policies with their schema, for documentation and for Cedar to check ours against, on requests that lack nothing. `require`
 * has no counterpart: it is rendered as `forbid`, so that a reader who ignores the annotation refuses too much and not too little.
 */
import type { Box, Condition, PolicyDocument, Rule } from './document.js'
import type { Facts } from './facts.js'
import { and, type Bound, type Dialect, not, ruleText, symbols, wellFormed } from './internal/render.js'
import { factValue, type Slots } from './internal/slots.js'
import type { FactSpec, FactValue, Schema } from './schema.js'
import { compareVersions, parseVersion } from './version.js'

/** A version as Cedar gets it, which has no order of texts: of the versions that the rules name, those reached and those passed. */
export interface CedarVersion {
  readonly atLeast: readonly string[]
  readonly above: readonly string[]
}
export interface CedarRendering {
  /** One policy a rule in force, by rule id. */
  readonly policies: Readonly<Record<string, string>>
  /** Cedar schema text: `Subject`, `Resource`, `Action::"decide"`, and every fact in the context. */
  readonly schema: string
  /** The context of a request. */
  readonly context: (f: Facts) => Readonly<Record<string, FactValue | CedarVersion>>
}

/**
 * The rules in force as Cedar. Every fact is in the context, the action too: rules are boxes over facts, and nothing else is asked.
 * @throws PosternError `policy.document_invalid` for a rule that does not fit the schema | `policy.render_unsupported`
 */
export function renderCedar(schema: Schema, doc: PolicyDocument): CedarRendering {
  const named = versionsIn(schema, doc)
  return {
    policies: Object.fromEntries(
      doc.rules.filter(({ mode }) => mode === 'enforce').map((rule) => [rule.id, policyText(schema, rule)]),
    ),
    schema: schemaText(schema),
    context(f) {
      const out: Record<string, FactValue | CedarVersion> = {}
      f.schema.names.forEach((name, slot) => {
        const value = factValue(f as Slots, slot)
        if (value === null) return
        if (schema.spec.facts[name]!.type !== 'version') {
          out[name] = value
          return
        }
        const order = (text: string): number => compareVersions(parseVersion(value as string)!, parseVersion(text)!)
        const points = named.get(name) ?? []
        out[name] = { atLeast: points.filter((p) => order(p) >= 0), above: points.filter((p) => order(p) > 0) }
      })
      return out
    },
  }
}

function policyText(schema: Schema, rule: Rule): string {
  const notes = [`@id(${quoted(rule.id)})`, `@effect(${quoted(rule.effect)})`]
  if (rule.effect !== 'allow') notes.push(`@reason(${quoted(rule.reason)})`)
  const effect = rule.effect === 'allow' ? 'permit' : 'forbid'
  return `${notes.join('\n')}\n${effect} (principal, action, resource)\nwhen { ${ruleText(schema, rule, dialect)} };`
}

const types: Readonly<Record<FactSpec['type'], string>> = {
  enum: 'String',
  ordered: 'String',
  open: 'String',
  int: 'Long',
  version: '{ "atLeast": Set<String>, "above": Set<String> }',
  bool: 'Bool',
  set: 'Set<String>',
}

function schemaText(schema: Schema): string {
  const facts = schema.names.map((name) => {
    const spec = schema.spec.facts[name]!
    return `    ${quoted(name)}${spec.scope ? '?' : ''}: ${types[spec.type]},`
  })
  return `entity Subject;\nentity Resource;\naction "decide" appliesTo {\n  principal: Subject,\n  resource: Resource,\n  context: {\n${facts.join('\n')}\n  }\n};\n`
}

const quoted = (text: string): string => {
  const escaped = (c: string): string => (c === '"' || c === '\\' ? `\\${c}` : `\\u{${c.charCodeAt(0).toString(16)}}`)
  return `"${wellFormed(text).replace(/["\\\p{Cc}]/gu, escaped)}"`
}
const read = (fact: string): string => `context[${quoted(fact)}]`
const literal = (value: string | number | boolean): string => (typeof value === 'string' ? quoted(value) : String(value))
const reached = (fact: string, which: 'atLeast' | 'above', value: string): string =>
  `${read(fact)}.${which}.contains(${quoted(value)})`

const dialect: Dialect = {
  literal,
  exists: (fact) => `context has ${quoted(fact)}`,
  equals: (fact, spec, value) =>
    spec.type === 'version'
      ? and([reached(fact, 'atLeast', value as string), not(reached(fact, 'above', value as string))])
      : `${read(fact)} == ${literal(value)}`,
  oneOf: (fact, values) => `[${values.map(literal).join(', ')}].contains(${read(fact)})`,
  bound(fact, spec, op: Bound, value) {
    if (spec.type !== 'version') return `${read(fact)} ${symbols[op]} ${literal(value)}`
    const is = reached(fact, op === 'gt' || op === 'lte' ? 'above' : 'atLeast', value as string)
    return op === 'gt' || op === 'gte' ? is : not(is)
  },
  has: (fact, member) => `${read(fact)}.contains(${quoted(member)})`,
}

/** The versions that any condition names, by fact. */
function versionsIn(schema: Schema, doc: PolicyDocument): ReadonlyMap<string, readonly string[]> {
  const out = new Map<string, Set<string>>()
  const boxes: Box[] = doc.rules.flatMap((rule) => [rule.when ?? {}, ...(rule.anyOf ?? [])])
  for (const box of boxes)
    for (const [fact, condition] of Object.entries(box))
      if (schema.spec.facts[fact]?.type === 'version')
        for (const text of textsIn(condition)) out.set(fact, (out.get(fact) ?? new Set()).add(text))
  return new Map([...out].map(([fact, texts]) => [fact, [...texts].sort()]))
}

function textsIn(condition: Condition | readonly Condition[]): readonly string[] {
  if (typeof condition === 'string') return [condition]
  return typeof condition === 'object' ? Object.values(condition).flatMap((inner) => textsIn(inner as Condition)) : []
}
