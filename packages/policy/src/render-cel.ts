/**
 * Rules as CEL, for documentation and for other engines to check ours against. The text means what the rule means on requests that lack nothing;
 * what a missing fact does, CEL cannot say: there it is an error, never a match.
 */
import type { Rule } from './document.js'
import type { Facts } from './facts.js'
import { type Bound, type Dialect, ruleText, symbols, wellFormed } from './internal/render.js'
import { factValue, type Slots } from './internal/slots.js'
import type { FactSpec, Schema } from './schema.js'
import { parseVersion, type Version } from './version.js'

/** A fact as CEL gets it; integers as `bigint`, which is how its libraries say `int`. */
export type CelFact = string | bigint | boolean | readonly string[]

/**
 * One rule as a CEL expression over the map `facts`: `facts["os.platform"] == "ios" && facts["transaction.amount"] > 100000`.
 * Versions are compared as texts that sort (`00000016.00000004.00000000.00000000~`); {@link celFacts} makes both sides alike.
 * @throws PosternError `policy.document_invalid` for a rule that does not fit the schema | `policy.render_unsupported`
 */
export function renderCel(schema: Schema, rule: Rule): string {
  return ruleText(schema, rule, dialect)
}

/** The map `facts` of a request: what is present, nothing else. */
export function celFacts(f: Facts): Readonly<Record<string, CelFact>> {
  const slots = f as Slots
  const out: Record<string, CelFact> = {}
  f.schema.names.forEach((name, slot) => {
    const value = factValue(slots, slot)
    if (value === null) return
    const isVersion = f.schema.spec.facts[name]!.type === 'version'
    out[name] = isVersion ? sortable(parseVersion(value as string)!) : typeof value === 'number' ? BigInt(value) : value
  })
  return out
}

const quoted = (text: string): string => JSON.stringify(wellFormed(text))
const read = (fact: string): string => `facts[${quoted(fact)}]`
const literal = (value: string | number | boolean): string => (typeof value === 'string' ? quoted(value) : String(value))
const operand = (spec: FactSpec, value: string | number | boolean): string =>
  spec.type === 'version' ? quoted(sortable(parseVersion(value as string)!)) : literal(value)

const dialect: Dialect = {
  literal,
  exists: (fact) => `${quoted(fact)} in facts`,
  equals: (fact, spec, value) => `${read(fact)} == ${operand(spec, value)}`,
  oneOf: (fact, values) => `${read(fact)} in [${values.map(literal).join(', ')}]`,
  bound: (fact, spec, op: Bound, value) => `${read(fact)} ${symbols[op]} ${operand(spec, value)}`,
  has: (fact, member) => `${quoted(member)} in ${read(fact)}`,
}

const PART = 2 ** 26

/** A text that sorts as the version does (SemVer §11): parts padded, numeric identifiers by length and below the others, a release last. */
function sortable({ hi, lo, pre }: Version): string {
  const parts = [Math.floor(hi / PART), hi % PART, Math.floor(lo / PART), lo % PART].map((part) => String(part).padStart(8, '0'))
  const ids = pre?.split('.').map((id) => (/^\d+$/.test(id) ? `0${String(id.length).padStart(2, '0')}${id}` : `1${id}`))
  return `${parts.join('.')}${ids ? `-${ids.join('!')}` : '~'}`
}
