/** What a rule's fields mean together: boxes over attributes. */
import { type PolicyDocument, type Rule, reasons } from '../document.js'
import { neutral, type Requirement, requirementOf } from '../obligations.js'
import type { Schema } from '../schema.js'
import { type FlatBox, flatten } from './conditions.js'
import { tooLarge } from './read.js'
import type { Bit } from './tables.js'

const maxBoxes = 64

/** Boxes of the rules in force or in shadow, deny first, then by reason, then by id. */
export function bitsOf(schema: Schema, doc: PolicyDocument): readonly Bit[] {
  const bits: Bit[] = []
  const interned = new Map<string, Requirement>()
  const intern = (r: Requirement): Requirement => {
    const key = JSON.stringify(r)
    const known = interned.get(key) ?? r
    interned.set(key, known)
    return known
  }
  doc.rules.forEach((rule, i) => {
    // An unwanted rule is checked like any other: switching it on must not be what breaks the document.
    const boxes = boxesOf(schema, rule, `/rules/${i}`)
    const requirement = rule.effect === 'require' ? intern(requirementOf(rule.require, doc.fallback)) : neutral
    if (rule.mode !== 'off') for (const box of boxes) bits.push({ rule, box, requirement })
  })
  const effects = { deny: 0, require: 1, allow: 2 }
  const rank = ({ rule }: Bit): number =>
    effects[rule.effect] * 100 + (rule.effect === 'allow' ? 0 : reasons.indexOf(rule.reason))
  return bits.sort((a, b) => rank(a) - rank(b) || (a.rule.id < b.rule.id ? -1 : a.rule.id > b.rule.id ? 1 : 0))
}

/**
 * The boxes of one rule: `when`, `anyOf`, `from` and `until` together.
 * @throws PosternError `policy.document_invalid` | `policy.too_large`
 */
export function boxesOf(schema: Schema, rule: Rule, at: string): readonly FlatBox[] {
  const written = [{ box: rule.when ?? {}, at: `${at}/when` }]
  if (rule.from !== undefined) written.push({ box: { 'time.at': { gte: Date.parse(rule.from) } }, at: `${at}/from` })
  if (rule.until !== undefined) written.push({ box: { 'time.at': { lt: Date.parse(rule.until) } }, at: `${at}/until` })
  if (!rule.anyOf) return flatten(schema, written)
  const boxes = rule.anyOf.flatMap((box, i) => flatten(schema, [...written, { box, at: `${at}/anyOf/${i}` }]))
  if (boxes.length > maxBoxes) throw tooLarge(`more than ${maxBoxes} boxes in the rule ${rule.id}`)
  return boxes
}
